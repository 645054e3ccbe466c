//! The decisions of rollouts: the effect of guards on a step, and how the split moves.

mod baking;

use proptest::prelude::*;

use super::*;
use crate::route::{Parts, Route, Variant};

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn guard(measure: Measure, limit: f64) -> Guard {
    let window = Duration::from_secs(60);
    Guard {
        name: measure.name().to_owned(),
        measure,
        limit,
        min_samples: 100,
        window,
        tolerance: None,
    }
}

fn plan() -> Plan {
    let step = |percent| Step {
        percent,
        bake: Duration::from_secs(60),
    };
    Plan {
        to: version("2"),
        from: Some(version("1")),
        steps: vec![step(0.0), step(10.0), step(50.0)],
        guards: vec![
            guard(Measure::Errors, 0.01),
            guard(Measure::Disagreement, 0.05),
        ],
        labels: vec![],
        timeout: Some(Duration::from_secs(3600)),
    }
}

/// The next action for verdicts of the errors' guard and the disagreement's.
fn next(step: usize, phase: Phase, seconds: u64, verdicts: [Verdict; 2]) -> Next {
    let judgements = verdicts.map(|verdict| {
        let seen = Seen {
            samples: 100,
            value: Some(0.02),
            low: Some(0.0123),
            high: None,
            ..Seen::default()
        };
        Judgement {
            verdict,
            seen,
            whole: seen,
        }
    });
    let baked = Duration::from_secs(seconds);
    plan().next(
        step,
        phase,
        &Progress {
            baked,
            elapsed: baked,
            judgements: &judgements,
        },
    )
}

#[test]
fn steps_bake_until_their_guards_hold() {
    use Verdict::{Doubts, Holds, Waits};
    let running = Phase::Running;
    assert_eq!(next(0, running, 59, [Waits, Holds]), Next::Stay);
    assert_eq!(next(0, running, 60, [Waits, Waits]), Next::Stay);
    assert_eq!(next(0, running, 60, [Waits, Doubts]), Next::Stay);
    assert_eq!(next(0, running, 60, [Waits, Holds]), Next::Step(1));
    // Copies end with the mirror's step; their verdict does not delay the other steps.
    assert_eq!(next(1, running, 60, [Holds, Waits]), Next::Step(2));
    assert_eq!(next(1, running, 60, [Waits, Waits]), Next::Stay);
    assert_eq!(next(2, running, 60, [Holds, Waits]), Next::Promote);
    assert_eq!(next(2, Phase::Paused, 3000, [Holds, Waits]), Next::Stay);
    let baked = Duration::from_secs(60);
    let nothing_judged = Progress {
        baked,
        elapsed: baked,
        judgements: &[],
    };
    assert_eq!(plan().next(2, running, &nothing_judged), Next::Stay);
}

#[test]
fn a_breach_takes_it_back_at_once_and_says_why() {
    use Verdict::{Breached, Holds, Waits};
    let why = "guard `errors`: errors was 2.00 % of 100 samples (1.23 % or more); at most 1.00 %"
        .to_owned();
    for phase in [Phase::Running, Phase::Paused] {
        assert_eq!(
            next(1, phase, 0, [Breached, Waits]),
            Next::TakeBack(why.clone())
        );
    }
    let late = next(1, Phase::Running, 3600, [Holds, Waits]);
    assert_eq!(late, Next::TakeBack("was not done after 1h".to_owned()));
    for over in [Phase::Promoted, Phase::RolledBack, Phase::Aborted] {
        assert_eq!(next(1, over, 3600, [Breached, Waits]), Next::Stay);
    }
}

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn route(weights: &[f64]) -> Parts {
    let variants = weights.iter().enumerate();
    let variants =
        variants.map(|(index, weight)| Variant::new(version(&format!("{}", index + 1)), *weight));
    Parts {
        salt: "s".to_owned(),
        variants: variants.collect(),
        ..Parts::default()
    }
}

proptest! {
    #[test]
    fn a_step_moves_share_between_two_and_leaves_the_others(
        weights in prop::collection::vec(0.1_f64..100.0, 2..5), percent in 0.0_f64..=100.0,
    ) {
        let before = route(&weights);
        let after = moved(&before, &version("1"), &version("2"), percent);
        let sum = |parts: &Parts| parts.variants.iter().map(|variant| variant.weight).sum::<f64>();
        prop_assert!((sum(&before) - sum(&after)).abs() < 1e-9);
        prop_assert_eq!(&before.variants[2..], &after.variants[2..]);
        let share = after.variants[1].weight / (weights[0] + weights[1]) * 100.0;
        prop_assert!((share - percent).abs() < 1e-9);
        prop_assert!(Route::new(after).is_ok());
    }

    #[test]
    fn a_version_that_is_new_joins_the_split(percent in 0.0_f64..=100.0) {
        let after = moved(&route(&[3.0]), &version("1"), &version("9"), percent);
        prop_assert_eq!(after.variants.len(), 2);
        prop_assert!((after.variants[1].weight - 3.0 * percent / 100.0).abs() < 1e-9);
    }
}

#[test]
fn a_metric_has_a_least_or_a_most() {
    let of = |is_least| {
        guard(
            Measure::Metric(Metric {
                stage: "label".into(),
                name: "score".into(),
                is_least,
            }),
            0.5,
        )
    };
    let said = |guard: &Guard, many: u32, value: f64| {
        let mut watch = watch::Watch::new(
            Duration::ZERO,
            &Counts {
                values: vec![Values::default()],
                ..Counts::default()
            },
            0.05,
        );
        let mut values = Values::default();
        // Values vary a little.
        (0..many).for_each(|round| values.add(value + if round % 2 == 0 { 0.01 } else { -0.01 }));
        let counts = Counts {
            values: vec![values],
            ..Counts::default()
        };
        watch.judge(guard, 0, at(1.0), &counts);
        let judgement = watch.explain(guard, 0, at(1.0), &counts);
        (judgement.verdict.name(), guard.breach(&judgement.seen))
    };
    for (is_least, below, above) in [(true, "breached", "holds"), (false, "holds", "breached")] {
        let guard = of(is_least);
        assert_eq!(
            (said(&guard, 100, 0.4).0, said(&guard, 100, 0.6).0),
            (below, above)
        );
        assert_eq!(
            (said(&guard, 100, 0.5).0, said(&guard, 98, 0.1).0),
            ("holds", "waits")
        );
    }
    let why = said(&of(true), 120, 0.25).1;
    assert!(
        why.starts_with("guard `metric`: label.score was 0.2500 of 120 samples (0.24"),
        "{why}"
    );
    assert!(why.ends_with("; at least 0.5000"), "{why}");
}

#[test]
fn a_journal_of_before_has_rollouts_without_their_beginning() {
    let digest = Digest::of(b"plan");
    let before = format!(r#"{{"digest":"{digest}","from":"1","phase":"running","step":2}}"#);
    let old: Rolling = serde_json::from_str(&before).unwrap();
    assert_eq!(
        (
            old.started,
            old.step,
            serde_json::to_string(&old).unwrap().contains("started")
        ),
        (None, 2, false)
    );
    let new = Rolling {
        started: Some(3),
        ..old.clone()
    };
    assert!(
        !new.is_same(&old)
            && old.is_same(&Rolling {
                step: 3,
                ..old.clone()
            })
    );
    assert_eq!(
        serde_json::from_str::<Rolling>(&serde_json::to_string(&new).unwrap()).unwrap(),
        new
    );
}
