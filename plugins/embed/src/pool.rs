//! From the embeddings of one text's tokens to one row.
//!
//! A token counts if its place in the mask is not 0. A NaN among the tokens that count shows in the
//! row, whatever the pooling; among the others it is nothing. Bound: one pass over the tokens.

use hotstage_sdk::Element;

use crate::Pooling;

/// Fills the row, which may be narrower than the embeddings. Says whether the mask names a token;
/// without a mask, all count.
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
                // A NaN once is a NaN for good: `f64::max` would pass over it.
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

/// Divides a row by its length. A row of zeros has no direction, and stays what it is.
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
