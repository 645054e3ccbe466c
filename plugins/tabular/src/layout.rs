//! The columns of the table and of the matrix, and the mapping between them.
//!
//! Bounds: [`COLUMNS_MAX`] listed columns, [`WIDTH_MAX`] columns of the matrix, and its number of
//! elements; the setting `rows_max`. Anything over a bound is refused before it is computed.

use hotstage_sdk::{Datatype, Failure};

use crate::cell::{Cell, MissingTexts, shown};
use crate::column::Column;
use crate::settings::{Absent, Settings, Tensors};

/// Maximum columns in the settings.
const COLUMNS_MAX: usize = 4096;
/// Maximum columns of the matrix.
const WIDTH_MAX: usize = 65_536;
/// Maximum elements of the matrix: 32 MiB, half of the default limit of a stage's output.
const ELEMENTS_MAX: usize = 8 << 20;
/// Maximum inputs of a stage.
const INPUTS_MAX: usize = 256;

/// The layout that the settings define.
#[derive(Debug)]
pub(crate) struct Layout {
    columns: Vec<Listed>,
    /// The names of the table's used columns, each once.
    pub(crate) sources: Vec<String>,
    /// The datatype of each source's own input.
    pub(crate) datatypes: Vec<Datatype>,
    /// For each position in a row without names, its source if it is used.
    pub(crate) places: Vec<Option<usize>>,
    /// Whether CSV has no header row.
    pub(crate) is_headless: bool,
    pub(crate) absent: Absent,
    pub(crate) delimiter: u8,
    missing: MissingTexts,
    pub(crate) width: usize,
    pub(crate) rows_max: usize,
}

/// A listed column, and the source of its values.
#[derive(Debug)]
struct Listed {
    source: usize,
    width: usize,
    column: Column,
}

/// A value that can't be converted.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) source: usize,
    /// `is …; … is needed`.
    pub(crate) what: String,
}

impl Layout {
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        check_columns(settings)?;
        let delimiter = delimiter(settings)?;
        check_rows_and_input(settings)?;
        let missing = MissingTexts::new(settings.missing.clone());
        let (columns, sources) = listed(settings, &missing)?;
        let width = columns.iter().map(|listed| listed.width).sum();
        if !(1..=WIDTH_MAX).contains(&width) {
            return Err(format!(
                "settings.columns: make a matrix of {width} columns; 1 to {WIDTH_MAX} are possible"
            ));
        }
        let datatypes = datatypes(settings, &columns, &sources)?;
        let places = places(settings.header.as_deref(), &sources)?;
        Ok(Self {
            columns,
            sources,
            datatypes,
            places,
            is_headless: settings.header.is_some(),
            absent: settings.absent,
            delimiter,
            missing,
            width,
            rows_max: settings.rows_max.min(ELEMENTS_MAX / width),
        })
    }

    /// Writes a row of the matrix, which holds zeros, from the values of the sources.
    pub(crate) fn encode<'c>(
        &self,
        cell: impl Fn(usize) -> Cell<'c>,
        row: &mut [f32],
    ) -> Result<(), Wrong> {
        let mut rest = row;
        for Listed {
            source,
            width,
            column,
        } in &self.columns
        {
            let Some((places, after)) = std::mem::take(&mut rest).split_at_mut_checked(*width)
            else {
                break;
            };
            rest = after;
            let cell = cell(*source);
            let is_missing = cell.is_missing(&self.missing);
            column
                .encode(&cell, is_missing, places)
                .map_err(|what| Wrong {
                    source: *source,
                    what,
                })?;
        }
        Ok(())
    }

    /// Refuses more rows than the bound.
    pub(crate) fn check_rows(&self, rows: usize) -> Result<(), Failure> {
        let Self { rows_max, .. } = self;
        if rows <= *rows_max {
            return Ok(());
        }
        Err(Failure::invalid_input(format!(
            "more than {rows_max} rows; send at most that many in a request"
        )))
    }

    /// For each source, its position in a row without names.
    pub(crate) fn fields(&self) -> Vec<usize> {
        let field = |source| {
            self.places
                .iter()
                .position(|place| *place == Some(source))
                .unwrap_or_default()
        };
        (0..self.sources.len()).map(field).collect()
    }

    /// The name of a source.
    pub(crate) fn name(&self, source: usize) -> &str {
        self.sources.get(source).map_or("?", String::as_str)
    }
}

fn check_columns(settings: &Settings) -> Result<(), String> {
    let count = settings.columns.len();
    if (1..=COLUMNS_MAX).contains(&count) {
        return Ok(());
    }
    Err(format!(
        "settings.columns: has {count} elements; 1 to {COLUMNS_MAX} are possible"
    ))
}

fn delimiter(settings: &Settings) -> Result<u8, String> {
    let &[delimiter] = settings.delimiter.as_bytes() else {
        return Err(format!(
            "settings.delimiter: is `{}`; one ASCII character is needed",
            shown(settings.delimiter.as_bytes())
        ));
    };
    if matches!(delimiter, b'"' | b'\r' | b'\n') || !delimiter.is_ascii() {
        return Err(
            "settings.delimiter: is a quote or the end of a line, which have their own meaning"
                .to_owned(),
        );
    }
    Ok(delimiter)
}

