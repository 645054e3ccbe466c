//! Whether an experiment's intervals hold: thousands of tests between equals, looked at after every
//! ten answers; how soon a difference is found; and, beside both, an interval for one sample size
//! that is looked at as often.
//!
//! Seeds are fixed, so that the same figures come out on every machine. Nothing here is a time.

use std::path::Path;

use hotstage_core::experiment::{ALPHA, Bounds, Draws, Evidence, Verdict, next_weights, verdict};

use crate::Outcome;
use crate::plot::{self, Panel, Series};
use crate::table::{Goal, Line, Table, tell};

/// Answers between two looks.
const LOOK: usize = 10;
/// Answers between two moves of weights.
const MOVE: usize = 1000;
/// What an interval of 95 percent for one sample size reaches, in standard errors.
const REACH: f64 = 1.96;
/// Rewards of each variant before that one is looked at: below, nobody would.
const ENOUGH: u64 = 30;
/// What is to be had when one in twenty may be wrong, in percent.
const ALARMS_MAX: f64 = 5.0;

/// How many tests, and of how many answers.
struct Size {
    tests: u64,
    answers: usize,
}

/// Two variants.
struct Trial {
    draws: Draws,
    rates: [f64; 2],
    /// The part of the requests that goes to the second.
    share: f64,
    evidence: [Evidence; 2],
}

/// What an interval said over many tests, look by look.
struct Seen {
    /// Tests in which it had always held so far.
    held: Vec<u32>,
    /// Sum of its widths, and of how many.
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

    /// The difference's interval.
    fn always_valid(&self) -> (f64, f64) {
        let difference = self.evidence[1].sequence.minus(&self.evidence[0].sequence);
        (difference.low, difference.high)
    }

    /// The textbook's, of rewards that are 0 or 1.
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
    fn new(looks: usize) -> Self {
        Self {
            held: vec![0; looks],
            widths: vec![(0.0, 0); looks],
        }
    }

    /// Takes note of a look; `holds` says whether it had held so far, and does.
    fn look(&mut self, look: usize, interval: Option<(f64, f64)>, holds: &mut bool) {
        if let Some((low, high)) = interval {
            *holds &= low <= 0.0 && 0.0 <= high;
            self.widths[look].0 += high - low;
            self.widths[look].1 += 1;
        }
        self.held[look] += u32::from(*holds);
    }

    fn alarms(&self, tests: u64) -> f64 {
        let held = self.held.last().copied().unwrap_or_default();
        100.0 - f64::from(held) / tests as f64 * 100.0
    }

    fn coverage(&self, tests: u64) -> Vec<(f64, f64)> {
        let held = self.held.iter().enumerate();
        held.map(|(look, held)| (answers(look), f64::from(*held) / tests as f64))
            .collect()
    }

    fn width(&self) -> Vec<(f64, f64)> {
        let widths = self
            .widths
            .iter()
            .enumerate()
            .filter(|(_, (_, many))| *many > 0);
        widths
            .map(|(look, (sum, many))| (answers(look), sum / f64::from(*many)))
            .collect()
    }
}

fn answers(look: usize) -> f64 {
    ((look + 1) * LOOK) as f64
}

/// Tests between equals: the always-valid interval, and the one for one sample size.
fn between_equals(size: &Size, rate: f64, adaptive: bool) -> [Seen; 2] {
    let looks = size.answers / LOOK;
    let mut seen = [Seen::new(looks), Seen::new(looks)];
    for seed in 0..size.tests {
        let mut trial = Trial::new(seed, [rate, rate]);
        let mut holds = [true, true];
        for look in 0..looks {
            if adaptive && look > 0 && (look * LOOK).is_multiple_of(MOVE) {
                trial.adapt();
            }
            (0..LOOK).for_each(|_| trial.answer());
            seen[0].look(look, Some(trial.always_valid()), &mut holds[0]);
            seen[1].look(look, trial.for_one_size(), &mut holds[1]);
        }
    }
    seen
}

/// Answers until a verdict, of tests in the middle; none where fewer than half of them come to it.
fn until(expected: Verdict, rates: [f64; 2], worth: f64, size: &Size) -> Option<f64> {
    let mut needed: Vec<usize> = (0..size.tests)
        .filter_map(|seed| {
            let mut trial = Trial::new(seed, rates);
            (1..=size.answers / LOOK).find_map(|look| {
                (0..LOOK).for_each(|_| trial.answer());
                (trial.verdict(worth) == expected).then_some(look * LOOK)
            })
        })
        .collect();
    needed.sort_unstable();
    let middle = usize::try_from(size.tests / 2).ok()?;
    needed.get(middle).map(|answers| *answers as f64)
}

/// Answers that a test of one size needs to find the difference four times of five.
fn for_one_look([one, other]: [f64; 2]) -> f64 {
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
        table.push(Line::beside(what, "", needed, for_one_look(rates)));
    }
    for worth in [0.02, 0.05] {
        let needed = until(Verdict::NoDifference, [0.1, 0.1], worth, &long).unwrap_or(f64::NAN);
        table.push(Line::alone(
            format!("answers until no difference of {worth} at 0.1, median"),
            "",
            needed,
        ));
    }
    table.note("experiments: beside is an interval of 95 % for one sample size, looked at as often (false alarms), or");
    table.note("looked at once, with a power of 80 % (answers)");
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
        title: "tests whose interval has held at every look so far",
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
