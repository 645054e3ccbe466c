//! Versions change at 80 % of the highest load: good ones, bad ones, ones that are rolled back,
//! deleted, or deleted while they load. Every answer is complete and of one version, and memory
//! does not grow.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::json;

use super::effort::{self, figure, median_and_most, tell};
use super::load::{Load, Round};
use super::pipelines::{doubles, wrong};
use crate::harness::admin::Admin;
use crate::harness::pause;
use crate::harness::process::resident;
use crate::harness::server::{Server, Setup};

const PATH: &str = "/v2/models/m/infer";
const SHARE: f64 = 0.8;
/// Changes before the first memory measurement.
const SETTLED: u64 = 20;
/// Number of peaks whose median counts.
const PEAKS: usize = 5;
/// A rate counts as reached at this fraction of it; otherwise a rate lower by [`STEP`] is tried, at
/// most this many times.
const KEPT: f64 = 0.99;
const STEP: f64 = 0.97;
const STEPS: i32 = 12;

#[test]
fn versions_come_and_go_at_full_load() {
    let server = Setup::of([doubles("m", 1)]).start();
    let admin = Admin::of(&server);
    let changes = Changes {
        admin: &admin,
        made: AtomicU64::new(0),
        number: AtomicU64::new(1),
    };
    let mut pace = Pace {
        server: &server,
        window: effort::of(Duration::from_secs(1), Duration::from_secs(5)),
        peaks: Vec::new(),
    };
    (0..effort::of(1, PEAKS)).for_each(|_| pace.measure());
    // Under the following load, so that both measurements are comparable.
    let load = Load::begin(server.address, PATH, Some(pace.rate()));
    while changes.made.load(SeqCst) < SETTLED {
        changes.make();
        pause(Duration::from_millis(100));
    }
    load.end().faultless();
    let mut seen = Seen {
        steady: pace.windows(effort::of(1, 6)),
        swapping: Vec::new(),
        most: resident(&server),
    };
    let before = seen.most;
    seen.change_in_stretches(&mut pace, &changes);
    let wanted = effort::of(60, 2000);
    if changes.made.load(SeqCst) < wanted {
        let load = Load::begin(server.address, PATH, Some(pace.rate() / 4.0));
        while changes.made.load(SeqCst) < wanted {
            changes.make();
        }
        load.end().faultless();
    }
    let most = seen.most.max(resident(&server));
    // The same load for the same duration, so that both are comparable, because threads for changes
    // have ended.
    seen.steady.extend(pace.windows(effort::of(1, 6)));
    let after = resident(&server);
    report(&seen.steady, &seen.swapping);
    tell(format_args!(
        "  {} changes of what is served were made",
        changes.made.load(SeqCst)
    ));
    figure(
        "resident memory at most meanwhile, to that after 20 changes",
        most / before,
        "×",
        None,
    );
    figure(
        "resident memory at the end, to that after 20 changes",
        after / before,
        "×",
        Some(1.05),
    );
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
}

/// Measurements without changes, and with them.
struct Seen {
    steady: Vec<Round>,
    swapping: Vec<Round>,
    /// Peak resident memory in bytes.
    most: f64,
}

impl Seen {
    /// Alternates stretches with and without changes, so that both see the same machine state.
    fn change_in_stretches(&mut self, pace: &mut Pace<'_>, changes: &Changes<'_>) {
        let (took, stretch) = (effort::seconds(4, 30 * 60), effort::of(4, 10));
        let windows = usize::try_from(took.as_secs().div_ceil(pace.window.as_secs())).unwrap();
        let stretches = windows.div_ceil(stretch);
        for done in 1..=stretches {
            let with = changes.during(|| pace.windows(stretch));
            self.most = self.most.max(resident(pace.server));
            pace.measure();
            let without = pace.windows(1);
            tell(format_args!(
                "  {done} of {stretches}: {:.0} requests a second, p99 {:.2} ms with changes and {:.2} without",
                pace.rate(),
                p99(&with).0 / 1e3,
                p99(&without).0 / 1e3,
            ));
            self.swapping.extend(with);
            self.steady.extend(without);
        }
    }
}

/// The request rate. The machine's capacity varies by a tenth within minutes, and 80 % of an
/// earlier maximum may be all that it can do later; so the highest load is measured again and
/// again.
struct Pace<'a> {
    server: &'a Server,
    window: Duration,
    /// Requests per second.
    peaks: Vec<f64>,
}