fn check_rows_and_input(settings: &Settings) -> Result<(), String> {
    if settings.rows_max == 0 {
        return Err("settings.rows_max: is 0; 1 or more is needed".to_owned());
    }
    if settings.tensors == Tensors::Columns && settings.input.is_some() {
        return Err(
            "settings.input: has no effect, as with `tensors: columns` each column has an input \
             of its own name; remove it"
                .to_owned(),
        );
    }
    Ok(())
}

/// The listed columns, and the names of their sources, each once.
fn listed(
    settings: &Settings,
    missing: &MissingTexts,
) -> Result<(Vec<Listed>, Vec<String>), String> {
    let mut listed = Vec::with_capacity(settings.columns.len());
    let mut sources = Vec::<String>::new();
    for (index, column) in settings.columns.iter().enumerate() {
        let known = sources.iter().position(|source| *source == column.name);
        let source = known.unwrap_or_else(|| {
            sources.push(column.name.clone());
            sources.len() - 1
        });
        let column = Column::new(column, missing)
            .map_err(|wrong| format!("settings.columns[{index}]{wrong}"))?;
        listed.push(Listed {
            source,
            width: column.width(),
            column,
        });
    }
    Ok((listed, sources))
}

/// The datatype of each source's own input: from the settings, or the best match for its first use.
fn datatypes(
    settings: &Settings,
    listed: &[Listed],
    sources: &[String],
) -> Result<Vec<Datatype>, String> {
    let mut said: Vec<Option<(usize, Datatype)>> = vec![None; sources.len()];
    for (index, (column, listed)) in settings.columns.iter().zip(listed).enumerate() {
        let Some(datatype) = column.datatype.map(|datatype| datatype.datatype()) else {
            continue;
        };
        if settings.tensors != Tensors::Columns {
            return Err(format!(
                "settings.columns[{index}].datatype: has an effect with `tensors: columns` only; remove it"
            ));
        }
        match said.get_mut(listed.source) {
            Some(Some((other, before))) if *before != datatype => {
                return Err(format!(
                    "settings.columns[{index}].datatype: is {datatype}, and {before} in settings.columns[{other}], \
                     which has the same name and input"
                ));
            }
            Some(said) => *said = Some((index, datatype)),
            None => {}
        }
    }
    let of_source = |source: usize| {
        let fits = listed
            .iter()
            .filter(|listed| listed.source == source)
            .find_map(|listed| listed.column.datatype());
        fits.unwrap_or(Datatype::Fp64)
    };
    let datatypes: Vec<Datatype> = match settings.tensors {
        Tensors::Columns => (0..)
            .zip(said)
            .map(|(source, said)| said.map_or_else(|| of_source(source), |said| said.1))
            .collect(),
        Tensors::Table => vec![Datatype::Fp32; sources.len()],
        Tensors::Rows => vec![Datatype::Bytes; sources.len()],
    };
    for (index, listed) in listed.iter().enumerate() {
        let datatype = datatypes
            .get(listed.source)
            .copied()
            .unwrap_or(Datatype::Bytes);
        if !listed.column.takes(datatype) {
            return Err(match settings.tensors {
                Tensors::Table => format!(
                    "settings.columns[{index}]: takes texts, and a table of FP32 has none; with such columns use \
                     `tensors: columns` or `tensors: rows`"
                ),
                _ => format!(
                    "settings.columns[{index}].datatype: is {datatype}, whose values can't be this column's"
                ),
            });
        }
    }
    if settings.tensors == Tensors::Columns && INPUTS_MAX < sources.len() {
        let count = sources.len();
        return Err(format!(
            "settings.tensors: is columns, which makes {count} inputs; a stage has at most {INPUTS_MAX}; use rows or \
             table"
        ));
    }
    Ok(datatypes)
}

/// For each position in a row without names, its source.
fn places(header: Option<&[String]>, sources: &[String]) -> Result<Vec<Option<usize>>, String> {
    let Some(header) = header else {
        return Ok((0..sources.len()).map(Some).collect());
    };
    let of_source = |name: &String| sources.iter().position(|source| source == name);
    let places: Vec<Option<usize>> = header.iter().map(of_source).collect();
    for (source, name) in sources.iter().enumerate() {
        let mut found = places
            .iter()
            .enumerate()
            .filter(|(_, place)| **place == Some(source));
        match (found.next(), found.next()) {
            (None, _) => {
                return Err(format!(
                    "settings.header: lacks `{name}`, which settings.columns lists"
                ));
            }
            (Some((first, _)), Some((second, _))) => {
                return Err(format!(
                    "settings.header[{second}]: is `{name}`, as settings.header[{first}] is"
                ));
            }
            (Some(_), None) => {}
        }
    }
    Ok(places)
}
