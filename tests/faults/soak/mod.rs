//! All faults together, for hours: traps, a swap every second, mirrors, rollouts, and hostile
//! clients and components beside well-behaved clients. The latter must get every answer, complete
//! and right; memory and instances must not grow.
//!
//! `cargo xtask faults soak --hours N`. Default: ten minutes; seconds with `--quick`. The load is
//! moderate ([`RATE`]), because the test is about accumulation.

mod changes;
mod hostile;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::changes::Changes;
use self::hostile::Hostile;
use super::echo::{Asker, Seen};
use super::effort::{self, figure, tell};
use super::load::{Load, Round};
use super::pipelines::doubles;
use crate::harness::admin::Admin;
use crate::harness::manifest::{model, version};
use crate::harness::process::{children, resident};
use crate::harness::server::{Server, Setup};
use crate::harness::{eventually, pause};

/// Requests per second to the pipeline that is swapped.
const RATE: f64 = 200.0;
/// Interval between two requests of each client to a guest.
const EVERY: Duration = Duration::from_millis(10);
/// Traps per thousand requests to `t`.
const TRAPS: u64 = 10;

/// Counts of the actions.
#[derive(Default)]
struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    fn add(&self, what: &'static str) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }
}

/// The server under test, and the state that all threads share.
struct Soak {
    server: Server,
    admin: Admin,
    stop: AtomicBool,
    tally: Tally,
}

impl Soak {
    /// Waits; returns whether to continue.
    fn goes_on(&self, rest: Duration) -> bool {
        // In short sleeps, so that a long wait ends with the test.
        let until = Instant::now() + rest;
        while let Some(left) = until
            .checked_duration_since(Instant::now())
            .filter(|_| !self.stop.load(Relaxed))
        {
            pause(left.min(Duration::from_millis(50)));
        }
        !self.stop.load(Relaxed)
    }
}

/// Stops all threads, also when a check fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn route(name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": name }, "spec": spec })
}

/// `m` is swapped; `t` traps; `c` has a mirror; `r` is rolled out again and again.
fn begin() -> Soak {
    let guest = |name: &str, number: &str, guest: &str| version(name, number, [model(guest)]);
    let documents = [
        doubles("m", 1),
        guest("t", "1", "stops"),
        guest("c", "1", "echo"),
        guest("c", "2", "echo"),
        guest("r", "1", "echo"),
        route(
            "c",
            &json!({ "split": [{ "version": "1" }], "mirror": [{ "version": "2" }] }),
        ),
        route("r", &json!({ "split": [{ "version": "1" }] })),
    ];
    let server = Setup::of(documents)
        .args("--compile-memory 268435456 --compile-cpu-time 5")
        .start();
    Soak {
        admin: Admin::of(&server),
        server,
        stop: AtomicBool::new(false),
        tally: Tally::default(),
    }
}

/// The answers of well-behaved clients.
#[derive(Default)]
struct Answers {
    swapped: Round,
    guests: Seen,
}

#[test]
fn hours_of_all_faults_leave_nothing_behind() {
    let took = effort::seconds(6, 10 * 60);
    let mut soak = begin();
    let mut changes = Changes::new(2);
    tell(format_args!(
        "soak: {took:?} of traps, swaps, mirrors, rollouts and hostile clients together"
    ));
    let mut answers = Answers::default();
    all_together(
        &soak,
        &mut changes,
        effort::of(took, (took / 10).max(Duration::from_secs(60))),
        &mut answers,
    );
    let before = at_rest(&soak);
    tell(format_args!("  warm: {:.1} MB resident", before / 1e6));
    soak.tally = Tally::default();
    let began = Instant::now();
    // In stretches, to print progress and to stop at an error.
    let stretch = effort::of(took, took.min(Duration::from_secs(300)));
    while let Some(left) = took
        .checked_sub(began.elapsed())
        .filter(|left| !left.is_zero())
    {
        all_together(&soak, &mut changes, left.min(stretch), &mut answers);
        let (asked, resident) = (
            answers.swapped.answers + answers.guests.answers(),
            at_rest(&soak) / 1e6,
        );
        tell(format_args!(
            "  {:.0} s: {asked} answers, {resident:.1} MB resident",
            began.elapsed().as_secs_f64()
        ));
    }
    let after = at_rest(&soak);
    report(&soak, answers, after / before);
    assert!(
        after / before <= effort::of(1.15, 1.05),
        "{:.1} MB after {:.1}",
        after / 1e6,
        before / 1e6
    );
    leaks_nothing(&soak);
}

