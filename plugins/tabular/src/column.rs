//! From one value of a row to its numbers in the matrix.
//!
//! A number goes through its steps in one order, whatever the order of the settings: impute, clip,
//! logarithm, standardise. All of it in `f64`, rounded once to `f32`, as the training framework
//! computes. What can be computed beforehand is: an imputed value, the numbers of categories and of
//! booleans. Every number that comes out is finite.

use hotstage_sdk::Datatype;

use crate::categories::{Categories, Place};
use crate::cell::{Cell, MissingTexts};
use crate::scalar::Scalar;
use crate::settings::{
    Clip, ColumnSettings, DropFirst, Kind, Log, OneHot, Ordinal, Standardise, Unknown,
};

/// A listed column: how its values are read, and what they become.
#[derive(Debug)]
pub(crate) enum Column {
    Number {
        steps: Steps,
        imputed: Option<f32>,
    },
    Boolean {
        numbers: [f32; 2],
        imputed: Option<f32>,
    },
    Indicator {
        numbers: [f32; 2],
    },
    OneHot {
        categories: Categories,
        dropped: usize,
        unknown: Unknown,
        imputed: Option<usize>,
    },
    Ordinal {
        categories: Categories,
        numbers: Vec<f32>,
        unknown: Option<f32>,
        missing: Option<f32>,
    },
}

/// What happens to a number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steps {
    clip: Option<Clip>,
    log: Option<Log>,
    standardise: Option<Standardise>,
}

impl Column {
    /// The error is what follows the column's key: `.clip: …`.
    pub(crate) fn new(settings: &ColumnSettings, texts: &MissingTexts) -> Result<Self, String> {
        let ColumnSettings {
            kind,
            clip,
            log,
            standardise,
            one_hot,
            ordinal,
            impute,
            ..
        } = settings;
        let steps = Steps::new(*clip, *log, *standardise)?;
        let kind = match (kind, one_hot, ordinal) {
            (_, Some(_), Some(_)) => {
                return Err(".ordinal: stands beside one_hot; keep one of them".to_owned());
            }
            (None | Some(Kind::Category), Some(one_hot), None) => {
                return Self::one_hot(settings, one_hot, texts);
            }
            (None | Some(Kind::Category), None, Some(ordinal)) => {
                return Self::ordinal(settings, ordinal, texts);
            }
            (Some(Kind::Category), None, None) => {
                return Err(
                    ".kind: is category, which needs one_hot or ordinal; add one".to_owned(),
                );
            }
            (Some(_), Some(_), None) => {
                return Err(".one_hot: is for a category; remove it, or `kind`".to_owned());
            }
            (Some(_), None, Some(_)) => {
                return Err(".ordinal: is for a category; remove it, or `kind`".to_owned());
            }
            (kind, None, None) => kind.unwrap_or(Kind::Number),
        };
        if kind != Kind::Number {
            steps.only_standardise()?;
        }
        let imputed = impute.as_ref().map(Scalar::cell);
        match (kind, imputed) {
            (Kind::Indicator, Some(_)) => {
                Err(".impute: an indicator says what is missing; remove it".to_owned())
            }
            (Kind::Indicator, None) => Ok(Self::Indicator {
                numbers: steps.of_both()?,
            }),
            (Kind::Boolean, None) => Ok(Self::Boolean {
                numbers: steps.of_both()?,
                imputed: None,
            }),
            (Kind::Boolean, Some(cell)) => {
                let numbers = steps.of_both()?;
                let Some(boolean) = cell.boolean() else {
                    return Err(format!(".impute: is {cell}; true or false is needed"));
                };
                Ok(Self::Boolean {
                    numbers,
                    imputed: Some(numbers[usize::from(boolean)]),
                })
            }
            (_, None) => Ok(Self::Number {
                steps,
                imputed: None,
            }),
            (_, Some(Cell::Number(number))) => {
                let imputed = steps
                    .apply(number)
                    .map_err(|wrong| format!(".impute: {wrong}"))?;
                Ok(Self::Number {
                    steps,
                    imputed: Some(imputed),
                })
            }
            (_, Some(cell)) => Err(format!(".impute: is {cell}; a number is needed")),
        }
    }

