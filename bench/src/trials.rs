//! `trials`: whether an experiment's intervals hold. Thousands of simulated tests between equal
//! variants, evaluated after every ten answers; also how soon a difference is found. For
//! comparison, an interval for a fixed sample size is evaluated as often.
//!
//! Seeds are fixed, so the figures are the same on every machine. No times are measured.

use std::path::Path;

use hotstage_core::experiment::{ALPHA, Bounds, Draws, Evidence, Verdict, next_weights, verdict};

use crate::Outcome;
use crate::plot::{self, Panel, Series};
use crate::table::{Goal, Line, Table, tell};

/// Answers between two evaluations.
const STEP: usize = 10;
/// Answers between two changes of the weights.
const MOVE: usize = 1000;
/// Half width of a 95 percent interval for a fixed sample size, in standard errors.
const REACH: f64 = 1.96;
/// Rewards of each variant before the fixed-size interval is evaluated.
const ENOUGH: u64 = 30;
/// Bound on false alarms, in percent, if one in twenty may be wrong.
const ALARMS_MAX: f64 = 5.0;

/// The number of tests, and of answers in each.
struct Size {
    tests: u64,
    answers: usize,
}

/// Two variants.
struct Trial {
    draws: Draws,
    rates: [f64; 2],
    /// Share of the requests that the second variant gets.
    share: f64,
    evidence: [Evidence; 2],
}

/// Results of an interval over many tests, by evaluation.
struct Seen {
    /// Tests in which the interval has held so far.
    held: Vec<u32>,
    /// Sum of the widths, and their number.
    widths: Vec<(f64, u32)>,
}

impl Trial {
    fn new(seed: u64, rates: [f64; 2]) -> Self {
        let evidence = || Evidence::new(ALPHA, 2);
        Self {
            draws: Draws::new(seed),
            rates,
            share: 0.5,
            evidence: [evidence(), evidence()],
        }
    }

    fn answer(&mut self) {
        let variant = usize::from(self.draws.unit() < self.share);
        let reward = if self.draws.unit() < self.rates[variant] {
            1.0
        } else {
            0.0
        };
        self.evidence[variant].sequence.add(reward);
    }

    fn adapt(&mut self) {
        let [one, other] = &self.evidence;
        let seed = one.sequence.count() ^ (other.sequence.count() << 32);
        self.share = next_weights(&[one, other], Bounds::default(), seed)[1] / 100.0;
    }

    fn verdict(&self, worth: f64) -> Verdict {
        verdict(&[Some(&self.evidence[0]), Some(&self.evidence[1])], worth)
    }

    /// The interval of the difference.
    fn always_valid(&self) -> (f64, f64) {
        let difference = self.evidence[1].sequence.minus(&self.evidence[0].sequence);
        (difference.low, difference.high)
    }

    /// The textbook interval for rewards of 0 or 1.
    fn for_one_size(&self) -> Option<(f64, f64)> {
        let of = |evidence: &Evidence| {
            let (count, mean) = (evidence.sequence.count(), evidence.sequence.mean()?);
            (count >= ENOUGH).then(|| (mean, mean * (1.0 - mean) / count as f64))
        };
        let ((one, first), (other, second)) = (of(&self.evidence[0])?, of(&self.evidence[1])?);
        let half = REACH * (first + second).sqrt();
        Some((other - one - half, other - one + half))
    }
}

impl Seen {
    fn new(steps: usize) -> Self {
        Self {
            held: vec![0; steps],
            widths: vec![(0.0, 0); steps],
        }
    }

    /// Records an evaluation; `holds` is whether the interval has held in this test so far.
    fn step(&mut self, step: usize, interval: Option<(f64, f64)>, holds: &mut bool) {
        if let Some((low, high)) = interval {
            *holds &= low <= 0.0 && 0.0 <= high;
            self.widths[step].0 += high - low;
            self.widths[step].1 += 1;
        }
        self.held[step] += u32::from(*holds);
    }

    fn alarms(&self, tests: u64) -> f64 {
        let held = self.held.last().copied().unwrap_or_default();
        100.0 - f64::from(held) / tests as f64 * 100.0
    }

    fn coverage(&self, tests: u64) -> Vec<(f64, f64)> {
        let held = self.held.iter().enumerate();
        held.map(|(step, held)| (answers(step), f64::from(*held) / tests as f64))
            .collect()
    }

    fn width(&self) -> Vec<(f64, f64)> {
        let widths = self
            .widths
            .iter()
            .enumerate()
            .filter(|(_, (_, many))| *many > 0);
        widths
            .map(|(step, (sum, many))| (answers(step), sum / f64::from(*many)))
            .collect()
    }
}

fn answers(step: usize) -> f64 {
    ((step + 1) * STEP) as f64
}

