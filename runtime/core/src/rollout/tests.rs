//! The decisions of rollouts.

use proptest::prelude::*;

use super::*;
use crate::route::{Parts, Route, Variant};

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn guard(measure: Measure, limit: f64) -> Guard {
    let window = Duration::from_secs(60);
    Guard { name: measure.name().to_owned(), measure, limit, min_samples: 100, window, tolerance: None }
}

fn plan() -> Plan {
    let step = |percent| Step { percent, bake: Duration::from_secs(60) };
    Plan {
        to: version("2"),
        from: Some(version("1")),
        steps: vec![step(0.0), step(10.0), step(50.0)],
        guards: vec![guard(Measure::Errors, 0.01), guard(Measure::Disagreement, 0.05)],
        labels: vec![],
        timeout: Some(Duration::from_secs(3600)),
    }
}

fn seen(guard: &Guard, samples: u64, value: f64) -> Judgement {
    guard.judge(Seen { samples, value: Some(value) })
}

fn next(step: usize, phase: Phase, seconds: u64, errors: (u64, f64), disagreement: (u64, f64)) -> Next {
    let plan = plan();
    let judgements = [seen(&plan.guards[0], errors.0, errors.1), seen(&plan.guards[1], disagreement.0, disagreement.1)];
    let baked = Duration::from_secs(seconds);
    plan.next(step, phase, &Progress { baked, elapsed: baked, judgements: &judgements })
}

#[test]
fn steps_bake_until_their_guards_have_seen_enough() {
    let running = Phase::Running;
    assert_eq!(next(0, running, 59, (0, 0.0), (500, 0.0)), Next::Stay);
    assert_eq!(next(0, running, 60, (0, 0.0), (99, 0.0)), Next::Stay);
    assert_eq!(next(0, running, 60, (0, 0.0), (100, 0.05)), Next::Step(1));
    // Copies end with the mirror's step; what they said does not hold up the others.
    assert_eq!(next(1, running, 60, (100, 0.0), (0, 0.0)), Next::Step(2));
    assert_eq!(next(1, running, 60, (99, 0.0), (0, 0.0)), Next::Stay);
    assert_eq!(next(2, running, 60, (100, 0.01), (0, 0.0)), Next::Promote);
    assert_eq!(next(2, Phase::Paused, 6000 / 2, (100, 0.01), (0, 0.0)), Next::Stay);
}

#[test]
fn a_breach_takes_it_back_at_once_and_says_why() {
    let why = "guard `errors`: errors was 2.00 % of 100 samples; at most 1.00 %".to_owned();
    for phase in [Phase::Running, Phase::Paused] {
        assert_eq!(next(1, phase, 0, (100, 0.02), (0, 0.0)), Next::TakeBack(why.clone()));
    }
    assert_eq!(next(1, Phase::Running, 0, (99, 0.5), (0, 0.0)), Next::Stay);
    let late = next(1, Phase::Running, 3600, (0, 0.0), (0, 0.0));
    assert_eq!(late, Next::TakeBack("was not done after 1h".to_owned()));
    for over in [Phase::Promoted, Phase::RolledBack, Phase::Aborted] {
        assert_eq!(next(1, over, 3600, (100, 1.0), (0, 0.0)), Next::Stay);
    }
}

fn route(weights: &[f64]) -> Parts {
    let variants = weights.iter().enumerate();
    let variants = variants.map(|(index, weight)| Variant::new(version(&format!("{}", index + 1)), *weight));
    Parts { salt: "s".to_owned(), variants: variants.collect(), ..Parts::default() }
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
    let of = |is_least| guard(Measure::Metric(Metric { stage: "label".into(), name: "score".into(), is_least }), 0.5);
    for (is_least, below, above) in [(true, "breached", "holds"), (false, "holds", "breached")] {
        let guard = of(is_least);
        assert_eq!((seen(&guard, 100, 0.4).name(), seen(&guard, 100, 0.6).name()), (below, above));
        assert_eq!((seen(&guard, 100, 0.5).name(), seen(&guard, 99, 0.1).name()), ("holds", "waits"));
    }
    let why = of(true).breach(&seen(&of(true), 120, 0.25));
    assert_eq!(why, "guard `metric`: label.score was 0.2500 of 120 samples; at least 0.5000");
}
