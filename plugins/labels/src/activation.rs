//! Converts logits to probabilities, in place.
//!
//! Default: the scores are already probabilities and stay unchanged. Each function avoids overflow
//! of its exponentials for any logits.

use schemars::JsonSchema;
use serde::Deserialize;

/// The function that converts scores to probabilities.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Activation {
    /// None: the scores are used unchanged.
    #[default]
    None,
    /// exp(x) over the sum of the row: probabilities of mutually exclusive labels.
    Softmax,
    /// 1 / (1 + exp(-x)), also known as logistic: the probability of each label by itself.
    #[serde(alias = "logistic")]
    Sigmoid,
}

impl Activation {
    /// Converts a table with this many columns, which must not contain a NaN. The error is the
    /// index of a row without probabilities: its largest score is infinite.
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

/// Uses the exponential of a negative number only, which keeps the digits of small probabilities.
fn sigmoid(element: f32) -> f32 {
    let small = (-element.abs()).exp();
    if element < 0.0 {
        small / (1.0 + small)
    } else {
        1.0 / (1.0 + small)
    }
}

/// Relative to the largest element. Summed in `f64`, as there may be thousands. False if the
/// largest element is not finite.
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

#[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
const fn round(value: f64) -> f32 {
    value as f32
}
