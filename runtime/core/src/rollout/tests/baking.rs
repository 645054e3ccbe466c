//! Steps that bake over counts: what is breached, promoted, or can't be judged.

use std::sync::Arc;

use super::*;

/// The counts of `requests` requests to the new version, of which `errors` failed.
fn counts(requests: u64, errors: u64) -> Counts {
    Counts {
        to: Served {
            requests,
            errors,
            ..Served::default()
        },
        ..Counts::default()
    }
}

fn one_guard(limit: f64, min_samples: u64, window: u64, bake: u64) -> Arc<Plan> {
    let guard = Guard {
        min_samples,
        window: Duration::from_secs(window),
        ..guard(Measure::Errors, limit)
    };
    let steps = vec![Step {
        percent: 10.0,
        bake: Duration::from_secs(bake),
    }];
    Arc::new(Plan {
        steps,
        guards: vec![guard],
        timeout: None,
        ..plan()
    })
}

fn rolling(plan: &Plan, started: Option<u64>) -> Rolling {
    let digest = Digest::of(format!("{plan:?}").as_bytes());
    Rolling {
        digest,
        from: version("1"),
        before: None,
        step: 0,
        phase: Phase::Running,
        started,
    }
}

#[test]
fn a_rollout_with_the_same_plan_begins_at_zero() {
    let plan = one_guard(0.01, 50, 60, 20);
    let first = rolling(&plan, Some(7));
    let mut bake = Bake::of(None, &first, &plan, at(0.0), &counts(0, 0));
    assert_eq!(
        bake.look(Phase::Running, at(19.9), &counts(400, 0)),
        Next::Stay
    );
    let second = rolling(&plan, Some(9));
    let mut bake = Bake::of(Some(bake), &second, &plan, at(20.0), &counts(400, 0));
    assert_eq!(
        (bake.baked(at(20.0)), bake.judgements()[0].seen.samples),
        (Duration::ZERO, 0)
    );
    assert_eq!(
        bake.look(Phase::Running, at(20.1), &counts(402, 0)),
        Next::Stay
    );
    assert_eq!(
        bake.look(Phase::Running, at(40.0), &counts(449, 0)),
        Next::Stay
    );
    assert_eq!(bake.judgements()[0].seen.samples, 49);
    assert_eq!(
        bake.look(Phase::Running, at(40.1), &counts(450, 0)),
        Next::Promote
    );
    // The same rollout, found again, continues.
    let bake = Bake::of(Some(bake), &second, &plan, at(41.0), &counts(450, 0));
    assert_eq!(bake.baked(at(41.0)), at(21.0));
}

#[test]
fn what_lies_beyond_its_limit_by_chance_is_neither_breached_nor_promoted() {
    let plan = one_guard(0.01, 100, 60, 10);
    let mut bake = Bake::of(
        None,
        &rolling(&plan, Some(1)),
        &plan,
        at(0.0),
        &counts(0, 0),
    );
    assert_eq!(
        bake.look(Phase::Running, at(10.0), &counts(150, 3)),
        Next::Stay
    );
    assert_eq!(bake.judgements()[0].verdict, Verdict::Doubts);
    let why = bake.hindrance(at(10.0), false).unwrap();
    assert_eq!(
        why,
        "undecided: guard `errors` saw 2.00 % of 150 samples, at most 1.00 %; this may be chance"
    );
    assert_eq!(
        bake.look(Phase::Running, at(20.0), &counts(320, 3)),
        Next::Promote
    );
}

#[test]
fn what_becomes_bad_later_is_found_within_its_window() {
    let plan = one_guard(0.01, 100, 60, 3600);
    let mut bake = Bake::of(
        None,
        &rolling(&plan, Some(1)),
        &plan,
        at(0.0),
        &counts(0, 0),
    );
    // Forty requests a second for half an hour, without a failure; then one of ten fails.
    for second in 1..=1800_u32 {
        assert_eq!(
            bake.look(
                Phase::Running,
                at(f64::from(second)),
                &counts(40 * u64::from(second), 0)
            ),
            Next::Stay
        );
    }
    let found = (1..60_u64).find(|second| {
        let counts = counts(72_000 + 40 * second, 4 * second);
        bake.look(Phase::Running, at(1800.0 + *second as f64), &counts) != Next::Stay
    });
    assert!(found.is_some_and(|seconds| seconds <= 30), "{found:?}");
    let judgement = bake.judgements()[0];
    assert!(
        judgement.seen.back < Duration::from_secs(70) && judgement.whole.samples > 72_000,
        "{judgement:?}"
    );
}

#[test]
fn a_breach_stays_one() {
    let plan = one_guard(0.01, 10, 60, 1);
    let mut bake = Bake::of(
        None,
        &rolling(&plan, Some(1)),
        &plan,
        at(0.0),
        &counts(0, 0),
    );
    let breached = bake.look(Phase::Running, at(0.1), &counts(10, 10));
    assert!(
        matches!(&breached, Next::TakeBack(why) if why.contains("100.00 % of 10 samples")),
        "{breached:?}"
    );
    assert_eq!(
        bake.look(Phase::Running, at(500.0), &counts(1_000_000, 10)),
        breached
    );
    let evidence = bake.evidence(at(0.5));
    assert_eq!(
        (
            evidence.baked_ms,
            evidence.guards[0].samples,
            evidence.guards[0].verdict.as_str()
        ),
        (500, 10, "breached")
    );
    assert!(evidence.guards[0].low.unwrap() > 0.01);
}

#[test]
fn a_step_that_can_not_be_judged_says_so() {
    let plan = one_guard(0.01, 100, 60, 10);
    let mut bake = Bake::of(
        None,
        &rolling(&plan, Some(1)),
        &plan,
        at(0.0),
        &counts(0, 0),
    );
    assert_eq!(
        bake.look(Phase::Running, at(5.0), &counts(2, 0)),
        Next::Stay
    );
    assert_eq!(bake.hindrance(at(5.0), false), None);
    let why = "can't be judged: guard `errors` has 2 of 100 samples in 5s, circuit open";
    assert_eq!(bake.hindrance(at(5.0), true).as_deref(), Some(why));
    for minute in 1..80 {
        assert_eq!(
            bake.look(Phase::Running, at(f64::from(60 * minute)), &counts(2, 0)),
            Next::Stay
        );
    }
    let why = bake.hindrance(at(5000.0), false).unwrap();
    assert!(
        why.starts_with("can't be judged: guard `errors` has 0 of 100 samples in "),
        "{why}"
    );
}
