//! `hotstage serve`: its ready line, how it finds its files, and how it ends.

use std::process::Stdio;
use std::time::Duration;

use crate::deploy::{ECHO, HEAD, with_guests};
use crate::guests::ask;
use crate::harness::command::run;
use crate::harness::manifest::{model, pipeline, version};
use crate::harness::server::{Setup, program};
use crate::harness::state::Folder;
use crate::harness::{components, eventually, pause, root};

#[test]
fn the_ready_line_is_all_of_stdout() {
    let manifests = [
        version("b", "2", [model("echo")]),
        pipeline("a", [model("echo")]),
        version("b", "10", [model("echo")]),
    ];
    let server = Setup::of(manifests).start();
    let address = server.address;
    assert_ne!(address.port(), 0);
    assert_eq!(ask(&server, "a", &[1.0]), [1.0]);
    let ended = server.stop();
    let line = format!(
        "hotstage is ready on http://{address} serving a/1, b/2, b/10; admin on http://127.0.0.1:"
    );
    assert!(
        ended.stdout.len() == 1 && ended.stdout[0].starts_with(&line),
        "{ended:?}"
    );
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.iter().all(|line| !line.contains('\u{1b}')),
        "{ended:?}"
    );
}

#[test]
fn a_folder_of_manifests_is_served() {
    let folder = with_guests(&["echo"]);
    for number in ["1", "2"] {
        folder.write(
            &format!("v{number}.yaml"),
            format!("{HEAD}{ECHO}").replace("\"1\"", &format!("\"{number}\"")),
        );
    }
    let server = Setup::files([folder.path().to_owned()]).start();
    let response = server.ask(&crate::guests::request("p", &[1.0])).ok();
    assert_eq!(response.header("hotstage-version"), Some("2"));
    let old = server
        .post(
            "/v2/models/p/versions/1/infer",
            crate::guests::numbers(&[1.0]).to_string(),
        )
        .ok();
    assert_eq!(old.header("hotstage-version"), Some("1"));
    assert_ne!(
        old.header("hotstage-digest"),
        response.header("hotstage-digest")
    );
}

#[test]
fn what_flags_say_may_come_from_the_environment() {
    let folder = with_guests(&["echo"]);
    let manifest = folder.write(
        "scale.yaml",
        format!("{HEAD}    - {{ name: a, role: preprocess, component: scale, settings: {{ mean: [1], std: [1] }} }}\n"),
    );
    let state = folder.path().join("state");
    let mut command = program();
    command
        .arg("check")
        .arg("-f")
        .arg(&manifest)
        .env("HOTSTAGE_STATE", &state)
        .env("HOTSTAGE_COMPONENTS", components());
    run(command, b"").ended(0);
    assert!(state.join("hotstage.json").is_file());
    // Without the variables, state goes to the user's data directory.
    for (variables, place) in [
        (
            [("XDG_STATE_HOME", "xdg"), ("HOME", "home")],
            "xdg/hotstage",
        ),
        (
            [("XDG_STATE_HOME", ""), ("HOME", "home")],
            "home/.local/state/hotstage",
        ),
    ] {
        let mut command = program();
        command
            .arg("check")
            .arg("-f")
            .arg(&manifest)
            .arg("--components")
            .arg(components());
        for (name, value) in variables {
            let path = folder.path().join(value);
            command.env(
                name,
                if value.is_empty() {
                    "".as_ref()
                } else {
                    path.as_os_str()
                },
            );
        }
        run(command, b"").ended(0);
        assert!(
            folder.path().join(place).join("hotstage.json").is_file(),
            "{place}"
        );
    }
}

/// The bundled components are next to the program, as in an installation and a build.
#[test]
fn bundled_components_are_found_next_to_the_program() {
    let folder = Folder::new();
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::copy(program().get_program(), bin.join("hotstage")).unwrap();
    for (place, code) in [
        ("nowhere", 3),
        ("bin/components", 0),
        ("components", 0),
        ("share/hotstage/components", 0),
    ] {
        let place = folder.path().join(place);
        std::fs::create_dir_all(&place).unwrap();
        for name in ["scale", "mlp", "labels"] {
            std::os::unix::fs::symlink(
                components().join(format!("{name}.wasm")),
                place.join(format!("{name}.wasm")),
            )
            .unwrap();
        }
        let state = crate::harness::state::warm();
        let mut command = std::process::Command::new(bin.join("hotstage"));
        command
            .current_dir(root())
            .env_remove("HOTSTAGE_COMPONENTS")
            .stdin(Stdio::null());
        command
            .args(["check", "-f", "examples/tumor/tumor-v1.yaml", "--state"])
            .arg(state.path());
        let ran = run(command, b"").ended(code);
        assert_eq!(
            ran.stderr.contains("no components were found"),
            code == 3,
            "{ran:?}"
        );
        std::fs::remove_dir_all(&place).unwrap();
    }
}

#[test]
fn an_interrupt_ends_it_as_well() {
    let server = Setup::of([pipeline("p", [model("echo")])]).start();
    let mut starting = server.starting;
    starting.signal("INT");
    assert_eq!(starting.wait().code, Some(0));
}

/// The reader of its output may close the pipe.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let manifest = root().join("examples/tumor/tumor-v1.yaml");
    let state = crate::harness::state::warm();
    let mut command = std::process::Command::new("sh");
    let line = r#""$0" check -f "$1" --state "$2" --components "$3" -o json | true; exit 0"#;
    command
        .arg("-c")
        .arg(line)
        .arg(program().get_program())
        .arg(manifest)
        .arg(state.path())
        .arg(components());
    let ran = run(command, b"").ended(0);
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

/// A log in JSON must not contain plain-text lines of any kind.
#[test]
fn a_log_in_json_is_all_of_stderr() {
    let folder = with_guests(&["echo"]);
    let manifest = folder.write("p.yaml", format!("{HEAD}{ECHO}"));
    let state = Folder::new();
    // Nothing is compiled yet, so that it logs the compilation.
    let setup = Setup::files([folder.path().to_owned()]).state(state.path());
    let server = setup.args("--watch --log-format json").start();
    // Files from before the first scan are not new, so the test writes until the server sees it.
    let edited = |text: &str, word: &str| {
        eventually(word, || {
            std::fs::write(&manifest, text).unwrap();
            pause(Duration::from_millis(700));
            server.starting.stderr.has(word)
        });
    };
    edited("kind: Pipelin", "were not applied");
    edited(
        &format!("{HEAD}{ECHO}").replace("\"1\"", "\"2\""),
        "revision 2",
    );
    let address = server.address;
    let mut second = program();
    second
        .args([
            "serve",
            "--log-format",
            "json",
            "--http",
            &address.to_string(),
            "--state",
        ])
        .arg(Folder::new().path());
    let refused = run(second, b"").ended(6);
    let stderr = server.stop().stderr;
    let said = |word: &str| stderr.iter().any(|line| line.contains(word));
    assert!(said("compiling the component"), "{stderr:?}");
    for line in stderr
        .iter()
        .map(String::as_str)
        .chain(refused.stderr.lines())
    {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["timestamp", "level", "message", "target"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
    assert!(refused.stderr.contains("is in use"), "{}", refused.stderr);
}
