//! The next weights of an adaptive experiment: each variant gets requests in proportion to the
//! probability that it is the best.
//!
//! Thompson sampling (Thompson, "On the likelihood that one unknown probability exceeds another in
//! view of the evidence of two samples", Biometrika 1933): draw what each variant earns from what
//! is known of it, and send the request to the highest draw. What is known is a beta distribution;
//! rewards between 0 and 1 count as parts of a success (after Agrawal & Goyal, "Analysis of
//! Thompson sampling for the multi-armed bandit problem", 2012). Sending requests by the share of
//! draws that a variant wins is equivalent to drawing for each request, and shares can be recorded:
//! so every server with the route sends alike, and a move is a revision.
//!
//! Bounds: the plan's; shares are whole tenths of a percent; [`DRAWS`] draws for each decision.

use super::{Bounds, Draws, Evidence};

/// Draws from which shares are computed.
const DRAWS: u32 = 4096;
/// Tenths of a percent in the whole.
pub const TENTHS: u32 = 1000;
/// The rounding error allowed when floats become whole tenths.
const ROUNDING: f64 = 1e-6;
/// More than 0, so that a variant that never won can still be raised to its lower bound.
const WINS_MIN: f64 = 1e-6;

/// The weights of these variants, in percent. The bounds must [`fit`](Bounds::fit) their number.
pub fn next_weights(variants: &[&Evidence], bounds: Bounds, seed: u64) -> Vec<f64> {
    let mut draws = Draws::new(seed);
    let mut wins = vec![WINS_MIN; variants.len()];
    for _ in 0..DRAWS {
        let mut best = (0, f64::NEG_INFINITY);
        for (place, evidence) in variants.iter().enumerate() {
            let (count, sum) = (evidence.sequence.count() as f64, evidence.sequence.sum());
            let drawn = draws.beta(1.0 + sum, 1.0 + (count - sum).max(0.0));
            if drawn > best.1 {
                best = (place, drawn);
            }
        }
        if let Some(wins) = wins.get_mut(best.0) {
            *wins += 1.0;
        }
    }
    in_tenths(&bounded(&wins, bounds), bounds)
}

/// Shares in percent, in proportion to `wins` within the bounds.
fn bounded(wins: &[f64], bounds: Bounds) -> Vec<f64> {
    let shares = |factor: f64| {
        wins.iter()
            .map(move |wins| (wins * factor).clamp(bounds.least, bounds.most))
    };
    let (mut low, mut high) = (0.0, 100.0 / WINS_MIN);
    // The sum grows with the factor. Each step halves the interval, and a float has fewer than 200
    // halvings.
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if shares(middle).sum::<f64>() < 100.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    shares(high).collect()
}

/// The shares in whole tenths, which sum to a hundred percent: what rounding removed goes to the
/// variants that lost most by it.
fn in_tenths(shares: &[f64], bounds: Bounds) -> Vec<f64> {
    let per_percent = f64::from(TENTHS) / 100.0;
    let mut tenths: Vec<f64> = shares
        .iter()
        .map(|share| (share * per_percent + ROUNDING).floor())
        .collect();
    let mut by_loss: Vec<usize> = (0..shares.len()).collect();
    let lost = |place: &usize| shares[*place] * per_percent - tenths[*place];
    by_loss.sort_by(|one, other| lost(other).total_cmp(&lost(one)));
    let mut left = f64::from(TENTHS) - tenths.iter().sum::<f64>();
    for place in by_loss {
        if left >= 1.0 && tenths[place] + 1.0 <= bounds.most * per_percent {
            tenths[place] += 1.0;
            left -= 1.0;
        }
    }
    tenths
        .into_iter()
        .map(|tenths| tenths / per_percent)
        .collect()
}