    fn one_hot(
        settings: &ColumnSettings,
        one_hot: &OneHot,
        texts: &MissingTexts,
    ) -> Result<Self, String> {
        let OneHot {
            categories,
            unknown,
            drop,
        } = one_hot;
        Steps::new(settings.clip, settings.log, None)?.only_standardise()?;
        if settings.standardise.is_some() {
            return Err(
                ".standardise: is not for one_hot, whose columns are 0 and 1; remove it".to_owned(),
            );
        }
        let list: Vec<_> = categories.iter().map(Option::as_ref).collect();
        let categories =
            Categories::new(&list, texts).map_err(|wrong| format!(".one_hot.categories{wrong}"))?;
        let imputed = impute(settings, &categories)?;
        if imputed.is_some() && categories.missing.is_some() {
            return Err(
                ".impute: has no effect, as one_hot.categories has null for a missing value"
                    .to_owned(),
            );
        }
        let dropped = match drop {
            Some(DropFirst::First) => 1,
            Some(DropFirst::IfBinary) => usize::from(categories.count() == 2),
            None => 0,
        };
        Ok(Self::OneHot {
            imputed: imputed.or(categories.missing),
            categories,
            dropped,
            unknown: *unknown,
        })
    }

    fn ordinal(
        settings: &ColumnSettings,
        ordinal: &Ordinal,
        texts: &MissingTexts,
    ) -> Result<Self, String> {
        let steps = Steps::new(settings.clip, settings.log, settings.standardise)?;
        steps.only_standardise()?;
        let list: Vec<_> = ordinal.categories.iter().map(Some).collect();
        let categories =
            Categories::new(&list, texts).map_err(|wrong| format!(".ordinal.categories{wrong}"))?;
        let number = |key: &str, number: f64| {
            steps
                .apply(number)
                .map_err(|wrong| format!(".ordinal.{key}: {wrong}"))
        };
        let numbers = (0..categories.count()).map(|place| number("categories", place as f64));
        let numbers = numbers.collect::<Result<Vec<f32>, _>>()?;
        let unknown = ordinal
            .unknown
            .map(|unknown| number("unknown", unknown))
            .transpose()?;
        let missing = ordinal
            .missing
            .map(|missing| number("missing", missing))
            .transpose()?;
        let imputed = impute(settings, &categories)?;
        if imputed.is_some() && missing.is_some() {
            return Err(
                ".ordinal.missing: has no effect beside impute; keep one of them".to_owned(),
            );
        }
        let missing = missing.or(imputed.and_then(|place| numbers.get(place).copied()));
        Ok(Self::Ordinal {
            categories,
            numbers,
            unknown,
            missing,
        })
    }

