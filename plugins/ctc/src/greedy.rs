//! Greedy CTC decoding: the best class at each position, repetitions once, blanks removed.
//!
//! Bound: a text has at most one symbol per position.

use crate::alphabet::Alphabet;

/// The best class at a position, and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Symbol {
    pub(crate) class: usize,
    pub(crate) score: f32,
}

/// The first of the largest scores; `None` if all are NaN.
pub(crate) fn best(scores: &[f32]) -> Option<Symbol> {
    let numbers = scores
        .iter()
        .enumerate()
        .filter(|(_, score)| !score.is_nan());
    let symbols = numbers.map(|(class, &score)| Symbol { class, score });
    symbols.reduce(|best, symbol| {
        if best.score < symbol.score {
            symbol
        } else {
            best
        }
    })
}

/// The text of a row, and the mean score of its symbols; 0 for an empty text.
pub(crate) fn read(row: &[Symbol], alphabet: &Alphabet) -> (String, f32) {
    let (mut text, mut sum, mut count) = (String::new(), 0.0, 0_u32);
    let mut before = None;
    for Symbol { class, score } in row {
        if *class != alphabet.blank() && before != Some(*class) {
            text += alphabet.symbol(*class);
            sum += f64::from(*score);
            count += 1;
        }
        before = Some(*class);
    }
    (
        text,
        if count == 0 {
            0.0
        } else {
            single(sum / f64::from(count))
        },
    )
}

#[expect(clippy::cast_possible_truncation, reason = "rounded once")]
const fn single(mean: f64) -> f32 {
    mean as f32
}
