//! Hostile components: each gives one clear error; the server, other pipelines and other changes
//! are not affected.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Value, json};

use self::bombs::{Bomb, slow};
use crate::harness::admin::{Admin, applies, one, times};
use crate::harness::command::check_with;
use crate::harness::http::{Connection, Request, Response};
use crate::harness::process::{children, peak, runs};
use crate::harness::server::{Server, Setup};
use crate::harness::state::{Folder, warm};
use crate::harness::{components, eventually, manifest, pause};

pub(crate) mod bombs;
mod component_bombs;
mod module_bombs;

/// Bounds below the defaults, so that the largest bombs end sooner.
const BOUNDS: &str = "--compile-memory 268435456 --compile-cpu-time 5";
/// Additional memory that the server may take under attack.
const MORE_BYTES: f64 = 64e6;

fn model(path: &str) -> Value {
    manifest::pipeline(
        "hostile",
        [json!({ "name": "a", "role": "model", "component": path })],
    )
}

#[test]
fn each_hostile_component_is_one_error_that_says_why() {
    let state = warm();
    for Bomb { name, bytes, says } in bombs::small() {
        let folder = Folder::new();
        folder.write("hostile.wasm", &bytes);
        folder.write("p.yaml", model("./hostile.wasm").to_string());
        let arguments = ["p.yaml"].into_iter().chain(BOUNDS.split(' '));
        let ran = check_with(folder.path(), state.path(), &components(), arguments, b"").ended(3);
        let said = ran.stderr;
        assert!(
            said.contains("spec.stages[0].component: "),
            "{name}: {said}"
        );
        assert!(
            says.iter().any(|part| said.contains(part)),
            "{name}: {said}"
        );
        assert!(
            said.len() < 4096 && said.lines().count() <= 3,
            "{name}: {said}"
        );
        assert!(
            !said.contains(".cargo") && !said.contains("src/"),
            "{name}: {said}"
        );
    }
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Sends requests to the neighbour until `ended` is set; every answer must be right.
fn keep_asking(server: &Server, stop: &AtomicBool) -> usize {
    let mut connection = Connection::open(server.address);
    let mut answers = 0;
    while !stop.load(Relaxed) {
        let response = connection.ask(&Request::post(
            "/v2/models/neighbour/infer",
            one(1.0).to_string(),
        ));
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["outputs"][0]["data"], json!([3.0]));
        answers += 1;
    }
    answers
}

#[test]
fn a_server_and_its_neighbours_are_not_affected() {
    let server = Setup::of([times("neighbour", "1", 3.0)])
        .args(BOUNDS)
        .start();
    let admin = Admin::of(&server);
    let (stop, folder) = (AtomicBool::new(false), Folder::new());
    let quiet = peak(&server);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| keep_asking(&server, &stop));
        // Stop the thread even if an assertion fails.
        let stopping = Stop(&stop);
        for Bomb { name, bytes, says } in bombs::small().into_iter().chain(bombs::large()) {
            let path = folder.write("hostile.wasm", &bytes);
            admin.upload(&bytes);
            let response = patient(
                &admin,
                applies(
                    &[model(path.to_str().unwrap())],
                    &json!({ "dry_run": true }),
                ),
            );
            let said = response.text();
            assert_eq!(response.status, 422, "{name}: {said}");
            assert!(
                says.iter().any(|part| said.contains(part)),
                "{name}: {said}"
            );
        }
        drop(stopping);
        assert!(asking.join().unwrap() > 0);
    });
    let more = peak(&server) - quiet;
    assert!(more < MORE_BYTES, "it took {:.0} MB more", more / 1e6);
    assert!(children(server.starting.id()).is_empty());
}

/// One request whose answer may take long on a busy machine, as compilers have the lowest priority.
fn patient(admin: &Admin, request: Request) -> Response {
    let bearer = format!("Bearer {}", admin.token);
    let mut connection = Connection::open(admin.address);
    connection
        .stream
        .set_read_timeout(Some(Duration::from_secs(300)))
        .unwrap();
    connection.ask(&request.header("authorization", bearer.as_str()))
}

#[test]
fn a_slow_compile_holds_up_no_other_change() {
    let server = Setup::of([times("neighbour", "1", 3.0)])
        .args("--compile-cpu-time 5")
        .start();
    let (admin, folder) = (Admin::of(&server), Folder::new());
    let path = folder.write("slow.wasm", slow());
    admin.upload(&slow());
    let hostile = applies(&[model(path.to_str().unwrap())], &json!({}));
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let response = patient(&admin, hostile);
            ended.store(true, Relaxed);
            assert_eq!(response.status, 422, "{}", response.text());
            assert!(
                response.text().contains("5 s of processor time"),
                "{}",
                response.text()
            );
        });
        eventually("it compiles", || !children(server.starting.id()).is_empty());
        admin.apply(&[times("another", "1", 2.0)]).ok();
        assert!(!ended.load(Relaxed), "the slow one ended first");
    });
}

#[test]
fn a_compiler_ends_with_its_server() {
    let mut server = Setup::of([times("neighbour", "1", 3.0)]).start();
    let (admin, folder) = (Admin::of(&server), Folder::new());
    let path = folder.write("slow.wasm", slow());
    admin.upload(&slow());
    let mut connection = Connection::open(admin.address);
    let bearer = format!("Bearer {}", admin.token);
    let hostile = applies(&[model(path.to_str().unwrap())], &json!({}));
    connection.send(&hostile.header("authorization", bearer.as_str()).bytes());
    let id = server.starting.id();
    eventually("it compiles", || !children(id).is_empty());
    let compilers = children(id);
    server.starting.signal("KILL");
    server.starting.wait();
    eventually("the compilers are gone", || {
        pause(Duration::from_millis(10));
        !compilers.iter().any(|id| runs(*id))
    });
}

#[test]
fn a_compiler_ends_when_its_client_leaves() {
    let server = Setup::of([times("neighbour", "1", 3.0)]).start();
    let (admin, folder) = (Admin::of(&server), Folder::new());
    let path = folder.write("slow.wasm", slow());
    admin.upload(&slow());
    let bearer = format!("Bearer {}", admin.token);
    let hostile = applies(&[model(path.to_str().unwrap())], &json!({}));
    let mut connection = Connection::open(admin.address);
    connection.send(&hostile.header("authorization", bearer.as_str()).bytes());
    eventually("it compiles", || !children(server.starting.id()).is_empty());
    drop(connection);
    eventually("the compiler is gone", || {
        children(server.starting.id()).is_empty()
    });
    admin.apply(&[times("another", "1", 2.0)]).ok();
}