    /// How many columns it makes.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::OneHot {
                categories,
                dropped,
                unknown,
                ..
            } => categories.count() - dropped + usize::from(*unknown == Unknown::Other),
            _ => 1,
        }
    }

    /// The datatype that its input has unless the settings say another; `None` if any is as good.
    pub(crate) const fn datatype(&self) -> Option<Datatype> {
        match self {
            Self::Number { .. } => Some(Datatype::Fp64),
            Self::Boolean { .. } => Some(Datatype::Bool),
            Self::Indicator { .. } => None,
            Self::OneHot { categories, .. } | Self::Ordinal { categories, .. } => {
                if categories.are_texts() {
                    Some(Datatype::Bytes)
                } else {
                    Some(Datatype::Fp64)
                }
            }
        }
    }

    /// Whether values of this datatype can be its own.
    pub(crate) const fn takes(&self, datatype: Datatype) -> bool {
        match (self, datatype) {
            (_, Datatype::Bytes) | (Self::Indicator { .. } | Self::Boolean { .. }, _) => true,
            (Self::Number { .. }, datatype) => !matches!(datatype, Datatype::Bool),
            (Self::OneHot { categories, .. } | Self::Ordinal { categories, .. }, datatype) => {
                !categories.are_texts() && !matches!(datatype, Datatype::Bool)
            }
        }
    }

    /// Writes a value's numbers into their places, which hold zeros. The error says what the value
    /// is and what is needed, to follow the place: `is …; … is needed`.
    pub(crate) fn encode(
        &self,
        cell: &Cell<'_>,
        is_missing: bool,
        places: &mut [f32],
    ) -> Result<(), String> {
        let number = match self {
            Self::OneHot {
                categories,
                dropped,
                unknown,
                imputed,
            } => {
                // A missing value that has no place of its own is one more value that is not among
                // the categories.
                let found = if is_missing {
                    imputed.map_or(Place::Unknown, Place::At)
                } else {
                    categories.find(cell)
                };
                let place = match (found, unknown) {
                    (Place::At(place), _) => place,
                    (Place::Unknown, Unknown::Ignore) => return Ok(()),
                    (Place::Unknown, Unknown::Other) => categories.count(),
                    (Place::Unknown, Unknown::Error) | (Place::WrongType, _) => {
                        return Err(needs(categories, cell, is_missing));
                    }
                };
                // The dropped category has no place.
                if let Some(place) = place
                    .checked_sub(*dropped)
                    .and_then(|place| places.get_mut(place))
                {
                    *place = 1.0;
                }
                return Ok(());
            }
            Self::Ordinal {
                categories,
                numbers,
                unknown,
                missing,
            } => {
                let found = if is_missing {
                    Place::Unknown
                } else {
                    categories.find(cell)
                };
                let number = match found {
                    Place::At(place) => numbers.get(place).copied(),
                    Place::Unknown if is_missing => missing.or(*unknown),
                    Place::Unknown => *unknown,
                    Place::WrongType => None,
                };
                number.ok_or_else(|| needs(categories, cell, is_missing))?
            }
            Self::Indicator { numbers } => numbers[usize::from(is_missing)],
            Self::Number { imputed, .. } if is_missing => {
                imputed.ok_or("is missing; a number is needed")?
            }
            Self::Boolean { imputed, .. } if is_missing => {
                imputed.ok_or("is missing; true or false is needed")?
            }
            Self::Number { steps, .. } => match cell.number() {
                Some(number) => steps.apply(number)?,
                None => return Err(format!("is {cell}; a finite number is needed")),
            },
            Self::Boolean { numbers, .. } => match cell.boolean() {
                Some(boolean) => numbers[usize::from(boolean)],
                None => {
                    return Err(format!(
                        "is {cell}; true or false is needed, or yes or no, or 1 or 0"
                    ));
                }
            },
        };
        places.iter_mut().for_each(|place| *place = number);
        Ok(())
    }
}

/// The place of the category that a missing value is taken for.
fn impute(settings: &ColumnSettings, categories: &Categories) -> Result<Option<usize>, String> {
    let Some(cell) = settings.impute.as_ref().map(Scalar::cell) else {
        return Ok(None);
    };
    match categories.find(&cell) {
        Place::At(place) => Ok(Some(place)),
        Place::Unknown | Place::WrongType => {
            Err(format!(".impute: {}", needs(categories, &cell, false)))
        }
    }
}

#[cold]
fn needs(categories: &Categories, cell: &Cell<'_>, is_missing: bool) -> String {
    let cell = if is_missing { &Cell::Missing } else { cell };
    format!("is {cell}; {}", categories.needed(cell))
}

impl Steps {
    fn new(
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

    fn only_standardise(self) -> Result<(), String> {
        match self {
            Self { clip: Some(_), .. } => Err(".clip: is for a number; remove it".to_owned()),
            Self { log: Some(_), .. } => Err(".log: is for a number; remove it".to_owned()),
            _ => Ok(()),
        }
    }

    /// What 0 and 1 become.
    fn of_both(self) -> Result<[f32; 2], String> {
        let wrong = |wrong| format!(".standardise: 0 or 1 {wrong}");
        Ok([
            self.apply(0.0).map_err(wrong)?,
            self.apply(1.0).map_err(wrong)?,
        ])
    }

    fn apply(self, number: f64) -> Result<f32, String> {
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
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is what this is for"
)]
const fn round(value: f64) -> f32 {
    value as f32
}
