//! `guards`: how often guards roll back a rollout whose version keeps its limit, and how soon they
//! roll back one that does not. Thousands of simulated rollouts, evaluated ten times a second. For
//! comparison, the plain value in the guard's window is checked against the limit as often.
//!
//! Seeds are fixed and time is simulated, so the figures are the same on every machine.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hotstage_core::digest::Digest;
use hotstage_core::experiment::Draws;
use hotstage_core::rollout::{
    ALPHA, BUCKETS, Bake, Buckets, Counts, Guard, Measure, Next, Phase, Plan, Rolling, Served, Step,
};

use crate::Outcome;
use crate::plot::{self, Panel, Series};
use crate::table::{Goal, Line, Table, tell};

/// Interval between two evaluations.
const TICK: Duration = Duration::from_millis(100);
/// Requests to the new version and to the other one per interval: 40 and 360 a second.
const PER_TICK: [u32; 2] = [4, 36];
/// The guards' defaults.
const MIN_SAMPLES: u64 = 100;
const WINDOW: Duration = Duration::from_secs(60);
const ERRORS_MAX: f64 = 0.01;
const RATIO_MAX: f64 = 2.0;
/// A mean duration of the other version, in microseconds.
const MEAN_US: f64 = 1000.0;

/// The number of rollouts, and of evaluations in each.
struct Size {
    rollouts: u64,
    ticks: usize,
}

/// For each rollout the evaluation at which it was rolled back, if it was.
struct Taken {
    ours: Vec<Option<usize>>,
    by_value: Vec<Option<usize>>,
}

fn guard(measure: Measure, limit: f64) -> Guard {
    let name = measure.name().to_owned();
    Guard {
        name,
        measure,
        limit,
        min_samples: MIN_SAMPLES,
        window: WINDOW,
        tolerance: None,
    }
}

/// One long step with the default guards of a rollout, which share the allowed error probability.
fn plan() -> Outcome<Plan> {
    let guards = vec![
        guard(Measure::Errors, ERRORS_MAX),
        guard(Measure::P99Ratio, RATIO_MAX),
    ];
    let steps = vec![Step {
        percent: 10.0,
        bake: Duration::from_hours(24),
    }];
    Ok(Plan {
        to: "2".parse()?,
        from: None,
        steps,
        guards,
        labels: Vec::new(),
        timeout: None,
    })
}

/// Two versions. The new one fails at this rate and is slower by this factor.
struct Traffic {
    draws: Draws,
    rate: f64,
    slower: f64,
    counts: Counts,
}

impl Traffic {
    fn new(seed: u64, rate: f64, slower: f64) -> Self {
        Self {
            draws: Draws::new(seed),
            rate,
            slower,
            counts: Counts::default(),
        }
    }

    /// Adds the requests of one interval.
    fn tick(&mut self) {
        let [to, from] = PER_TICK;
        for _ in 0..to {
            self.counts.to.requests += 1;
            self.counts.to.errors += u64::from(self.draws.unit() < self.rate);
        }
        // Errors alone need no durations.
        if self.slower > 0.0 {
            self.durations(to, self.slower, |counts| &mut counts.to);
            self.durations(from, 1.0, |counts| &mut counts.from);
        }
    }

    /// Adds exponentially distributed durations.
    fn durations(&mut self, many: u32, times: f64, of: impl Fn(&mut Counts) -> &mut Served) {
        for _ in 0..many {
            let microseconds = -self.draws.unit().ln() * MEAN_US * times;
            let bucket = (0..BUCKETS - 1).find(|bucket| microseconds < (1_u64 << bucket) as f64);
            of(&mut self.counts).durations[bucket.unwrap_or(BUCKETS - 1)] += 1;
        }
    }
}

/// The p99 of a version's durations, as a guard without confidence bounds would see it.
fn p99_us(durations: &Buckets) -> f64 {
    let wanted = durations.iter().sum::<u64>() as f64 * 0.99;
    let mut seen = 0.0;
    for (bucket, count) in durations
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
    {
        let count = *count as f64;
        if seen + count >= wanted {
            let (low, high) = (
                if bucket == 0 {
                    0.0
                } else {
                    (1_u64 << (bucket - 1)) as f64
                },
                (1_u64 << bucket) as f64,
            );
            return low + (high - low) * (wanted - seen) / count;
        }
        seen += count;
    }
    0.0
}

/// Whether the value in the window exceeds a limit.
fn is_beyond(window: &Counts) -> bool {
    let Counts { to, from, .. } = window;
    let errors = to.requests >= MIN_SAMPLES && to.errors as f64 > ERRORS_MAX * to.requests as f64;
    let timed = to
        .durations
        .iter()
        .sum::<u64>()
        .min(from.durations.iter().sum())
        >= MIN_SAMPLES;
    errors || timed && p99_us(&to.durations) > RATIO_MAX * p99_us(&from.durations)
}