/// Runs everything for this duration, then stops it.
fn all_together(soak: &Soak, changes: &mut Changes, duration: Duration, answers: &mut Answers) {
    soak.stop.store(false, Relaxed);
    let load = Load::begin(soak.server.address, "/v2/models/m/infer", Some(RATE));
    let guests = std::thread::scope(|scope| {
        let _stopping = Stop(&soak.stop);
        let names = [("t", TRAPS), ("t", TRAPS), ("c", 0), ("r", 0), ("r", 0)];
        let asking: Vec<_> = (0..)
            .zip(names)
            .map(|(seed, (name, traps))| scope.spawn(move || ask(soak, name, traps, seed)))
            .collect();
        scope.spawn(|| changes.swap(soak));
        scope.spawn(|| changes::roll(soak));
        for hostile in Hostile::ALL {
            scope.spawn(move || hostile.go_on(soak));
        }
        soak.goes_on(duration);
        soak.stop.store(true, Relaxed);
        let mut sum = Seen::default();
        asking
            .into_iter()
            .for_each(|asker| sum.add(asker.join().unwrap()));
        sum
    });
    answers.swapped.add(load.end());
    answers.guests.add(guests);
    assert!(
        answers.swapped.failed.is_empty(),
        "{}",
        answers.swapped.failed[0]
    );
    assert!(
        answers.guests.wrong.is_empty(),
        "{}",
        answers.guests.wrong[0]
    );
}

fn ask(soak: &Soak, name: &str, traps: u64, seed: u64) -> Seen {
    let mut asker = Asker::open(soak.server.connect(), name, traps, seed);
    while soak.goes_on(EVERY) {
        asker.ask();
    }
    asker.seen
}

/// Resident memory when nothing is in flight any more.
fn at_rest(soak: &Soak) -> f64 {
    eventually("only the question itself is in flight", || {
        pause(Duration::from_millis(50));
        soak.server
            .metrics()
            .value("hotstage_http_requests_in_flight")
            <= 1.0
    });
    eventually("no process is left over", || {
        pause(Duration::from_millis(50));
        children(soak.server.starting.id()).is_empty()
    });
    resident(&soak.server)
}

fn report(soak: &Soak, answers: Answers, memory: f64) {
    let (swapped, guests) = (answers.swapped.faultless(), answers.guests.faultless());
    let (right, trapped) = (swapped.answers + guests.right, guests.trapped);
    tell(format_args!(
        "  {right} right answers, {trapped} intended traps, 0 wrong answers"
    ));
    for (what, count) in &*soak.tally.0.lock().unwrap() {
        tell(format_args!("  {what:<62} {count:>10}"));
    }
    figure(
        "resident memory at the end, to that after the warm-up",
        memory,
        "×",
        Some(1.05),
    );
}

fn leaks_nothing(soak: &Soak) {
    let metrics = soak.server.metrics();
    let family = "hotstage_stage_instances{";
    let instances = metrics
        .samples
        .iter()
        .filter(|(series, _)| series.starts_with(family));
    for (series, exist) in instances {
        assert!(
            *exist <= 16.0,
            "{series} is {exist}: more than there may be"
        );
    }
    let mirror = soak.admin.get("/v1/models/c/mirrors")["mirrors"][0].clone();
    assert_eq!(
        (&mirror["disagreed"], &mirror["failed"]),
        (&json!(0), &json!(0)),
        "{mirror}"
    );
    assert_eq!(soak.admin.get("/v1/verify")["problems"], json!([]));
    assert!(children(soak.server.starting.id()).is_empty());
}
