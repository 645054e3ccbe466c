//! Where guests run: a long call delays neither a neighbour nor the server's own work.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use serde_json::json;

use crate::guests::{data, of_stage, request};
use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};

/// Guests that spin concurrently: more than there are threads for them.
const SPINNING: usize = 4;
/// Answers that a neighbour must get meanwhile. On an idle machine it gets a thousand.
const MEANWHILE: usize = 5;

fn serve(time: &str, arguments: &str) -> Server {
    let spins = model("spins").with("limits", json!({ "time": time, "instances": 8 }));
    Setup::of([
        pipeline("spins", [spins]),
        pipeline("neighbour", [model("echo")]),
    ])
    .args(arguments)
    .start()
}

#[track_caller]
fn check(arguments: &str) {
    let server = serve("2s", arguments);
    // The pipeline counts as fast until the first of these has ended, so each starts on the I/O
    // thread that read it.
    let mut busy: Vec<_> = (0..SPINNING).map(|_| server.connect()).collect();
    busy.iter_mut()
        .for_each(|connection| connection.send(&request("spins", &[13.0]).bytes()));
    let is_over = AtomicBool::new(false);
    let answered = thread::scope(|scope| {
        scope.spawn(|| {
            // All have the same limit, so all end at about the same time.
            let first = busy[0].answer().unwrap();
            is_over.store(true, Relaxed);
            assert_eq!(
                (first.status, first.header("hotstage-failure")),
                (504, Some("stage_timeout"))
            );
        });
        let mut answered = 0;
        loop {
            assert_eq!(data(&server.ask(&request("neighbour", &[5.0]))), [5.0]);
            assert_eq!(server.get("/v2/health/live").status, 200);
            assert_eq!(server.get("/metrics").status, 200);
            if is_over.load(Relaxed) {
                break answered;
            }
            answered += 1;
        }
    });
    assert!(
        answered >= MEANWHILE,
        "only {answered} answers while guests were spinning"
    );
    assert!(
        busy[1..]
            .iter_mut()
            .all(|connection| connection.answer().unwrap().status == 504)
    );
    assert_eq!(data(&server.ask(&request("spins", &[1.0]))), [1.0]);
}

#[test]
fn guests_that_spin_hold_up_no_neighbour() {
    check("");
}

#[test]
fn guests_that_spin_hold_up_no_neighbour_on_one_thread_each() {
    check("--io-threads 1 --compute-threads 1");
}

/// A pipeline that is usually slow starts on the compute pool at once; a quick call of it is still
/// answered.
#[test]
fn a_pipeline_that_is_slow_as_a_rule_is_answered_all_the_same() {
    let server = Setup::of([
        pipeline("slow", [model("slow")]),
        pipeline("neighbour", [model("echo")]),
    ])
    .start();
    for millions in [20.0, 0.0, 20.0, 0.0] {
        assert_eq!(
            data(&server.ask(&request("slow", &[millions]))),
            [f64::from(millions)]
        );
        assert_eq!(data(&server.ask(&request("neighbour", &[5.0]))), [5.0]);
    }
}

#[test]
fn a_guest_stops_when_its_client_goes_away() {
    let server = serve("1h", "");
    let counted = |metrics: &crate::harness::metrics::Metrics| {
        let series = [
            of_stage("instances_ended_total", "spins"),
            "hotstage_http_abandoned_total".to_owned(),
        ];
        series.map(|name| metrics.value(&name))
    };
    for gone in 1..=3 {
        let mut connection = server.connect();
        connection.send(&request("spins", &[13.0]).bytes());
        // It runs once it is in flight; the scrape is the other request.
        wait_until(&server, |metrics| {
            metrics.value("hotstage_http_requests_in_flight") >= 2.0
        });
        drop(connection);
        wait_until(&server, |metrics| counted(metrics) == [f64::from(gone); 2]);
        assert_eq!(data(&server.ask(&request("spins", &[1.0]))), [1.0]);
        assert_eq!(data(&server.ask(&request("neighbour", &[5.0]))), [5.0]);
    }
    let metrics = server.metrics();
    assert_eq!(
        metrics.value(&of_stage("instances_created_total", "spins")),
        4.0
    );
    assert_eq!(metrics.value(&of_stage("instances", "spins")), 1.0);
}

/// The requests that wait behind it proceed when it is cancelled.
#[test]
fn a_client_that_disconnects_frees_its_permit_for_the_next() {
    let spins = model("spins").with("limits", json!({ "time": "1h", "instances": 1 }));
    let server = Setup::of([pipeline("spins", [spins])]).start();
    let mut busy = server.connect();
    busy.send(&request("spins", &[13.0]).bytes());
    wait_until(&server, |metrics| {
        metrics.value("hotstage_http_requests_in_flight") >= 2.0
    });
    let mut waiting = server.connect();
    waiting.send(&request("spins", &[1.0]).bytes());
    wait_until(&server, |metrics| {
        metrics.value("hotstage_http_requests_in_flight") >= 3.0
    });
    drop(busy);
    assert_eq!(data(&waiting.answer().unwrap()), [1.0]);
}

#[test]
fn a_guest_that_spins_does_not_keep_the_server_from_stopping() {
    let server = serve("1h", "--drain-timeout 1");
    let mut busy = server.connect();
    busy.send(&request("spins", &[13.0]).bytes());
    wait_until(&server, |metrics| {
        metrics.value("hotstage_http_requests_in_flight") >= 2.0
    });
    let ended = server.stop();
    assert_eq!(ended.code, Some(10), "{ended:?}");
    assert!(
        ended
            .stderr
            .iter()
            .any(|line| line.contains("requests in flight were cut off")),
        "{ended:?}"
    );
}

/// Polls until the condition holds.
#[track_caller]
fn wait_until(server: &Server, is: impl Fn(&crate::harness::metrics::Metrics) -> bool) {
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    loop {
        let metrics = server.metrics();
        if is(&metrics) {
            return;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{:#?}",
            metrics.samples
        );
    }
}
