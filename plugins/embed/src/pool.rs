//! Pools the embeddings of one text's tokens into one row.
//!
//! A token counts if its mask is not 0. A NaN among the counted tokens makes the row NaN, with any
//! pooling; other tokens have no effect. Bound: one pass over the tokens.

use hotstage_sdk::Element;

use crate::Pooling;

/// Fills the row, which may be narrower than the embeddings. Returns whether the mask selects a
/// token; without a mask, all count.
pub(crate) fn pool<T: Element + Into<f64>>(
    pooling: Pooling,
    embeddings: &[T],
    width: usize,
    mask: Option<&[i64]>,
    row: &mut [f64],
) -> bool {
    let counts = |token: usize| mask.is_none_or(|mask| mask[token] != 0);
    let mut tokens = embeddings
        .chunks_exact(width)
        .enumerate()
        .filter(|(token, _)| counts(*token))
        .map(|(_, token)| token);
    match pooling {
        Pooling::Cls | Pooling::None => tokens.next().is_some_and(|token| copy(token, row)),
        Pooling::Last => tokens.last().is_some_and(|token| copy(token, row)),
        Pooling::Max => {
            if !tokens.next().is_some_and(|token| copy(token, row)) {
                return false;
            }
            for token in tokens {
                // Keeps a NaN, which `f64::max` would ignore.
                each(token, row, |most, number| {
                    if most.is_nan() || number <= *most {
                        *most
                    } else {
                        number
                    }
                });
            }
            true
        }
        Pooling::Mean => {
            row.fill(0.0);
            let mut count = 0.0;
            for token in tokens {
                each(token, row, |sum, number| *sum + number);
                count += 1.0;
            }
            row.iter_mut().for_each(|sum| *sum /= count);
            0.0 < count
        }
    }
}

/// Normalises a row to length 1. A row of zeros stays unchanged.
pub(crate) fn normalise(row: &mut [f64]) {
    let length = row.iter().map(|number| number * number).sum::<f64>().sqrt();
    if 0.0 < length {
        row.iter_mut().for_each(|number| *number /= length);
    }
}

fn copy<T: Element + Into<f64>>(token: &[T], row: &mut [f64]) -> bool {
    each(token, row, |_, number| number);
    true
}

fn each<T: Element + Into<f64>>(token: &[T], row: &mut [f64], change: impl Fn(&f64, f64) -> f64) {
    row.iter_mut()
        .zip(token)
        .for_each(|(place, number)| *place = change(place, (*number).into()));
}
