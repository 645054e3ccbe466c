//! Bounds that are valid however often they are read: of a share, of a p99, of a mean.
//!
//! A guard is judged ten times a second. An interval for one sample size is wrong more often each
//! time it is read; the chance that a bound here is *ever* wrong is at most α, however often and
//! whenever it is read.
//!
//! **Shares.** A bet on the share against a limit m multiplies its stake by θ ⁄ m for each hit and
//! (1 − θ) ⁄ (1 − m) for each miss. For any θ above m that is a supermartingale while the share is
//! m or less, for numbers between 0 and 1 as well as for hits and misses, so it ever reaches 1 ⁄ α
//! with a chance of at most α (Ville 1939). It is the betting of `experiment/sequence.rs` with
//! constant bets: the samples between two readings have no order, and the product of constant bets
//! needs none. [`BETS`] of them are averaged (the method of mixtures: Robbins 1970; Howard, Ramdas,
//! McAuliffe & Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of
//! Statistics 2021), so that a small excess is found, and a large one soon.
//!
//! **Quantiles.** The p99 is the value that one request of a hundred exceeds. A value is ruled out
//! when the share that exceeds it is proven to be another (Howard & Ramdas, "Sequential estimation
//! of quantiles with applications to A/B testing and best-arm identification", Bernoulli 2022): the
//! true one is ever ruled out with a chance of at most α, so no correction for the many values is
//! needed. As in the rest of the server, durations are assumed to be spread evenly within each
//! bucket.
//!
//! **Means.** A stage's metric has no bounds, so its mean has an asymptotic confidence sequence,
//! from the minimum sample on (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, "Time-uniform central
//! limit theory and asymptotic confidence sequences", Annals of Statistics 2024): its chance of
//! being wrong approaches α as that sample grows.

use super::counts::{Buckets, Values, slower, total, value_above};

/// Constant bets that are averaged.
const BETS: usize = 16;
/// How far the odds of each bet lie from those of the limit, as a logarithm: from a tenth more to
/// three thousand times.
const REACHES: [f64; BETS] = [
    0.1, 0.134, 0.179, 0.24, 0.321, 0.43, 0.576, 0.772, 1.03, 1.38, 1.85, 2.48, 3.32, 4.45, 5.97,
    8.0,
];
/// Halvings until a bound is precise enough to be shown.
const HALVINGS: u32 = 40;
/// Of a hundred requests, one takes longer than the p99.
const BEYOND_P99: f64 = 0.01;

/// The side of the share on which the true value is suspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Above,
    Below,
}

/// The winnings of the bets on one side from a stake of 1, as a logarithm.
fn winnings(share: f64, hits: f64, of: f64, side: Side) -> f64 {
    let odds = share / (1.0 - share);
    let mut most = f64::NEG_INFINITY;
    let won = REACHES.map(|reach| {
        let reach = if side == Side::Above { reach } else { -reach };
        let won = hits * reach + of * (libm::log1p(odds) - libm::log1p(odds * libm::exp(reach)));
        most = most.max(won);
        won
    });
    let sum: f64 = won.iter().map(|won| libm::exp(won - most)).sum();
    most + libm::log(sum / BETS as f64)
}

fn is_proven(share: f64, hits: f64, of: f64, side: Side, alpha: f64) -> bool {
    match side {
        Side::Above if hits <= share * of => false,
        // A hit is impossible where the share is 0, a miss where it is 1.
        Side::Above if share <= 0.0 => true,
        Side::Below if hits >= share * of => false,
        Side::Below if share >= 1.0 => true,
        _ => winnings(share, hits, of, side) >= -libm::log(alpha),
    }
}

/// Whether so many hits prove that the true share is greater than `share`.
pub(super) fn is_above(share: f64, hits: f64, of: f64, alpha: f64) -> bool {
    is_proven(share, hits, of, Side::Above, alpha)
}

/// The bounds of a share; the chance that each is ever wrong is at most α.
pub(super) fn of_share(hits: f64, of: f64, alpha: f64) -> (f64, f64) {
    if of <= 0.0 {
        return (0.0, 1.0);
    }
    let seen = (hits / of).clamp(0.0, 1.0);
    let low = last(0.0, seen, |share| {
        is_proven(share, hits, of, Side::Above, alpha)
    });
    let high = last(1.0, seen, |share| {
        is_proven(share, hits, of, Side::Below, alpha)
    });
    (low, high)
}

/// The last number between `start` and `end` for which `holds` is true, if there is one. It is
/// false for `end`.
fn last(start: f64, end: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut inside, mut outside) = (start, end);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(inside, outside);
        if holds(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    inside
}

