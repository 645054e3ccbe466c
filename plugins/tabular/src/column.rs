//! A listed column: converts one value of a row to its numbers in the matrix.
//!
//! The steps have a fixed order, whatever the order of the settings: impute, clip, logarithm,
//! standardise. Constant results are precomputed: an imputed value, the numbers of categories and
//! of booleans. Every result is finite.

mod category;
mod steps;

use hotstage_sdk::Datatype;

use self::category::{OneHotColumn, OrdinalColumn};
use self::steps::Steps;
use crate::cell::{Cell, MissingTexts};
use crate::scalar::Scalar;
use crate::settings::{ColumnSettings, Kind};

/// A listed column: how its values are read and converted.
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
    OneHot(OneHotColumn),
    Ordinal(OrdinalColumn),
}

impl Column {
    /// The error is the part after the column's key: `.clip: …`.
    pub(crate) fn new(settings: &ColumnSettings, texts: &MissingTexts) -> Result<Self, String> {
        let ColumnSettings {
            kind,
            one_hot,
            ordinal,
            ..
        } = settings;
        let steps = Steps::new(settings.clip, settings.log, settings.standardise)?;
        match (kind, one_hot, ordinal) {
            (_, Some(_), Some(_)) => {
                Err(".ordinal: stands beside one_hot; keep one of them".to_owned())
            }
            (None | Some(Kind::Category), Some(one_hot), None) => {
                OneHotColumn::new(settings, one_hot, texts).map(Self::OneHot)
            }
            (None | Some(Kind::Category), None, Some(ordinal)) => {
                OrdinalColumn::new(settings, ordinal, texts).map(Self::Ordinal)
            }
            (Some(Kind::Category), None, None) => {
                Err(".kind: is category, which needs one_hot or ordinal; add one".to_owned())
            }
            (Some(_), Some(_), None) => {
                Err(".one_hot: is for a category; remove it, or `kind`".to_owned())
            }
            (Some(_), None, Some(_)) => {
                Err(".ordinal: is for a category; remove it, or `kind`".to_owned())
            }
            (kind, None, None) => Self::of_scalars(
                kind.unwrap_or(Kind::Number),
                steps,
                settings.impute.as_ref(),
            ),
        }
    }

    /// A column of numbers, of booleans, or of missing-value indicators.
    fn of_scalars(kind: Kind, steps: Steps, impute: Option<&Scalar>) -> Result<Self, String> {
        if kind != Kind::Number {
            steps.only_standardise()?;
        }
        match (kind, impute.map(Scalar::cell)) {
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

    /// The number of matrix columns.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::OneHot(column) => column.width(),
            _ => 1,
        }
    }

    /// The input's default datatype; `None` if any is suitable.
    pub(crate) const fn datatype(&self) -> Option<Datatype> {
        let categories = match self {
            Self::Number { .. } => return Some(Datatype::Fp64),
            Self::Boolean { .. } => return Some(Datatype::Bool),
            Self::Indicator { .. } => return None,
            Self::OneHot(column) => column.categories(),
            Self::Ordinal(column) => column.categories(),
        };
        if categories.are_texts() {
            Some(Datatype::Bytes)
        } else {
            Some(Datatype::Fp64)
        }
    }

    /// Whether the column accepts values of this datatype.
    pub(crate) const fn takes(&self, datatype: Datatype) -> bool {
        let categories = match (self, datatype) {
            (_, Datatype::Bytes) | (Self::Indicator { .. } | Self::Boolean { .. }, _) => {
                return true;
            }
            (Self::Number { .. }, datatype) => return !matches!(datatype, Datatype::Bool),
            (Self::OneHot(column), _) => column.categories(),
            (Self::Ordinal(column), _) => column.categories(),
        };
        !categories.are_texts() && !matches!(datatype, Datatype::Bool)
    }

    /// Writes a value's numbers into its elements, which hold zeros. The error describes the value
    /// and the expectation, to follow its position: `is …; … is needed`.
    pub(crate) fn encode(
        &self,
        cell: &Cell<'_>,
        is_missing: bool,
        places: &mut [f32],
    ) -> Result<(), String> {
        let number = match self {
            Self::OneHot(column) => return column.encode(cell, is_missing, places),
            Self::Ordinal(column) => column.number(cell, is_missing)?,
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
