//! A canary at 2,000 requests per second: with five percent bad answers it is rolled back within a
//! second after the guard's minimum sample; without them it gets all of the share. And a mirror of
//! every request, healthy or stalled, compared with the same traffic without a mirror.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::effort::{self, figure, median_and_most, tell};
use crate::harness::admin::Admin;
use crate::harness::http::{Connection, Request};
use crate::harness::manifest::{model, version};
use crate::harness::server::{Server, Setup};
use crate::harness::{PATIENCE, pause};

const RATE: f64 = 2000.0;
const PATH: &str = "/v2/models/m/infer";
const CONNECTIONS: u32 = 8;
/// Percentage of requests to the guest that make it fail.
const BAD: u64 = 5;
const MIN_SAMPLES: u64 = 200;

fn document(kind: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "hotstage.dev/v1", "kind": kind, "metadata": { "name": "m" }, "spec": spec })
}

/// The result of the traffic during a rollout.
#[derive(Default)]
struct Answers {
    right: u64,
    of_canary: u64,
    canary_failed: u64,
    wrong: Vec<String>,
    /// Microseconds from the scheduled time of each request.
    took: Vec<u32>,
}

/// Sends at the rate until it is stopped; this percentage of requests makes guests misbehave.
fn ask_until(over: &AtomicBool, server: &Server, bad: u64, seed: u64) -> Answers {
    let (mut connection, mut answers) = (server.connect(), Answers::default());
    let mut chance = effort::Chance::new(seed + 1);
    let every = Duration::from_secs_f64(f64::from(CONNECTIONS) / RATE);
    let mut due = Instant::now();
    while !over.load(Relaxed) {
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            pause(early);
        }
        let number = if chance.below(100) < bad { 13.0 } else { 1.0 };
        answers.judge(&mut connection, number, due);
        due += every;
    }
    answers
}

impl Answers {
    fn judge(&mut self, connection: &mut Connection, number: f64, due: Instant) {
        let body = json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1], "data": [number] }] });
        let response = connection.ask(&Request::post(PATH, body.to_string()));
        self.took
            .push(u32::try_from(due.elapsed().as_micros()).unwrap_or(u32::MAX));
        let by_canary = response.header("hotstage-version") == Some("2");
        self.of_canary += u64::from(by_canary);
        match response.status {
            200 if response.json()["outputs"][0]["data"][0] == number => self.right += 1,
            500 if by_canary && number == 13.0 => self.canary_failed += 1,
            _ => self
                .wrong
                .push(format!("{} {}", response.status, response.text())),
        }
    }

    fn add(&mut self, other: Self) {
        self.right += other.right;
        self.of_canary += other.of_canary;
        self.canary_failed += other.canary_failed;
        self.wrong.extend(other.wrong);
        self.took.extend(other.took);
    }
}

/// A canary of this guest: the rollout's end, its delay after the minimum sample, and the answers.
fn canary(guest: &str) -> (Value, Duration, Answers) {
    let versions = [
        version("m", "1", [model("echo")]),
        version("m", "2", [model(guest)]),
    ];
    let route = document("Route", &json!({ "split": [{ "version": "1" }] }));
    let server = Setup::of(versions.into_iter().chain([route])).start();
    let admin = Admin::of(&server);
    let guards = json!([{ "errors": 0.01, "min_samples": MIN_SAMPLES, "window": "1m" }]);
    let spec = json!({ "to": "2", "percent": 10, "bake": "3s", "guards": guards });
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (over, server) = (&over, &server);
        let asking = (0..CONNECTIONS)
            .map(|seed| scope.spawn(move || ask_until(over, server, BAD, seed.into())));
        let asking: Vec<_> = asking.collect();
        pause(Duration::from_millis(300));
        let document = document("Rollout", &spec).to_string();
        admin
            .post("/v1/rollouts", &json!({ "document": document }))
            .ok();
        let (ended, after) = until_over(&admin);
        // Requests in flight are answered by the version that they reached.
        pause(Duration::from_millis(200));
        over.store(true, Relaxed);
        let mut answers = Answers::default();
        asking
            .into_iter()
            .for_each(|asker| answers.add(asker.join().unwrap()));
        (ended, after, answers)
    })
}

/// The rollout's end, and its delay after the guard's minimum sample.
fn until_over(admin: &Admin) -> (Value, Duration) {
    let began = Instant::now();
    let mut enough = None;
    loop {
        let rollout = admin.get("/v1/models/m/rollout");
        if rollout["phase"] != "running" {
            return (
                rollout,
                enough.map_or(Duration::ZERO, |enough: Instant| enough.elapsed()),
            );
        }
        let samples = admin.get("/v1/models/m")["versions"][1].clone();
        let samples = samples["answered"].as_u64().unwrap() + samples["failed"].as_u64().unwrap();
        if samples >= MIN_SAMPLES {
            enough.get_or_insert_with(Instant::now);
        }
        assert!(began.elapsed() < PATIENCE, "{rollout}");
        pause(Duration::from_millis(5));
    }
}

