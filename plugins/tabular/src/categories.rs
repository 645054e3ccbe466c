//! The categories of a column, in training's order: texts, or numbers.
//!
//! Numbers are compared numerically, so `3`, `3.0` and a client's text `3` are one category; texts
//! are compared byte by byte. Bound: a lookup is a binary search; a message lists [`LISTED_MAX`]
//! categories.

use crate::cell::{Cell, MissingTexts};
use crate::scalar::Scalar;
use crate::suggest::nearest;

/// Maximum categories in a message.
const LISTED_MAX: usize = 10;

/// The categories, and the index of the one for missing values, if any.
#[derive(Debug)]
pub(crate) struct Categories {
    known: Known,
    count: usize,
    /// The index of `null` in the list.
    pub(crate) missing: Option<usize>,
}

/// Each with its index in the list, sorted.
#[derive(Debug)]
enum Known {
    Texts(Vec<(String, usize)>),
    Numbers(Vec<(f64, usize)>),
}

/// The index of a value in the list.
#[derive(Debug, PartialEq)]
pub(crate) enum Place {
    At(usize),
    /// Of the right type, but not in the list.
    Unknown,
    WrongType,
}

impl Categories {
    /// Parses the setting. The error is the part after the key: `[2]: is …`.
    pub(crate) fn new(
        list: &[Option<&Scalar>],
        texts_missing: &MissingTexts,
    ) -> Result<Self, String> {
        let missing = list.iter().position(Option::is_none);
        let (mut texts, mut numbers) = (Vec::new(), Vec::new());
        for (place, category) in list.iter().enumerate() {
            if let Some(category) = category.map(Scalar::cell)
                && category.is_missing(texts_missing)
            {
                return Err(format!(
                    "[{place}]: is {category}, which settings.missing takes for a missing value; remove one of them"
                ));
            }
            match category {
                Some(Scalar::Text(text)) => texts.push((text.clone(), place)),
                Some(Scalar::Number(number)) => numbers.push((*number, place)),
                Some(Scalar::Boolean(boolean)) => {
                    return Err(format!(
                        "[{place}]: is {boolean}; a text or a number is needed: quote it, or use `kind: boolean`"
                    ));
                }
                None if missing != Some(place) => {
                    return Err(format!("[{place}]: is null, as another one is"));
                }
                None => {}
            }
        }
        let known = match (texts.is_empty(), numbers.is_empty()) {
            (true, true) => {
                return Err(
                    ": has no category; list those of the training, in their order".to_owned(),
                );
            }
            (false, false) => {
                return Err(
                    ": has texts and numbers; use one of them (quote the numbers)".to_owned(),
                );
            }
            (false, true) => Known::Texts(texts),
            (true, false) => Known::Numbers(numbers),
        };
        known.sorted().map(|known| Self {
            known,
            count: list.len(),
            missing,
        })
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    pub(crate) const fn are_texts(&self) -> bool {
        matches!(self.known, Known::Texts(_))
    }

    pub(crate) fn find(&self, cell: &Cell<'_>) -> Place {
        let found = match (&self.known, cell) {
            (Known::Texts(texts), Cell::Text(text)) => {
                let at = texts.binary_search_by(|(known, _)| known.as_bytes().cmp(text));
                at.ok()
                    .and_then(|at| texts.get(at))
                    .map(|(_, place)| *place)
            }
            (Known::Texts(_), _) => return Place::WrongType,
            (Known::Numbers(numbers), cell) => {
                // Not -0, which sorts below 0.
                let Some(number) = cell.number().map(|number| number + 0.0) else {
                    return Place::WrongType;
                };
                let at = numbers.binary_search_by(|(known, _)| known.total_cmp(&number));
                at.ok()
                    .and_then(|at| numbers.get(at))
                    .map(|(_, place)| *place)
            }
        };
        found.map_or(Place::Unknown, Place::At)
    }

    /// The suggestion of a message: the nearest category, and the first ones.
    pub(crate) fn needed(&self, cell: &Cell<'_>) -> String {
        let mut listed = match &self.known {
            Known::Texts(texts) => in_place(texts, |text| format!("`{text}`")),
            Known::Numbers(numbers) => in_place(numbers, |number| number.to_string()),
        };
        let more = listed.len().saturating_sub(LISTED_MAX);
        listed.truncate(LISTED_MAX);
        let listed = listed.join(", ");
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        let near = match (&self.known, cell) {
            (Known::Texts(texts), Cell::Text(text)) => {
                nearest(text, texts.iter().map(|(known, _)| known.as_str()))
                    .map(|near| format!("; did you mean `{near}`?"))
            }
            _ => None,
        };
        let what = if self.are_texts() {
            "a text"
        } else {
            "a number"
        };
        format!(
            "{what} is needed, one of {listed}{more}{}",
            near.unwrap_or_default()
        )
    }
}

impl Known {
    /// Sorts for lookups. Two equal categories are probably a typing error.
    fn sorted(mut self) -> Result<Self, String> {
        let twice = match &mut self {
            Self::Texts(texts) => {
                texts.sort();
                equal_pair(texts, |one, other| one == other)
                    .map(|(text, first, second)| (format!("`{text}`"), first, second))
            }
            Self::Numbers(numbers) => {
                numbers.iter_mut().for_each(|(number, _)| *number += 0.0);
                numbers.sort_by(|(one, _), (other, _)| one.total_cmp(other));
                equal_pair(numbers, |one, other| one == other)
                    .map(|(number, first, second)| (number.to_string(), first, second))
            }
        };
        match twice {
            Some((category, first, second)) => {
                let (first, second) = (first.min(second), first.max(second));
                Err(format!("[{second}]: is {category}, as [{first}] is"))
            }
            None => Ok(self),
        }
    }
}

/// The first two equal neighbours, with their indices.
fn equal_pair<C>(
    sorted: &[(C, usize)],
    equal: impl Fn(&C, &C) -> bool,
) -> Option<(&C, usize, usize)> {
    sorted.windows(2).find_map(|pair| match pair {
        [(one, first), (other, second)] if equal(one, other) => Some((one, *first, *second)),
        _ => None,
    })
}

/// As in the setting.
fn in_place<C>(sorted: &[(C, usize)], show: impl Fn(&C) -> String) -> Vec<String> {
    let mut listed: Vec<&(C, usize)> = sorted.iter().collect();
    listed.sort_by_key(|(_, place)| *place);
    listed
        .into_iter()
        .map(|(category, _)| show(category))
        .collect()
}
