//! Intervals are valid at every reading, differences are found, weights stay inside their bounds.

use proptest::prelude::*;

use super::*;

/// Two variants that get requests at random.
struct Trial {
    draws: Draws,
    rates: [f64; 2],
    evidence: [Evidence; 2],
}

impl Trial {
    fn new(seed: u64, rates: [f64; 2]) -> Self {
        let evidence = || Evidence::new(ALPHA, 2);
        Self {
            draws: Draws::new(seed),
            rates,
            evidence: [evidence(), evidence()],
        }
    }

    /// One answer and its reward, which is 0 or 1: the worst case of all rewards of one mean.
    fn answer(&mut self) {
        let variant = usize::from(self.draws.unit() < 0.5);
        let reward = if self.draws.unit() < self.rates[variant] {
            1.0
        } else {
            0.0
        };
        self.evidence[variant].sequence.add(reward);
    }

    fn difference(&self) -> Interval {
        self.evidence[1].sequence.minus(&self.evidence[0].sequence)
    }

    fn verdict(&self, worth: f64) -> Verdict {
        verdict(&[Some(&self.evidence[0]), Some(&self.evidence[1])], worth)
    }

    /// The first verdict other than to keep going, and the number of answers before it.
    fn run(&mut self, worth: f64, answers_max: u32) -> (Verdict, u32) {
        for answers in 1..=answers_max {
            self.answer();
            let verdict = self.verdict(worth);
            if answers % 10 == 0 && verdict != Verdict::KeepGoing {
                return (verdict, answers);
            }
        }
        (Verdict::KeepGoing, answers_max)
    }
}

/// The number of tests in which the difference's interval ever excludes 0, although there is no
/// difference.
fn false_alarms(tests: u64, answers: u32, rate: f64) -> u64 {
    let is_false = |seed: &u64| {
        let mut trial = Trial::new(*seed, [rate, rate]);
        (1..=answers).any(|answer| {
            trial.answer();
            answer % 10 == 0 && !trial.difference().holds(0.0)
        })
    };
    (0..tests).filter(is_false).count() as u64
}

#[test]
fn in_2000_tests_of_equals_at_most_one_of_twenty_raises_a_false_alarm() {
    for rate in [0.05, 0.5] {
        let alarms = false_alarms(2000, 2000, rate);
        assert!(alarms <= 100, "{alarms} of 2000 at {rate}");
    }
}

#[test]
fn each_interval_alone_holds_as_often_as_it_says() {
    // A single variant has the whole chance of an error, so the test runs closer to the bound.
    let leaves = |seed: &u64| {
        let (mut draws, mut sequence) = (Draws::new(*seed), Sequence::new(ALPHA, 1));
        (0..2000).any(|_| {
            sequence.add(if draws.unit() < 0.1 { 1.0 } else { 0.0 });
            !sequence.interval().holds(0.1) || sequence.drifts()
        })
    };
    let left = (0..1000).filter(leaves).count();
    assert!(left <= 50, "{left} of 1000");
}

#[test]
fn a_difference_is_found_and_so_is_that_there_is_none() {
    for seed in 0..20 {
        let (verdict, answers) = Trial::new(seed, [0.2, 0.4]).run(WORTH, 20_000);
        assert_eq!(verdict, Verdict::Better(1), "{seed}");
        assert!(answers < 4000, "{seed}: {answers}");
        assert_eq!(
            Trial::new(seed, [0.4, 0.2]).run(WORTH, 20_000).0,
            Verdict::Better(0),
            "{seed}"
        );
        let (verdict, _) = Trial::new(seed, [0.02, 0.02]).run(0.05, 20_000);
        assert_eq!(verdict, Verdict::NoDifference, "{seed}");
    }
}

#[test]
fn a_difference_that_is_real_and_too_small_is_not_worth_having() {
    let (mut one, mut other) = (Evidence::new(ALPHA, 2), Evidence::new(ALPHA, 2));
    // No variance, so that the intervals narrow quickly.
    for _ in 0..20_000 {
        one.sequence.add(0.5);
        other.sequence.add(0.504);
    }
    let pair = [Some(&one), Some(&other)];
    assert!(other.sequence.minus(&one.sequence).low > 0.0);
    assert_eq!(verdict(&pair, 0.01), Verdict::NoDifference);
    assert_eq!(verdict(&pair, 0.001), Verdict::Better(1));
}

#[test]
fn a_beaten_variant_no_longer_delays_a_verdict() {
    let mut three: Vec<Evidence> = (0..4).map(|_| Evidence::new(ALPHA, 3)).collect();
    for (evidence, reward) in three.iter_mut().zip([0.1, 0.5, 0.501, 0.5]) {
        (0..20_000).for_each(|_| evidence.sequence.add(reward));
    }
    let of = |places: &[usize]| {
        places
            .iter()
            .map(|place| Some(&three[*place]))
            .collect::<Vec<_>>()
    };
    assert_eq!(verdict(&of(&[0, 1, 2]), 0.05), Verdict::NoDifference);
    assert_eq!(verdict(&of(&[0, 1]), 0.05), Verdict::Better(1));
    let one_is_out = [Some(&three[0]), None, Some(&three[2])];
    assert_eq!(verdict(&one_is_out, 0.05), Verdict::Better(2));
    assert_eq!(verdict(&of(&[0]), 0.05), Verdict::KeepGoing);
    assert_eq!(
        verdict(&[Some(&three[1]), Some(&Evidence::new(ALPHA, 3))], 0.05),
        Verdict::KeepGoing
    );
}

