//! The conclusion from the intervals: keep going, one variant is better, or no difference matters.
//!
//! The intervals are valid at all times at once, and so is the verdict: it may be acted on when it
//! is first seen.

use super::Evidence;

/// The conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The evidence is not sufficient yet.
    KeepGoing,
    /// The variant with this index earns more than every other one.
    Better(usize),
    /// Among the variants that may still be the best, no difference is larger than the smallest one
    /// that matters.
    NoDifference,
}

/// The verdict for the variants. `None` stands for a variant without evidence to come, such as one
/// that gets no requests.
pub fn verdict(variants: &[Option<&Evidence>], worth: f64) -> Verdict {
    let known: Vec<(usize, &Evidence)> = variants
        .iter()
        .enumerate()
        .filter_map(|(place, evidence)| Some((place, (*evidence)?)))
        .collect();
    // When a mean moves, its interval says little, and a comparison says nothing.
    if known.len() < 2 || known.iter().any(|(_, evidence)| evidence.sequence.drifts()) {
        return Verdict::KeepGoing;
    }
    // A variant that surely earns less, but by less than what matters, stays in.
    let is_out = |one: &Evidence| {
        known.iter().any(|(_, other)| {
            let more = other.sequence.minus(&one.sequence);
            more.low > 0.0 && more.high > worth
        })
    };
    let left: Vec<(usize, &Evidence)> = known
        .iter()
        .filter(|(_, evidence)| !is_out(evidence))
        .copied()
        .collect();
    match left[..] {
        [(place, _)] => Verdict::Better(place),
        [_, _, ..] if is_close(&left, worth) => Verdict::NoDifference,
        _ => Verdict::KeepGoing,
    }
}

/// Whether no variant can earn more than another by more than what matters.
fn is_close(known: &[(usize, &Evidence)], worth: f64) -> bool {
    known.iter().all(|(_, one)| {
        known.iter().all(|(_, other)| {
            std::ptr::eq(*one, *other) || one.sequence.minus(&other.sequence).high <= worth
        })
    })
}
