//! Exit codes for scripts, one sentence on stderr for people, and a clean stdout.

use std::fs;
use std::net::TcpListener;

use serde_json::json;

use crate::deploy::{ECHO, HEAD, with_guests};
use crate::harness::command::{Ran, check, check_with, hotstage};
use crate::harness::components;
use crate::harness::manifest::{model, pipeline};
use crate::harness::server::Setup;
use crate::harness::state::Folder;

/// One sentence without colour.
#[track_caller]
fn one_sentence(ran: &Ran, code: i32, says: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert_eq!(ran.stdout, "");
    assert!(
        ran.stderr.starts_with("error: ") && ran.stderr.lines().count() == 1,
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
    assert!(!ran.stderr.contains(['\u{1b}', '\r']), "{}", ran.stderr);
}

#[test]
fn wrong_arguments_end_with_2() {
    let arguments: [(&[&str], &str); 10] = [
        (&[], "Usage: hotstage <COMMAND>"),
        (&["serv"], "'serve'"),
        (&["serve", "--watch"], "--file <PATH>..."),
        (&["check", "-f"], "--file <PATH>..."),
        (
            &["serve", "-f", "x.yaml", "--htp", "127.0.0.1:0"],
            "'--http'",
        ),
        (&["serve", "-f", "x.yaml", "--io-threads", "0"], "1..=1024"),
        (
            &["serve", "-f", "x.yaml", "--max-body", "lots"],
            "--max-body <BYTES>",
        ),
        (
            &["serve", "-f", "x.yaml", "--log-format", "xml"],
            "[possible values: text, json]",
        ),
        (&["infer", "model"], "<FILE>"),
        (&["completions", "tcsh"], "[possible values:"),
    ];
    for (arguments, says) in arguments {
        let ran = hotstage(arguments.iter().copied());
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}: {ran:?}"
        );
        assert!(
            ran.stderr.contains(says) && !ran.stderr.contains('\u{1b}'),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    let file = Folder::new();
    let request = file.write("request.json", "{}");
    for (url, says) in [
        ("https://127.0.0.1:1", "is not an http URL"),
        ("127.0.0.1:1/x y", "is not a valid URL"),
        ("/v2", "names no host"),
    ] {
        one_sentence(
            &hotstage(["infer", "m", request.to_str().unwrap(), "--url", url]),
            2,
            says,
        );
    }
}

#[test]
fn what_is_refused_ends_with_3() {
    let folder = with_guests(&["echo"]);
    one_sentence(
        &check(folder.path(), ["-f", "nowhere.yaml"]),
        3,
        "nowhere.yaml:1:1: there is no such file",
    );
    let Err(ended) = Setup::files([folder.path().join("nowhere.yaml")]).try_start() else {
        panic!("it serves")
    };
    assert_eq!((ended.code, ended.stdout.len()), (Some(3), 0), "{ended:?}");
    one_sentence(
        &hotstage(["infer", "m", "nowhere.json"]),
        3,
        "can't read nowhere.json",
    );
}

/// State directories that can't be used, and why.
#[test]
fn a_state_directory_that_can_not_be_used_ends_with_4() {
    let folder = with_guests(&["echo"]);
    folder.write("pipeline.yaml", format!("{HEAD}{ECHO}"));
    folder.write("file", "a file");
    for (name, files) in [
        ("strange", ["thesis.tex", "notes"]),
        ("newer", ["hotstage.json", "blobs"]),
    ] {
        fs::create_dir(folder.path().join(name)).unwrap();
        for file in files {
            fs::write(folder.path().join(name).join(file), r#"{"format": 2}"#).unwrap();
        }
    }
    for (name, says) in [
        (
            "strange",
            "is not a Hotstage state directory: it holds other files; choose an empty or a new one with --state",
        ),
        (
            "newer",
            "has format 2, which this version can't read (it knows 1)",
        ),
        ("file", "can't make the directory"),
        ("file/below", "can't make the directory"),
        ("/proc/hotstage", "can't make the directory"),
    ] {
        let state = folder.path().join(name);
        let ran = check_with(
            folder.path(),
            &state,
            &components(),
            ["-f", "pipeline.yaml"],
            b"",
        );
        one_sentence(&ran, 4, says);
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
    }
    assert_eq!(
        fs::read_dir(folder.path().join("strange")).unwrap().count(),
        2,
        "it was written into"
    );
}

#[test]
fn an_address_that_can_not_be_listened_on_ends_with_6() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    for (address, says) in [
        (
            taken.to_string(),
            "is in use; stop what listens there, or choose another with --http".to_owned(),
        ),
        ("nonsense".to_owned(), "can't listen on nonsense".to_owned()),
        (
            "192.0.2.1:80".to_owned(),
            "can't listen on 192.0.2.1:80".to_owned(),
        ),
    ] {
        let Err(ended) = Setup::of([pipeline("p", [model("echo")])])
            .http(&address)
            .try_start()
        else {
            panic!("it listens on {address}")
        };
        let [error] = &ended.stderr[..] else {
            panic!("{ended:?}")
        };
        assert_eq!((ended.code, ended.stdout.len()), (Some(6), 0), "{ended:?}");
        assert!(
            error.starts_with("error: ") && error.contains(&says),
            "{error}"
        );
    }
}

#[test]
fn a_server_that_is_not_there_ends_with_7() {
    let folder = Folder::new();
    let request = folder.write("request.json", "{}");
    let rows = folder.write("rows.csv", "x\n1\n");
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for file in [request, rows] {
        let ran = hotstage([
            "infer",
            "m",
            file.to_str().unwrap(),
            "--url",
            &format!("http://{free}"),
        ]);
        one_sentence(&ran, 7, &format!("can't reach a server at {free}: "));
        assert!(
            ran.stderr
                .contains("is it running? `hotstage serve` starts one"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_request_that_the_server_refuses_ends_with_8() {
    let server = Setup::of([
        pipeline("echo", [model("echo")]),
        pipeline("traps", [model("traps")]),
    ])
    .start();
    let folder = Folder::new();
    let url = format!("http://{}", server.address);
    let infer = |model: &str, request: &str| {
        let file = folder.write("request.json", request);
        hotstage(["infer", model, file.to_str().unwrap(), "--url", &url])
    };
    let tensor = |value: f32| crate::guests::numbers(&[value]).to_string();
    one_sentence(
        &infer("ecko", &tensor(1.0)),
        8,
        "the server says 404 Not Found: there is no model `ecko`; did you mean",
    );
    one_sentence(&infer("echo", "{"), 8, "the server says 400 Bad Request: ");
    one_sentence(
        &infer("echo", &json!({ "inputs": [] }).to_string()),
        8,
        "the server says 400 Bad Request: ",
    );
    one_sentence(
        &infer("traps", &tensor(13.0)),
        8,
        "the server says 500 Internal Server Error: stage `traps`",
    );
    assert_eq!(infer("echo", &tensor(1.0)).ended(0).stderr, "");
}