/// Simulates rollouts of a version with this error rate and this factor of durations; factor 0:
/// without durations.
fn rollouts(size: &Size, rate: f64, slower: f64) -> Outcome<Taken> {
    let plan = Arc::new(plan()?);
    let (digest, from) = (Digest::of(b"simulated"), "1".parse()?);
    let rolling = Rolling {
        digest,
        from,
        before: None,
        step: 0,
        phase: Phase::Running,
        started: Some(1),
    };
    let mut taken = Taken {
        ours: Vec::new(),
        by_value: Vec::new(),
    };
    for seed in 0..size.rollouts {
        let mut traffic = Traffic::new(seed, rate, slower);
        let mut bake = Bake::of(None, &rolling, &plan, Duration::ZERO, &traffic.counts);
        let mut past = VecDeque::from([traffic.counts.clone()]);
        let (mut ours, mut by_value) = (None, None);
        for tick in 1..=size.ticks {
            traffic.tick();
            let now = TICK * u32::try_from(tick)?;
            if ours.is_none()
                && matches!(
                    bake.look(Phase::Running, now, &traffic.counts),
                    Next::TakeBack(_)
                )
            {
                ours = Some(tick);
            }
            if by_value.is_none() && is_beyond(&traffic.counts.since(&past[0])) {
                by_value = Some(tick);
            }
            past.push_back(traffic.counts.clone());
            if TICK * u32::try_from(past.len())? > WINDOW {
                past.pop_front();
            }
            if ours.is_some() && by_value.is_some() {
                break;
            }
        }
        taken.ours.push(ours);
        taken.by_value.push(by_value);
    }
    Ok(taken)
}

fn seconds(tick: usize) -> f64 {
    TICK.as_secs_f64() * tick as f64
}

/// The percentage of rollouts that were rolled back.
fn percent(taken: &[Option<usize>]) -> f64 {
    taken.iter().flatten().count() as f64 / taken.len() as f64 * 100.0
}

/// The median time of the rollback; `None` if fewer than half were rolled back.
fn median(taken: &[Option<usize>]) -> Option<f64> {
    let mut ticks: Vec<usize> = taken.iter().flatten().copied().collect();
    ticks.sort_unstable();
    ticks.get(taken.len() / 2).map(|tick| seconds(*tick))
}

pub(crate) fn measure(quick: bool, table: &mut Table) -> Outcome {
    tell("guards");
    let size = if quick {
        Size {
            rollouts: 50,
            ticks: 600,
        }
    } else {
        Size {
            rollouts: 1000,
            ticks: 3000,
        }
    };
    let goal = || Goal::AtMost(ALPHA * 100.0);
    for rate in [0.002, 0.005, 0.008, 0.01] {
        let Taken { ours, by_value } = rollouts(&size, rate, 0.0)?;
        let what = format!(
            "taken back in 5 min, errors {:.1} % of at most 1 %",
            rate * 100.0
        );
        table.push(Line::beside(what, "%", percent(&ours), percent(&by_value)).goal(goal()));
    }
    for rate in [0.015, 0.02, 0.03, 0.05, 0.1, 1.0] {
        let Taken { ours, by_value } = rollouts(&size, rate, 0.0)?;
        let what = format!("the same, errors {:.1} %", rate * 100.0);
        table.push(Line::beside(what, "%", percent(&ours), percent(&by_value)));
        let [ours, by_value] = [ours, by_value].map(|taken| median(&taken).unwrap_or(f64::NAN));
        table.push(Line::beside("… after, median", "s", ours, by_value));
    }
    let few = Size {
        rollouts: size.rollouts / 10,
        ..size
    };
    for slower in [1.0, 1.5, 2.0] {
        let Taken { ours, by_value } = rollouts(&few, 0.0, slower)?;
        let what = format!("taken back in 5 min, p99 × {slower:.1} of at most × 2");
        table.push(Line::beside(what, "%", percent(&ours), percent(&by_value)).goal(goal()));
    }
    for slower in [3.0, 5.0, 10.0] {
        let Taken { ours, by_value } = rollouts(&few, 0.0, slower)?;
        table.push(Line::beside(
            format!("the same, p99 × {slower:.1}"),
            "%",
            percent(&ours),
            percent(&by_value),
        ));
        let [ours, by_value] = [ours, by_value].map(|taken| median(&taken).unwrap_or(f64::NAN));
        table.push(Line::beside("… after, median", "s", ours, by_value));
    }
    table.note("guards: beside is the value in the guard's window against its limit, at every tick; 40 requests a");
    table.note("second to the new version, 360 to the other, ten ticks a second, default guards");
    Ok(())
}

/// The share of rollouts rolled back by each moment.
fn curve(taken: &[Option<usize>], ticks: usize) -> Vec<(f64, f64)> {
    let by = |tick: usize| {
        taken.iter().flatten().filter(|at| **at <= tick).count() as f64 / taken.len() as f64
    };
    (10..=ticks).map(|tick| (seconds(tick), by(tick))).collect()
}

/// Draws the share of rollouts that were rolled back over time.
pub(crate) fn draw(path: &Path) -> Outcome {
    tell("4 × 1,000 rollouts");
    let size = Size {
        rollouts: 1000,
        ticks: 3000,
    };
    let panel = |title, marked, rate| {
        let Taken { ours, by_value } = rollouts(&size, rate, 0.0)?;
        let series = |name, taken: &[Option<usize>]| Series {
            name,
            points: curve(taken, size.ticks),
        };
        let series = vec![
            series("always valid", &ours),
            series("value at each reading", &by_value),
        ];
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Panel {
            title,
            marked,
            from: 0.0,
            to: 1.0,
            series,
        })
    };
    let panels = [
        panel(
            "taken back, errors 0.5 % of at most 1 %",
            Some((ALPHA, "5 %")),
            0.005,
        )?,
        panel(
            "taken back, errors 1 % of at most 1 %",
            Some((ALPHA, "5 %")),
            0.01,
        )?,
        panel("taken back, errors 2 % of at most 1 %", None, 0.02)?,
        panel("taken back, errors 5 % of at most 1 %", None, 0.05)?,
    ];
    std::fs::write(path, plot::svg(&panels, "seconds since the step began"))?;
    Ok(())
}