#[test]
fn a_bad_canary_is_rolled_back_and_a_good_one_is_promoted() {
    let mut took = Vec::new();
    for _ in 0..effort::of(1, 10) {
        let (ended, after, answers) = canary("fails_internal");
        assert_eq!(ended["phase"], "rolled_back", "{ended}");
        assert!(
            answers.wrong.is_empty(),
            "{} wrong: {}",
            answers.wrong.len(),
            answers.wrong[0]
        );
        assert!(answers.canary_failed > 0 && answers.canary_failed < answers.of_canary);
        took.push(after.as_secs_f64() * 1e3);
        let (ended, _, answers) = canary("echo");
        assert_eq!(ended["phase"], "promoted", "{ended}");
        assert!(
            answers.wrong.is_empty() && answers.canary_failed == 0,
            "{:?}",
            answers.wrong.first()
        );
    }
    tell(format_args!(
        "rollouts: a canary at {RATE} requests a second, {BAD} bad in a hundred"
    ));
    let (median, most) = median_and_most(&took);
    figure(
        "from the guard's minimum sample to the route as it was",
        median,
        "ms",
        Some(1000.0),
    );
    figure("the longest", most, "ms", Some(1000.0));
}

/// Length of a window for one p99.
const WINDOW: Duration = Duration::from_secs(2);

#[test]
fn a_mirror_does_not_affect_callers() {
    let route = |mirror: Value| {
        document(
            "Route",
            &json!({ "split": [{ "version": "1" }], "mirror": mirror }),
        )
    };
    let plain = document("Route", &json!({ "split": [{ "version": "1" }] }));
    let mirrored = route(json!([{ "version": "2" }]));
    let stalled = route(json!([{ "version": "3" }]));
    let guest = |name: &str, as_version: &str| version("m", as_version, [model(name)]);
    let server = Setup::of([
        guest("echo", "1"),
        guest("echo", "2"),
        guest("spins", "3"),
        plain.clone(),
    ])
    .start();
    let admin = Admin::of(&server);
    let window = |route: &Value| {
        admin.apply(std::slice::from_ref(route)).ok();
        p99_of_a_window(&server)
    };
    let mut windows = Windows::default();
    let mut dropped = 0;
    for _ in 0..effort::of(1, 15) {
        windows.without.push(window(&plain));
        windows.keeping_up.push(window(&mirrored));
        dropped += copies_dropped(&admin);
        windows.stalling.push(window(&stalled));
    }
    tell(format_args!(
        "rollouts: every request mirrored, beside {RATE} requests a second"
    ));
    windows.report();
    figure(
        "copies dropped while it keeps up",
        f64::from(u32::try_from(dropped).unwrap()),
        "",
        None,
    );
}

/// The number of copies that a mirror dropped. Its version gives the same answers: some copies were
/// compared, and all agreed.
#[track_caller]
fn copies_dropped(admin: &Admin) -> u64 {
    let mirror = admin.get("/v1/models/m/mirrors")["mirrors"][0].clone();
    assert_eq!(
        (&mirror["disagreed"], &mirror["failed"]),
        (&json!(0), &json!(0)),
        "{mirror}"
    );
    assert!(mirror["compared"].as_u64().unwrap() > 0, "{mirror}");
    mirror["dropped"].as_u64().unwrap()
}

/// The p99 of each window, in milliseconds.
#[derive(Default)]
struct Windows {
    without: Vec<f64>,
    keeping_up: Vec<f64>,
    stalling: Vec<f64>,
}

impl Windows {
    fn report(&self) {
        let [without, keeping_up, stalling] =
            [&self.without, &self.keeping_up, &self.stalling].map(|of| median_and_most(of).0);
        figure(
            "p99 without a mirror, median of windows",
            without,
            "ms",
            None,
        );
        figure(
            "p99 with a mirror that keeps up, to that",
            keeping_up / without,
            "×",
            Some(1.05),
        );
        figure(
            "p99 with a mirror that stalls, to that",
            stalling / without,
            "×",
            Some(1.1),
        );
    }
}

/// The p99 of a window in milliseconds; all answers must be right.
fn p99_of_a_window(server: &Server) -> f64 {
    let over = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..CONNECTIONS)
            .map(|seed| {
                scope.spawn({
                    let over = &over;
                    move || ask_until(over, server, 100, seed.into())
                })
            })
            .collect();
        pause(WINDOW);
        over.store(true, Relaxed);
        let mut answers = Answers::default();
        asking
            .into_iter()
            .for_each(|asker| answers.add(asker.join().unwrap()));
        answers
    });
    assert!(
        answers.wrong.is_empty() && answers.canary_failed == 0,
        "{:?}",
        answers.wrong.first()
    );
    let mut took = answers.took;
    took.sort_unstable();
    f64::from(took[took.len() * 99 / 100]) / 1e3
}