impl Pace<'_> {
    /// Finds the highest rate that is reached. It is below the throughput without a rate, because a
    /// client at a fixed rate sleeps between requests, and sleeping and waking costs more than
    /// continuing.
    fn measure(&mut self) {
        let window = effort::of(Duration::from_millis(300), Duration::from_secs(2));
        let reached = |rate| {
            Load::during(self.server.address, PATH, rate, window)
                .faultless()
                .per_second()
        };
        let most = reached(None);
        let mut rates = (0..STEPS).map(|step| most * STEP.powi(step));
        let kept = rates.find(|&rate| reached(Some(rate)) >= rate * KEPT);
        self.peaks.push(kept.unwrap_or(most * STEP.powi(STEPS)));
    }

    /// This share of the median of the last peaks.
    fn rate(&self) -> f64 {
        let last = &self.peaks[self.peaks.len().saturating_sub(PEAKS)..];
        median_and_most(last).0 * SHARE
    }

    fn windows(&self, count: usize) -> Vec<Round> {
        let window =
            || Load::during(self.server.address, PATH, Some(self.rate()), self.window).faultless();
        (0..count).map(|_| window()).collect()
    }
}

/// Stops the changes, also when the traffic's check fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Microseconds: the median of the windows, and the maximum.
fn p99(rounds: &[Round]) -> (f64, f64) {
    median_and_most(
        &rounds
            .iter()
            .map(|round| round.took(99))
            .collect::<Vec<_>>(),
    )
}

fn report(steady: &[Round], swapping: &[Round]) {
    let answers: u64 = steady
        .iter()
        .chain(swapping)
        .map(|round| round.answers)
        .sum();
    tell(format_args!(
        "  {answers} answers, 0 failed, 0 of a mixture of versions"
    ));
    let ((steady, steady_most), (swapping, swapping_most)) = (p99(steady), p99(swapping));
    figure(
        "p99 while nothing changes, median of windows",
        steady / 1e3,
        "ms",
        None,
    );
    figure(
        "p99 while nothing changes, the worst window",
        steady_most / 1e3,
        "ms",
        None,
    );
    figure(
        "p99 while versions are swapped, median of windows",
        swapping / 1e3,
        "ms",
        None,
    );
    figure(
        "p99 while versions are swapped, the worst window",
        swapping_most / 1e3,
        "ms",
        None,
    );
    figure(
        "p99 while versions are swapped, to steady",
        swapping / steady,
        "×",
        Some(1.2),
    );
}

/// Makes one change after another, of every kind.
struct Changes<'a> {
    admin: &'a Admin,
    made: AtomicU64,
    number: AtomicU64,
}

impl Changes<'_> {
    /// Makes a change every second while something else runs.
    fn during<T>(&self, other: impl FnOnce() -> T) -> T {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _stopping = Stop(&stop);
            scope.spawn(|| {
                let mut due = Instant::now();
                while !stop.load(SeqCst) {
                    self.make();
                    due += Duration::from_secs(1);
                    pause(due.saturating_duration_since(Instant::now()));
                }
            });
            other()
        })
    }

    /// Applies a good version, and every second time another change with it.
    fn make(&self) {
        let number = self.number.fetch_add(1, SeqCst) + 1;
        self.admin.apply(&[doubles("m", number)]).ok();
        self.made.fetch_add(1, SeqCst);
        match number % 8 {
            0 => assert_eq!(
                self.admin.apply(&[wrong("m", 1_000_000 + number)]).status,
                422
            ),
            2 => {
                self.admin.post("/v1/rollback", &json!({})).ok();
                self.made.fetch_add(1, SeqCst);
            }
            4 => self.delete_what_loads(number),
            _ => self.delete_the_oldest(),
        }
    }

    /// Another name is applied and deleted while it loads; either may come first.
    fn delete_what_loads(&self, number: u64) {
        std::thread::scope(|scope| {
            let applying = scope.spawn(|| self.admin.apply(&[doubles("n", number)]).status);
            let deleted = self.admin.delete("/v1/models/n").status;
            assert!(matches!(deleted, 200 | 404), "deleted: {deleted}");
            assert_eq!(applying.join().unwrap(), 200);
        });
        let left = self.admin.delete("/v1/models/n").status;
        assert!(matches!(left, 200 | 404), "deleted: {left}");
    }

    fn delete_the_oldest(&self) {
        let model = self.admin.get("/v1/models/m");
        let ready = model["versions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|version| version["condition"] == "ready");
        let ready: Vec<&str> = ready
            .map(|version| version["version"].as_str().unwrap())
            .collect();
        let oldest = ready.iter().take(ready.len().saturating_sub(2));
        for version in oldest {
            self.admin
                .delete(&format!("/v1/models/m/versions/{version}"))
                .ok();
            self.made.fetch_add(1, SeqCst);
        }
    }
}
