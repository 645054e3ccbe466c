//! Versions come and go at 80 % of the highest load: good ones, bad ones, ones that are rolled
//! back, deleted, or deleted while they load. Every answer is whole and of one version, and memory
//! stays where it was.

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
/// Changes after which memory is looked at first.
const SETTLED: u64 = 20;
/// Peaks whose middle one counts.
const PEAKS: usize = 5;
/// A rate is kept to if so much of it is reached; else one is tried that is lower by [`STEP`], so
/// many times at most.
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
    (0..effort::of(1, PEAKS)).for_each(|_| pace.look());
    // Under the load that follows, so that what is compared is alike.
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
    // The same load for as long as before, so that what is compared is alike: threads that work on
    // changes have gone.
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

/// What was seen without changes, and with them.
struct Seen {
    steady: Vec<Round>,
    swapping: Vec<Round>,
    /// Bytes of resident memory at most.
    most: f64,
}

impl Seen {
    /// Stretches with changes, and between them a look at how it goes without, so that both see the
    /// same machine.
    fn change_in_stretches(&mut self, pace: &mut Pace<'_>, changes: &Changes<'_>) {
        let (took, stretch) = (effort::seconds(4, 30 * 60), effort::of(4, 10));
        let windows = usize::try_from(took.as_secs().div_ceil(pace.window.as_secs())).unwrap();
        let stretches = windows.div_ceil(stretch);
        for done in 1..=stretches {
            let with = changes.during(|| pace.windows(stretch));
            self.most = self.most.max(resident(pace.server));
            pace.look();
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

/// How fast to ask. What the machine can do moves by a tenth within minutes, and 80 % of what it
/// could do once may be all that it can do later; so the highest load is looked at again and again.
struct Pace<'a> {
    server: &'a Server,
    window: Duration,
    /// Requests a second.
    peaks: Vec<f64>,
}

impl Pace<'_> {
    /// Finds the highest rate that is kept to. It is below what is reached without a rate, as one
    /// who keeps to a rate sleeps between requests, and to sleep and to wake costs more than to go
    /// on.
    fn look(&mut self) {
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

    /// The share of the middle one of the last peaks.
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

/// Ends the changes, also when the traffic's check fails first.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Microseconds: of the windows the middle one, and the worst.
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

/// One change after another, of every kind.
struct Changes<'a> {
    admin: &'a Admin,
    made: AtomicU64,
    number: AtomicU64,
}

impl Changes<'_> {
    /// A change a second for as long as something else takes.
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

    /// A good version, and every second time something else with it.
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

    /// Another name comes and is deleted while it loads; either may be first.
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