/// Whether the p99 is proven to be greater than `limit_ms` milliseconds.
pub(super) fn is_p99_above(limit_ms: f64, durations: &Buckets, alpha: f64) -> bool {
    is_above(
        BEYOND_P99,
        slower(durations, limit_ms),
        total(durations),
        alpha,
    )
}

/// The bounds of the p99 in milliseconds; without an upper bound when there are too few samples.
pub(super) fn of_p99(durations: &Buckets, alpha: f64) -> (f64, Option<f64>) {
    let of = total(durations);
    let expected = BEYOND_P99 * of;
    let proves = |side| move |hits: f64| is_proven(BEYOND_P99, hits, of, side, alpha);
    let low = if proves(Side::Above)(of) {
        value_above(durations, last(of, expected, proves(Side::Above))).unwrap_or_default()
    } else {
        0.0
    };
    let high = proves(Side::Below)(0.0).then(|| last(0.0, expected, proves(Side::Below)));
    (low, high.and_then(|hits| value_above(durations, hits)))
}

/// Whether the ratio of two p99 is proven to be greater than the limit: each may be wrong half as
/// often.
pub(super) fn is_p99_ratio_above(limit: f64, [one, other]: [&Buckets; 2], alpha: f64) -> bool {
    let high = of_p99(other, alpha / 2.0).1;
    high.is_some_and(|high| is_p99_above(limit * high, one, alpha / 2.0))
}

/// The bounds of the ratio of two p99.
pub(super) fn of_p99_ratio([one, other]: [&Buckets; 2], alpha: f64) -> (f64, Option<f64>) {
    let ((low, high), (other_low, other_high)) =
        (of_p99(one, alpha / 2.0), of_p99(other, alpha / 2.0));
    let low = other_high
        .filter(|other| *other > 0.0)
        .map_or(0.0, |other| low / other);
    (
        low,
        high.filter(|_| other_low > 0.0)
            .map(|high| high / other_low),
    )
}

