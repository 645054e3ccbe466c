//! JSON rows: objects whose keys are the columns, or arrays. A body has one row per line; a tensor
//! has one per element.
//!
//! Unused keys and positions are read and dropped. Bound: a row is read in one pass, and only the
//! values of the columns are kept; texts without escapes are not copied.

use std::collections::BTreeMap;
use std::fmt;

use hotstage_sdk::Failure;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::cell::{Cell, shown};
use crate::layout::Layout;
use crate::matrix::{Matrix, place};
use crate::settings::Absent;
use crate::suggest::nearest;

/// Reads the whole body.
pub(crate) fn read<'l>(layout: &'l Layout, body: &[u8]) -> Result<Matrix<'l>, Failure> {
    let (mut matrix, mut rows) = (Matrix::new(layout), Rows::new(layout));
    let mut start = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let here = start;
        start += line.len();
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let row = matrix.next();
        let place = || place(row, body, here);
        layout.check_rows(row)?;
        let cells = rows
            .read(line)
            .map_err(|wrong| Failure::invalid_input(format!("{}{wrong}", place())))?;
        matrix.push(
            |source| {
                cells
                    .get(source)
                    .and_then(Option::as_ref)
                    .map_or(Cell::Missing, Cell::lend)
            },
            place,
        )?;
    }
    Ok(matrix)
}

/// Reads one row after another.
#[derive(Debug)]
pub(crate) struct Rows<'l, 'de> {
    layout: &'l Layout,
    /// Each source by its name, sorted.
    names: Vec<(&'l str, usize)>,
    /// The values of the row, by source; `None` if missing.
    cells: Vec<Option<Cell<'de>>>,
}

impl<'l, 'de> Rows<'l, 'de> {
    pub(crate) fn new(layout: &'l Layout) -> Self {
        let mut names: Vec<(&str, usize)> = (0..)
            .zip(&layout.sources)
            .map(|(source, name)| (name.as_str(), source))
            .collect();
        names.sort_unstable();
        Self {
            layout,
            names,
            cells: Vec::new(),
        }
    }

    /// The values of a row, by source. The error follows the row's position.
    pub(crate) fn read(&mut self, row: &'de [u8]) -> Result<&[Option<Cell<'de>>], String> {
        self.cells.clear();
        self.cells.resize(self.layout.sources.len(), None);
        let mut reader = serde_json::Deserializer::from_slice(row);
        let read = Seed {
            layout: self.layout,
            names: &self.names,
            cells: &mut self.cells,
        }
        .deserialize(&mut reader);
        read.and_then(|()| reader.end())
            .map_err(|error| explain(&error))?;
        match self.cells.iter().position(Option::is_none) {
            Some(source) if self.layout.absent == Absent::Error => Err(self.absent(source, row)),
            _ => Ok(&self.cells),
        }
    }

    #[cold]
    fn absent(&self, source: usize, row: &[u8]) -> String {
        let name = self.layout.name(source);
        let keys: BTreeMap<String, IgnoredAny> = serde_json::from_slice(row).unwrap_or_default();
        match nearest(name.as_bytes(), keys.keys().map(String::as_str)) {
            Some(near) => format!(
                ": has no key `{name}`, but `{}`; rename it",
                shown(near.as_bytes())
            ),
            None => format!(": has no key `{name}`; add it, or null if its value is missing"),
        }
    }
}

/// The position at which the JSON ends, without a line number, because a row is one line.
#[cold]
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((text, place)) => {
            let column = place
                .rsplit_once("column ")
                .map_or(place, |(_, column)| column);
            format!(", character {column}: {text}")
        }
        None => format!(": {text}"),
    }
}

/// Reads one row into the cells.
struct Seed<'s, 'l, 'de> {
    layout: &'l Layout,
    names: &'s [(&'l str, usize)],
    cells: &'s mut [Option<Cell<'de>>],
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array of a row's values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(source) = entries.next_key_seed(Key(self.names))? {
            let Some((source, cell)) =
                source.and_then(|source| Some((source, self.cells.get_mut(source)?)))
            else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            if cell.is_some() {
                return Err(A::Error::custom(format!(
                    "the key `{}` comes twice",
                    self.layout.name(source)
                )));
            }
            *cell = Some(entries.next_value()?);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let expected = self.layout.places.len();
        for (given, place) in self.layout.places.iter().enumerate() {
            let found = match place.and_then(|source| self.cells.get_mut(source)) {
                Some(cell) => {
                    *cell = elements.next_element()?;
                    cell.is_some()
                }
                None => elements.next_element::<IgnoredAny>()?.is_some(),
            };
            if !found {
                return Err(A::Error::custom(format!(
                    "an array of {given} values; {expected} are needed"
                )));
            }
        }
        match elements.next_element::<IgnoredAny>()? {
            Some(_) => Err(A::Error::custom(format!(
                "an array of more than {expected} values; {expected} are needed"
            ))),
            None => Ok(()),
        }
    }
}

/// Finds the source of a key.
struct Key<'s, 'l>(&'s [(&'l str, usize)]);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        let at = self.0.binary_search_by(|(name, _)| (*name).cmp(key));
        Ok(at
            .ok()
            .and_then(|at| self.0.get(at))
            .map(|(_, source)| *source))
    }
}
