//! Category columns: one-hot encoded, or as the index in the list.
//!
//! Default: an unknown category is refused, and so is a missing value; the settings change both. An
//! imputed missing value counts as a category of the list. Bound: the number of [`Categories`],
//! plus one for `unknown: other`.

use super::steps::Steps;
use crate::categories::{Categories, Place};
use crate::cell::{Cell, MissingTexts};
use crate::scalar::Scalar;
use crate::settings::{ColumnSettings, DropFirst, OneHot, Ordinal, Unknown};

/// One element per category; the value's own is 1.
#[derive(Debug)]
pub(crate) struct OneHotColumn {
    categories: Categories,
    /// Leading categories of the list without an element.
    dropped: usize,
    unknown: Unknown,
    /// The index of a missing value.
    imputed: Option<usize>,
}

/// A number for each category.
#[derive(Debug)]
pub(crate) struct OrdinalColumn {
    categories: Categories,
    numbers: Vec<f32>,
    unknown: Option<f32>,
    missing: Option<f32>,
}

impl OneHotColumn {
    pub(super) fn new(
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
        Ok(Self {
            imputed: imputed.or(categories.missing),
            categories,
            dropped,
            unknown: *unknown,
        })
    }

    pub(super) const fn categories(&self) -> &Categories {
        &self.categories
    }

    /// The number of matrix columns.
    pub(super) fn width(&self) -> usize {
        self.categories.count() - self.dropped + usize::from(self.unknown == Unknown::Other)
    }

    /// Writes the 1 of a value into its elements, which hold zeros.
    pub(super) fn encode(
        &self,
        cell: &Cell<'_>,
        is_missing: bool,
        places: &mut [f32],
    ) -> Result<(), String> {
        let Self {
            categories,
            dropped,
            unknown,
            imputed,
        } = self;
        // A missing value without its own element counts as an unknown category.
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
        // The dropped category has no element.
        if let Some(place) = place
            .checked_sub(*dropped)
            .and_then(|place| places.get_mut(place))
        {
            *place = 1.0;
        }
        Ok(())
    }
}

impl OrdinalColumn {
    pub(super) fn new(
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
        Ok(Self {
            categories,
            numbers,
            unknown,
            missing,
        })
    }

    pub(super) const fn categories(&self) -> &Categories {
        &self.categories
    }

    /// The result for a value.
    pub(super) fn number(&self, cell: &Cell<'_>, is_missing: bool) -> Result<f32, String> {
        let found = if is_missing {
            Place::Unknown
        } else {
            self.categories.find(cell)
        };
        let number = match found {
            Place::At(place) => self.numbers.get(place).copied(),
            Place::Unknown if is_missing => self.missing.or(self.unknown),
            Place::Unknown => self.unknown,
            Place::WrongType => None,
        };
        number.ok_or_else(|| needs(&self.categories, cell, is_missing))
    }
}

/// The index of the category that a missing value counts as.
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
