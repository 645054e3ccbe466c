//! The numeric steps before a number enters the matrix.
//!
//! Default: none. Fixed order, whatever the order of the settings: clip, logarithm, standardise;
//! computed in `f64` and rounded once to `f32`, as in the training framework. Bound: the result is
//! finite, or the number is refused.

use crate::settings::{Clip, Log, Standardise};

/// The steps of a column.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steps {
    clip: Option<Clip>,
    log: Option<Log>,
    standardise: Option<Standardise>,
}

impl Steps {
    pub(super) fn new(
        clip: Option<Clip>,
        log: Option<Log>,
        standardise: Option<Standardise>,
    ) -> Result<Self, String> {
        match clip {
            Some(Clip {
                min: None,
                max: None,
            }) => {
                return Err(".clip: is empty; give it min, max or both".to_owned());
            }
            Some(Clip {
                min: Some(min),
                max: Some(max),
            }) if max < min => {
                return Err(format!(
                    ".clip: has the min {min} and the max {max}; the max must not be less"
                ));
            }
            _ => {}
        }
        if let Some(Standardise { std, .. }) = standardise
            && std <= 0.0
        {
            return Err(format!(
                ".standardise.std: is {std}; it must be more than 0"
            ));
        }
        Ok(Self {
            clip,
            log,
            standardise,
        })
    }

    pub(super) fn only_standardise(self) -> Result<(), String> {
        match self {
            Self { clip: Some(_), .. } => Err(".clip: is for a number; remove it".to_owned()),
            Self { log: Some(_), .. } => Err(".log: is for a number; remove it".to_owned()),
            _ => Ok(()),
        }
    }

    /// The results for 0 and 1.
    pub(super) fn of_both(self) -> Result<[f32; 2], String> {
        let wrong = |wrong| format!(".standardise: 0 or 1 {wrong}");
        Ok([
            self.apply(0.0).map_err(wrong)?,
            self.apply(1.0).map_err(wrong)?,
        ])
    }

    pub(super) fn apply(self, number: f64) -> Result<f32, String> {
        let Self {
            clip,
            log,
            standardise,
        } = self;
        let mut result = number;
        if let Some(Clip { min, max }) = clip {
            result = result
                .max(min.unwrap_or(f64::NEG_INFINITY))
                .min(max.unwrap_or(f64::INFINITY));
        }
        result = match log {
            Some(Log::Log) if result <= 0.0 => {
                return Err(format!(
                    "is {number:?}; a number above 0 is needed, for its logarithm"
                ));
            }
            Some(Log::Log1p) if result <= -1.0 => {
                return Err(format!(
                    "is {number:?}; a number above -1 is needed, for the logarithm of it plus 1"
                ));
            }
            Some(Log::Log) => result.ln(),
            Some(Log::Log1p) => result.ln_1p(),
            None => result,
        };
        if let Some(Standardise { mean, std }) = standardise {
            result = (result - mean) / std;
        }
        let rounded = round(result);
        if rounded.is_finite() {
            return Ok(rounded);
        }
        Err(format!(
            "is {number:?}, which becomes {result:?}; numbers up to {:?} are possible",
            f32::MAX
        ))
    }
}

/// The nearest `f32`.
#[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
const fn round(value: f64) -> f32 {
    value as f32
}
