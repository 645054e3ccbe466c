//! What follows from the intervals: go on, one is better, or no difference is worth having.
//!
//! As the intervals hold at every moment at once, so does what follows from them: a verdict may be
//! acted on when it is first seen.

use super::Evidence;

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough is known.
    KeepGoing,
    /// This variant, by its place, earns more than each other one.
    Better(usize),
    /// Whoever may still be the best earns the same, as far as the smallest difference worth having
    /// goes.
    NoDifference,
}

/// What can be said of variants. One without evidence to come, such as one that gets no requests,
/// is `None`.
pub fn verdict(variants: &[Option<&Evidence>], worth: f64) -> Verdict {
    let known: Vec<(usize, &Evidence)> = variants
        .iter()
        .enumerate()
        .filter_map(|(place, evidence)| Some((place, (*evidence)?)))
        .collect();
    // Of a mean that moves, an interval says little, and a comparison nothing.
    if known.len() < 2 || known.iter().any(|(_, evidence)| evidence.sequence.drifts()) {
        return Verdict::KeepGoing;
    }
    // Who surely earns less by what can't be worth having may as well stay.
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

/// Whether none of these can earn more than another by more than what is worth having.
fn is_close(known: &[(usize, &Evidence)], worth: f64) -> bool {
    known.iter().all(|(_, one)| {
        known.iter().all(|(_, other)| {
            std::ptr::eq(*one, *other) || one.sequence.minus(&other.sequence).high <= worth
        })
    })
}
