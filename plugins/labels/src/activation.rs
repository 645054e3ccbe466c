//! From logits to probabilities, in place.
//!
//! Default: the scores are probabilities already, and stay as they are. Each function is written so
//! that no exponential overflows, whatever the logits.

use schemars::JsonSchema;
use serde::Deserialize;

/// What makes probabilities of the scores.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Activation {
    /// The scores are what they should be.
    #[default]
    None,
    /// exp(x) over the sum of the row's: probabilities of labels that exclude each other.
    Softmax,
    /// 1 / (1 + exp(-x)), also known as logistic: each label's probability by itself.
    #[serde(alias = "logistic")]
    Sigmoid,
}

impl Activation {
    /// Changes a table of so many columns, which must not hold a NaN. The error is the number of a
    /// row that has no probabilities: its largest score is infinite.
    pub(crate) fn apply(self, columns: usize, elements: &mut [f32]) -> Result<(), usize> {
        match self {
            Self::None => Ok(()),
            Self::Sigmoid => {
                elements
                    .iter_mut()
                    .for_each(|element| *element = sigmoid(*element));
                Ok(())
            }
            Self::Softmax => {
                let mut rows = elements.chunks_exact_mut(columns);
                rows.position(|row| !softmax(row)).map_or(Ok(()), Err)
            }
        }
    }
}

/// With the exponential of a negative number only, which keeps the digits of small probabilities.
fn sigmoid(element: f32) -> f32 {
    let small = (-element.abs()).exp();
    if element < 0.0 {
        small / (1.0 + small)
    } else {
        1.0 / (1.0 + small)
    }
}

/// Relative to the largest element. Summed in `f64`, as there may be thousands. False if there is
/// no largest.
fn softmax(row: &mut [f32]) -> bool {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !largest.is_finite() {
        return false;
    }
    row.iter_mut()
        .for_each(|element| *element = (*element - largest).exp());
    let sum: f64 = row.iter().copied().map(f64::from).sum();
    row.iter_mut()
        .for_each(|element| *element = round(f64::from(*element) / sum));
    true
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is what this is for"
)]
const fn round(value: f64) -> f32 {
    value as f32
}
