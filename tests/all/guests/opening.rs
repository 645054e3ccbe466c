//! Components that are refused at deployment: they misbehave when they are opened, or do not
//! implement this ABI.
//!
//! `tests/golden/errors` has the messages for the manifest's author.

use serde_json::json;

use super::{ask, request};
use crate::harness::manifest::{With as _, model, pipeline, stage};
use crate::harness::server::Setup;
use crate::harness::state::Folder;
use crate::harness::{command, golden, guest};

/// Guest, role.
const REFUSED: [(&str, &str); 9] = [
    ("old_version", "model"),
    ("wrong_type", "model"),
    ("extra_import", "model"),
    ("echo", "preprocess"),
    ("traps_in_describe", "model"),
    ("traps_in_open", "model"),
    ("spins_in_describe", "model"),
    ("spins_in_open", "model"),
    ("grows_in_open", "model"),
];

#[test]
fn what_can_not_serve_is_refused_with_its_reason() {
    let mut differences = Vec::new();
    for (name, role) in REFUSED {
        let folder = Folder::new();
        let copy = format!("{name}.wasm");
        std::os::unix::fs::symlink(guest(name), folder.path().join(&copy)).unwrap();
        // Opening may take ten times the limit, enough for every guest that does not spin.
        let time = if name.starts_with("spins") {
            "50ms"
        } else {
            "5s"
        };
        folder.write(
            "pipeline.yaml",
            format!(
                "apiVersion: hotstage.dev/v1\nkind: Pipeline\nmetadata: {{ name: p, version: \"1\" }}\nspec:\n  \
                 stages:\n    - name: broken\n      role: {role}\n      component: ./{copy}\n      \
                 limits: {{ memory: 32MiB, time: {time} }}\n"
            ),
        );
        let ran = command::check(folder.path(), ["-f", "pipeline.yaml"]).ended(3);
        assert_eq!(ran.stdout, "", "{name}");
        let (said, refusal): (Vec<&str>, Vec<&str>) = ran
            .stderr
            .lines()
            .partition(|line| line.contains(" guest: "));
        differences.extend(golden::difference(
            &format!("errors/guest-{name}"),
            &refusal.join("\n"),
        ));
        // The component's author needs the panic message.
        let panics = said
            .iter()
            .any(|line| line.contains("panicked at ") && line.contains(&format!("{name}.rs")));
        assert_eq!(panics, name.starts_with("traps"), "{name}: {said:?}");
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_pipeline_that_is_refused_keeps_no_other_from_being_served() {
    let manifests = || {
        [
            pipeline("good", [model("echo")]),
            pipeline("bad", [model("traps_in_open")]),
        ]
    };
    let Err(ended) = Setup::of(manifests()).args("--require-all").try_start() else {
        panic!("it serves")
    };
    assert_eq!((ended.code, ended.stdout.len()), (Some(3), 0), "{ended:?}");
    assert!(
        ended
            .stderr
            .iter()
            .any(|line| line.contains("bad") || line.contains("1.yaml")),
        "{ended:?}"
    );
    let server = Setup::of(manifests()).start();
    assert_eq!(ask(&server, "good", &[1.0]), [1.0]);
    assert_eq!(server.ask(&request("bad", &[1.0])).status, 404);
    // If no pipeline can be served, the server does not start.
    let Err(ended) = Setup::of([pipeline("bad", [model("traps_in_open")])]).try_start() else {
        panic!("it serves")
    };
    assert_eq!(ended.code, Some(3), "{ended:?}");
}

/// Opening may take ten times as long as a call, also while a request waits for it; the request's
/// own time starts afterwards.
#[test]
fn a_call_that_waits_for_an_instance_has_all_its_time() {
    // Opening takes about three times the limit, a third of its own bound.
    let slow = model("slow_in_open").with("limits", json!({ "time": "250ms" }));
    let server = Setup::of([pipeline("slow_in_open", [slow])]).start();
    for _ in 0..2 {
        assert_eq!(ask(&server, "slow_in_open", &[1.0]), [1.0]);
        assert_eq!(server.ask(&request("slow_in_open", &[13.0])).status, 500);
    }
}

/// A stage that needs a third of its bound opens even if it gets a tenth of a core, because the
/// bound counts CPU time.
#[test]
fn a_busy_machine_refuses_nothing() {
    let slow = model("slow_in_open").with("limits", json!({ "time": "250ms" }));
    let setup = || Setup::of([pipeline("slow_in_open", [slow.clone()])]);
    // Components are compiled once for all.
    setup().start().stop();
    let starting = setup().spawn();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                starting.signal("STOP");
                crate::harness::pause(std::time::Duration::from_millis(90));
                starting.signal("CONT");
                crate::harness::pause(std::time::Duration::from_millis(10));
            }
        });
        let ready = starting
            .stdout
            .find(|line| line.starts_with("hotstage is ready on "));
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(ready.is_some(), "{:?}", starting.stderr.all());
    });
}

/// The server reports live, and not ready, while a stage is being opened.
#[test]
fn a_stage_that_spins_as_it_opens_does_not_block_the_socket() {
    let spins = model("spins_in_open").with("limits", json!({ "time": "200ms" }));
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let setup = Setup::of([pipeline("p", [stage("preprocess", "echo_pre"), spins])]).http(address);
    let mut starting = setup.spawn();
    let mut live = 0;
    // It ends by itself after two seconds; until then the server must answer.
    while !starting.has_ended() {
        if let Some(status) = status_of(address, "/v2/health/live") {
            assert_eq!(status, 200);
            assert_ne!(status_of(address, "/v2/health/ready"), Some(200));
            live += 1;
        }
    }
    assert!(live > 0, "it was never live");
    assert_eq!(starting.wait().code, Some(3));
}

/// `None` if the server does not listen.
fn status_of(address: std::net::SocketAddr, path: &str) -> Option<u16> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(crate::harness::PATIENCE))
        .unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}