/// The bounds of a mean; they are narrowest at about `tuned` values.
pub(super) fn of_mean(values: &Values, tuned: u64, alpha: f64) -> Option<(f64, f64)> {
    if values.count < 2 {
        return None;
    }
    let (count, tuned) = (values.count as f64, tuned.max(1) as f64);
    let mean = values.sum / count;
    let variance = ((values.squares - values.sum * mean) / (count - 1.0)).max(0.0);
    let narrow = -2.0 * libm::log(2.0 * alpha);
    let tuning = (narrow + libm::log(narrow + 1.0)) / tuned;
    let scaled = count * tuning + 1.0;
    let reach =
        2.0 * scaled / (count * count * tuning) * libm::log1p(scaled.sqrt() / (2.0 * alpha));
    let half = (variance * reach).sqrt();
    Some((mean - half, mean + half))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::counts::BUCKETS;
    use super::*;
    use crate::experiment::Draws;

    /// How many of `sequences` sequences with this share are ever found beyond the limit, when
    /// checked after each request.
    fn found(share: f64, limit: f64, alpha: f64, sequences: u64, length: u32) -> (u64, f64) {
        let (mut found, mut after) = (0, 0.0);
        for seed in 0..sequences {
            let (mut draws, mut hits) = (Draws::new(seed), 0.0);
            let first = (1..=length).find(|of| {
                hits += f64::from(u8::from(draws.unit() < share));
                is_above(limit, hits, f64::from(*of), alpha)
            });
            if let Some(first) = first {
                (found, after) = (found + 1, after + f64::from(first));
            }
        }
        (found, after / found.max(1) as f64)
    }

    #[test]
    fn a_share_at_its_limit_is_hardly_ever_found_beyond_it() {
        for limit in [0.01, 0.1, 0.5] {
            let (alarms, _) = found(limit, limit, 0.05, 400, 1500);
            assert!(alarms <= 20, "{alarms} of 400 at {limit}");
        }
    }

    #[test]
    fn a_share_beyond_its_limit_is_found() {
        for (share, limit, at_most) in [(1.0, 0.01, 3.0), (0.1, 0.01, 80.0), (0.02, 0.01, 2500.0)] {
            let (found, after) = found(share, limit, 0.05, 60, 10_000);
            assert!(
                found == 60 && after < at_most,
                "{share}: {found} of 60, after {after}"
            );
        }
    }

    #[test]
    fn a_limit_of_nothing_is_broken_by_one() {
        assert!(is_above(0.0, 1.0, 500.0, 1e-9) && !is_above(0.0, 0.0, 500.0, 0.5));
    }

    proptest! {
        #[test]
        fn the_bounds_are_where_the_proof_ends(
            of in 1_u32..5000,
            part in 0.0_f64..=1.0,
            alpha in 1e-6_f64..0.4,
        ) {
            let of = f64::from(of);
            let hits = (of * part).round();
            let (low, high) = of_share(hits, of, alpha);
            prop_assert!(0.0 <= low && low <= hits / of && hits / of <= high && high <= 1.0);
            prop_assert!(low <= 0.0 || is_above(low * 0.999, hits, of, alpha));
            prop_assert!(!is_above(low + 1e-6, hits, of, alpha));
            prop_assert!(high >= 1.0 || !is_proven(high - 1e-6, hits, of, Side::Below, alpha));
        }

        #[test]
        fn more_evidence_is_never_a_wider_bound(of in 10_u32..500, part in 0.0_f64..=1.0) {
            let of = f64::from(of);
            let width = |times: f64| {
                let (low, high) = of_share(of * part * times, of * times, 0.01);
                high - low
            };
            prop_assert!(width(4.0) <= width(1.0) + 1e-9);
        }
    }

    /// Durations of an exponential distribution with this mean.
    fn durations(draws: &mut Draws, mean_us: f64, many: usize, into: &mut Buckets) {
        for _ in 0..many {
            let microseconds = -libm::log(draws.unit()) * mean_us;
            let bucket = (0..BUCKETS - 1).find(|bucket| microseconds < (1_u64 << bucket) as f64);
            into[bucket.unwrap_or(BUCKETS - 1)] += 1;
        }
    }

    #[test]
    fn equal_p99_are_hardly_ever_found_apart_and_far_ones_soon() {
        let (mut alarms, mut found) = (0, 0);
        for seed in 0..100 {
            let mut draws = Draws::new(seed);
            let mut sides = [
                [Buckets::default(), Buckets::default()],
                [Buckets::default(), Buckets::default()],
            ];
            let mut apart = [false, false];
            for _ in 0..200 {
                for (one, slower) in sides.iter_mut().zip([1.0, 5.0]) {
                    durations(&mut draws, 1000.0 * slower, 10, &mut one[0]);
                    durations(&mut draws, 1000.0, 40, &mut one[1]);
                }
                for (apart, [one, other]) in apart.iter_mut().zip(&sides) {
                    *apart |= is_p99_ratio_above(1.0 + f64::EPSILON, [one, other], 0.05);
                }
            }
            (alarms, found) = (alarms + u32::from(apart[0]), found + u32::from(apart[1]));
            for [one, other] in &sides {
                let (low, high) = of_p99_ratio([one, other], 0.05);
                assert!(high.is_none_or(|high| low <= high), "{low} {high:?}");
            }
        }
        assert!(
            alarms <= 5 && found == 100,
            "{alarms} alarms, {found} found"
        );
    }

    #[test]
    fn a_p99_lies_within_its_bounds() {
        let (mut draws, mut seen) = (Draws::new(7), Buckets::default());
        assert_eq!(of_p99(&seen, 0.05), (0.0, None));
        durations(&mut draws, 1000.0, 100, &mut seen);
        assert_eq!(
            of_p99(&seen, 0.05).1,
            None,
            "a hundred requests do not bound the slowest ones"
        );
        durations(&mut draws, 1000.0, 50_000, &mut seen);
        let (low, high) = of_p99(&seen, 0.05);
        // One of a hundred is 4.605 times the mean; evenly spread from 4.096 to 8.192 ms it is a
        // little more.
        let (below, within) = (libm::exp(-4.096), libm::exp(-4.096) - libm::exp(-8.192));
        let p99 = 4.096 * (1.0 + (below - 0.01) / within);
        assert!(
            low < p99 && high.unwrap() > p99 && high.unwrap() - low < 1.0,
            "{low} {p99} {high:?}"
        );
        assert!(is_p99_above(low * 0.99, &seen, 0.05) && !is_p99_above(low * 1.01, &seen, 0.05));
    }

    #[test]
    fn a_mean_is_hardly_ever_left_out() {
        let mut wrong = 0;
        for seed in 0..400 {
            let (mut draws, mut values) = (Draws::new(seed), Values::default());
            let left = (0..1500).any(|round| {
                values.add(-libm::log(draws.unit()));
                round >= 100
                    && of_mean(&values, 100, 0.025)
                        .is_some_and(|(low, high)| low > 1.0 || high < 1.0)
            });
            wrong += u32::from(left);
        }
        assert!(wrong <= 20, "{wrong} of 400");
        let constant = Values {
            count: 100,
            sum: 50.0,
            squares: 25.0,
        };
        assert_eq!(of_mean(&constant, 100, 0.05), Some((0.5, 0.5)));
    }
}
