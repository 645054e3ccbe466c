//! A server during start: alive, and not ready.

use std::net::TcpListener;

use serde_json::json;

use crate::harness::http::{Connection, Request};
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::Setup;
use crate::harness::state::Folder;

/// Loading takes as long as the guest that never finishes opening, longer than the test needs.
#[test]
fn a_server_that_is_loading_lives_and_is_not_ready() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let stage = model("spins_in_open").with("limits", json!({ "time": "60s" }));
    // Without compiled components, so that it logs the start of compilation.
    let folder = Folder::new();
    let starting = Setup::of([pipeline("spins", [stage])])
        .state(folder.path().join("state"))
        .http(port)
        .spawn();
    starting
        .stderr
        .find(|line| line.starts_with("compiling the component"))
        .expect("it did not start to load");

    let mut connection = Connection::open(port);
    assert_eq!(
        connection.ask(&Request::get("/v2/health/live")).ok().json(),
        json!({ "live": true })
    );
    assert_eq!(
        connection.ask(&Request::get("/v2/models")).ok().json(),
        json!({ "models": [] })
    );
    connection.ask(&Request::get("/metrics")).ok();
    for request in [
        Request::get("/v2/health/ready"),
        Request::post("/v2/models/spins/infer", "{}"),
    ] {
        let response = connection.ask(&request);
        assert_eq!(
            (response.status, response.header("hotstage-failure")),
            (503, Some("not_ready")),
            "{request:?}"
        );
        assert_eq!(response.header("retry-after"), Some("1"));
        response.error();
    }
}