#[test]
fn a_mean_that_moves_is_reported_and_decides_nothing() {
    let mut trial = Trial::new(1, [0.1, 0.9]);
    assert_eq!(trial.run(WORTH, 20_000).0, Verdict::Better(1));
    trial.rates = [0.9, 0.1];
    (0..20_000).for_each(|_| trial.answer());
    assert!(
        trial
            .evidence
            .iter()
            .all(|evidence| evidence.sequence.drifts())
    );
    assert_eq!(trial.verdict(WORTH), Verdict::KeepGoing);
    let Interval { low, high } = trial.evidence[0].sequence.interval();
    assert!(low <= high);
}

#[test]
fn weights_follow_the_rewards() {
    let mut trial = Trial::new(3, [0.1, 0.3]);
    let next = |trial: &Trial, seed| {
        next_weights(
            &[&trial.evidence[0], &trial.evidence[1]],
            Bounds::default(),
            seed,
        )
    };
    let at_first = next(&trial, 1);
    assert!((40.0..60.0).contains(&at_first[0]), "{at_first:?}");
    (0..60).for_each(|_| trial.answer());
    let soon = next(&trial, 1);
    (0..2000).for_each(|_| trial.answer());
    let at_last = next(&trial, 1);
    assert!(
        at_first[1] < soon[1] && soon[1] <= at_last[1],
        "{at_first:?} {soon:?} {at_last:?}"
    );
    assert_eq!(at_last, [5.0, 95.0]);
    assert_eq!(next(&trial, 7), next(&trial, 7));
}

#[test]
fn draws_have_the_mean_and_the_spread_of_their_distribution() {
    let mut draws = Draws::new(1);
    for (one, other) in [(1.0, 1.0), (3.0, 9.0), (120.0, 40.0)] {
        let drawn: Vec<f64> = (0..40_000).map(|_| draws.beta(one, other)).collect();
        let mean = drawn.iter().sum::<f64>() / 40_000.0;
        let variance = drawn
            .iter()
            .map(|drawn| (drawn - mean).powi(2))
            .sum::<f64>()
            / 40_000.0;
        let (all, expected) = (one + other, one / (one + other));
        let spread = one * other / (all * all * (all + 1.0));
        assert!(
            (mean - expected).abs() < 4.0 * (spread / 40_000.0).sqrt(),
            "{one} {other}: {mean}"
        );
        assert!(
            (variance / spread - 1.0).abs() < 0.04,
            "{one} {other}: {variance}"
        );
    }
}

proptest! {
    #[test]
    fn an_interval_never_grows_and_stays_within_0_and_1(
        rewards in prop::collection::vec(0.0..=1.0_f64, 1..300),
        alpha in 0.001..0.5_f64,
    ) {
        let mut sequence = Sequence::new(alpha, 2);
        let mut before = sequence.interval();
        for reward in &rewards {
            sequence.add(*reward);
            let now = sequence.interval();
            prop_assert!(0.0 <= now.low && now.low <= now.high && now.high <= 1.0, "{:?}", now);
            if !sequence.drifts() {
                prop_assert!(before.low <= now.low && now.high <= before.high, "{:?} {:?}", before, now);
            }
            before = now;
        }
        prop_assert_eq!(sequence.count(), rewards.len() as u64);
        let mean = rewards.iter().sum::<f64>() / rewards.len() as f64;
        prop_assert!((sequence.mean().unwrap() - mean).abs() < 1e-9);
    }

    #[test]
    fn what_is_written_down_goes_on_as_it_was(
        rewards in prop::collection::vec(0.0..=1.0_f64, 0..50),
        next in 0.0..=1.0_f64,
    ) {
        let mut evidence = Evidence::new(ALPHA, 2);
        rewards.iter().for_each(|reward| evidence.sequence.add(*reward));
        let written = serde_json::to_string(&evidence).unwrap();
        let mut back: Evidence = serde_json::from_str(&written).unwrap();
        back.sequence.add(next);
        evidence.sequence.add(next);
        prop_assert_eq!(back, evidence);
    }

    #[test]
    fn weights_are_whole_tenths_within_their_bounds(
        earned in prop::collection::vec((0_u32..400, 0.0..=1.0_f64), 2..8),
        least in 0_u32..13,
        most in 50_u32..=100,
        seed: u64,
    ) {
        let bounds = Bounds { least: least.into(), most: most.into() };
        prop_assert!(bounds.fit(earned.len()));
        let evidence: Vec<Evidence> = earned.iter().map(|(count, reward)| {
            let mut evidence = Evidence::new(ALPHA, earned.len());
            (0..*count).for_each(|_| evidence.sequence.add(*reward));
            evidence
        }).collect();
        let weights = next_weights(&evidence.iter().collect::<Vec<_>>(), bounds, seed);
        for weight in &weights {
            prop_assert!(bounds.least <= *weight && *weight <= bounds.most, "{:?}", weights);
            prop_assert!((weight * 10.0 - (weight * 10.0).round()).abs() < 1e-9, "{:?}", weights);
        }
        let tenths: f64 = weights.iter().map(|weight| (weight * 10.0).round()).sum();
        prop_assert!((tenths - f64::from(TENTHS)).abs() < 1e-9, "{:?}", weights);
    }
}