/// Tests between equal variants: the always-valid interval, and the one for a fixed sample size.
fn between_equals(size: &Size, rate: f64, adaptive: bool) -> [Seen; 2] {
    let steps = size.answers / STEP;
    let mut seen = [Seen::new(steps), Seen::new(steps)];
    for seed in 0..size.tests {
        let mut trial = Trial::new(seed, [rate, rate]);
        let mut holds = [true, true];
        for step in 0..steps {
            if adaptive && step > 0 && (step * STEP).is_multiple_of(MOVE) {
                trial.adapt();
            }
            (0..STEP).for_each(|_| trial.answer());
            seen[0].step(step, Some(trial.always_valid()), &mut holds[0]);
            seen[1].step(step, trial.for_one_size(), &mut holds[1]);
        }
    }
    seen
}

/// Median number of answers until a verdict; `None` if fewer than half of the tests reach it.
fn until(expected: Verdict, rates: [f64; 2], worth: f64, size: &Size) -> Option<f64> {
    let mut needed: Vec<usize> = (0..size.tests)
        .filter_map(|seed| {
            let mut trial = Trial::new(seed, rates);
            (1..=size.answers / STEP).find_map(|step| {
                (0..STEP).for_each(|_| trial.answer());
                (trial.verdict(worth) == expected).then_some(step * STEP)
            })
        })
        .collect();
    needed.sort_unstable();
    let middle = usize::try_from(size.tests / 2).ok()?;
    needed.get(middle).map(|answers| *answers as f64)
}

/// Answers with which a test of fixed size finds the difference in four of five cases.
fn for_fixed_size([one, other]: [f64; 2]) -> f64 {
    const REACHES: f64 = REACH + 0.84;
    let variance = one * (1.0 - one) + other * (1.0 - other);
    2.0 * REACHES * REACHES * variance / ((other - one) * (other - one))
}

pub(crate) fn measure(quick: bool, table: &mut Table) -> Outcome {
    tell("experiments");
    let size = if quick {
        Size {
            tests: 200,
            answers: 2000,
        }
    } else {
        Size {
            tests: 2000,
            answers: 20_000,
        }
    };
    for rate in [0.02, 0.1, 0.5] {
        let [ours, fixed] = between_equals(&size, rate, false);
        let what = format!("false alarms in {} tests of equals at {rate}", size.tests);
        let line = Line::beside(what, "%", ours.alarms(size.tests), fixed.alarms(size.tests));
        table.push(line.goal(Goal::AtMost(ALARMS_MAX)));
    }
    let few = Size {
        tests: size.tests / 2,
        answers: size.answers / 2,
    };
    let [ours, fixed] = between_equals(&few, 0.1, true);
    let what = format!("the same in {} adaptive tests at 0.1", few.tests);
    table.push(
        Line::beside(what, "%", ours.alarms(few.tests), fixed.alarms(few.tests))
            .goal(Goal::AtMost(ALARMS_MAX)),
    );
    let long = if quick {
        Size {
            tests: 20,
            answers: 20_000,
        }
    } else {
        Size {
            tests: 200,
            answers: 200_000,
        }
    };
    for rates in [[0.1, 0.12], [0.1, 0.15], [0.2, 0.3]] {
        let needed = until(Verdict::Better(1), rates, 0.001, &long).unwrap_or(f64::NAN);
        let what = format!(
            "answers until {} is better than {}, median",
            rates[1], rates[0]
        );
        table.push(Line::beside(what, "", needed, for_fixed_size(rates)));
    }
    for worth in [0.02, 0.05] {
        let needed = until(Verdict::NoDifference, [0.1, 0.1], worth, &long).unwrap_or(f64::NAN);
        table.push(Line::alone(
            format!("answers until no difference of {worth} at 0.1, median"),
            "",
            needed,
        ));
    }
    table.note("experiments: beside is an interval of 95 % for one sample size, evaluated as often (false alarms), or");
    table.note("evaluated once, with a power of 80 % (answers)");
    Ok(())
}

/// Draws coverage and width over time.
pub(crate) fn draw(path: &Path) -> Outcome {
    tell("2,000 tests between equals");
    let size = Size {
        tests: 2000,
        answers: 20_000,
    };
    let [ours, fixed] = between_equals(&size, 0.1, false);
    let names = ["always valid", "for one sample size"];
    let series = |[ours, fixed]: [Vec<(f64, f64)>; 2]| {
        vec![
            Series {
                name: names[0],
                points: ours,
            },
            Series {
                name: names[1],
                points: fixed,
            },
        ]
    };
    let coverage = Panel {
        title: "tests whose interval has held at every step so far",
        marked: Some((0.95, "95 %")),
        from: 0.5,
        to: 1.0,
        series: series([ours.coverage(size.tests), fixed.coverage(size.tests)]),
    };
    let width = Panel {
        title: "width of the interval of the difference",
        marked: None,
        from: 0.0,
        to: 0.5,
        series: series([ours.width(), fixed.width()]),
    };
    std::fs::write(
        path,
        plot::svg(&[coverage, width], "answers to both variants together"),
    )?;
    Ok(())
}
