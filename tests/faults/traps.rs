//! One percent of the requests trap and end their instance: memory does not grow, and no instance
//! leaks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::echo::{Asker, Seen};
use super::effort::{self, figure, tell};
use crate::harness::manifest::{model, version};
use crate::harness::metrics::Metrics;
use crate::harness::process::{children, resident};
use crate::harness::server::{Server, Setup};

const CONNECTIONS: u64 = 8;
/// Traps per thousand requests.
const TRAPS: u64 = 10;

#[test]
fn requests_that_trap_leave_nothing_behind() {
    let requests = effort::requests(5_000, 1_000_000);
    let server = Setup::of([
        version("m", "1", [model("stops")]),
        version("n", "1", [model("traps")]),
    ])
    .start();
    tell(format_args!(
        "traps: {requests} requests, {} in a hundred trap",
        TRAPS as f64 / 10.0
    ));
    // Enough requests to make every thread and every pool as large as it gets.
    let mut seen = ask(&server, (requests / 10).max(2_000));
    let before = resident(&server);
    for done in 1..=10 {
        seen.add(ask(&server, requests / 10));
        if requests > 100_000 {
            tell(format_args!(
                "  {done} of 10: {:.1} MB resident",
                resident(&server) / 1e6
            ));
        }
    }
    let after = resident(&server);
    let seen = seen.faultless();
    let expected = seen.answers() * TRAPS / 1000;
    assert!(
        seen.trapped > expected / 2,
        "{} of {} trapped",
        seen.trapped,
        seen.answers()
    );
    tell(format_args!(
        "  {} answers, {} of them traps, 0 wrong",
        seen.answers(),
        seen.trapped
    ));
    figure(
        "resident memory at the end, to that after a tenth",
        after / before,
        "×",
        Some(1.05),
    );
    assert!(
        after / before <= effort::of(1.15, 1.05),
        "{:.1} MB after {:.1}",
        after / 1e6,
        before / 1e6
    );
    let metrics = server.metrics();
    check_instances(&metrics, "m");
    check_instances(&metrics, "n");
    assert!(children(server.starting.id()).is_empty());
}

/// No instance leaks: all created instances have ended, except those that answer.
#[track_caller]
fn check_instances(metrics: &Metrics, name: &str) {
    let sum = |family: &str| -> f64 {
        let of = format!("{family}{{");
        let named = format!("\"{name}\"");
        let samples = metrics.samples.iter();
        samples
            .filter(|(series, _)| series.starts_with(&of) && series.contains(&named))
            .map(|(_, value)| value)
            .sum()
    };
    let exist = sum("hotstage_stage_instances");
    let created = sum("hotstage_stage_instances_created_total");
    let ended = sum("hotstage_stage_instances_ended_total");
    assert!(created > 0.0, "no metric of `{name}`'s instances");
    assert_eq!(exist, created - ended);
    // Concurrent requests need one instance each; the others have ended.
    assert!(
        (1.0..=CONNECTIONS as f64).contains(&exist),
        "{exist} instances of `{name}` exist"
    );
}

/// This many requests, half of them to a guest that panics and half to one that traps without a
/// message.
fn ask(server: &Server, requests: u64) -> Seen {
    static SEED: AtomicU64 = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let askers: Vec<_> = (0..CONNECTIONS)
            .map(|index| {
                scope.spawn(move || {
                    let name = if index.is_multiple_of(2) { "m" } else { "n" };
                    let mut asker =
                        Asker::open(server.connect(), name, TRAPS, SEED.fetch_add(1, Relaxed));
                    (0..requests / CONNECTIONS).for_each(|_| asker.ask());
                    asker.seen
                })
            })
            .collect();
        let mut sum = Seen::default();
        askers
            .into_iter()
            .for_each(|asker| sum.add(asker.join().unwrap()));
        sum
    })
}
