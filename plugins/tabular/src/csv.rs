//! CSV bodies: a header row with column names in any order, and one row of values per line.
//!
//! Default: the first row is the header; the setting `header` names the columns of a body without
//! one. Names and numbers may have surrounding spaces; categories are compared unchanged.

use hotstage_sdk::Failure;

use crate::cell::{Cell, shown};
use crate::layout::Layout;
use crate::matrix::{Matrix, place};
use crate::records::Records;
use crate::suggest::nearest;

/// Maximum names of the header in a message.
const LISTED_MAX: usize = 10;

/// Reads the whole body.
pub(crate) fn read<'l>(layout: &'l Layout, body: &[u8]) -> Result<Matrix<'l>, Failure> {
    let mut matrix = Matrix::new(layout);
    let mut records = Records::new(body, layout.delimiter);
    let (fields, expected) = if layout.is_headless {
        (layout.fields(), layout.places.len())
    } else {
        match records.advance() {
            Ok(true) => (find(layout, &records)?, records.len()),
            Ok(false) => {
                return Err(Failure::invalid_input(
                    "the body is empty; its first line must name the columns",
                ));
            }
            Err(wrong) => return Err(Failure::invalid_input(format!("the header: {wrong}"))),
        }
    };
    loop {
        let row = matrix.next();
        let place = |records: &Records<'_>| place(row, body, records.start());
        match records.advance() {
            Ok(true) => {}
            Ok(false) => return Ok(matrix),
            Err(wrong) => {
                return Err(Failure::invalid_input(format!(
                    "{}: {wrong}",
                    place(&records)
                )));
            }
        }
        if records.len() != expected {
            let (place, given) = (place(&records), records.len());
            let named = if layout.is_headless {
                "settings.header names"
            } else {
                "the header has"
            };
            return Err(Failure::invalid_input(format!(
                "{place}: has {given} values; {named} {expected} columns; a value with a delimiter in it needs quotes"
            )));
        }
        let cell = |source: usize| {
            Cell::text(
                fields
                    .get(source)
                    .map_or(b"", |field| records.field(*field)),
            )
        };
        matrix.push(cell, || place(&records))?;
    }
}

/// For each source, its field according to the header row.
fn find(layout: &Layout, header: &Records<'_>) -> Result<Vec<usize>, Failure> {
    let mut named: Vec<(&[u8], usize)> = (0..header.len())
        .map(|field| (header.field(field).trim_ascii(), field))
        .collect();
    named.sort_unstable();
    let find = |name: &String| {
        let key = name.trim().as_bytes();
        let from = named.partition_point(|(known, _)| *known < key);
        let mut found = named
            .iter()
            .skip(from)
            .take_while(|(known, _)| *known == key);
        match (found.next(), found.next()) {
            (Some((_, field)), None) => Ok(*field),
            (Some((_, first)), Some((_, second))) => Err(Failure::invalid_input(format!(
                "the header has the column `{name}` twice, as columns {} and {}; rename one of them",
                first + 1,
                second + 1
            ))),
            (None, _) => Err(unknown(name, header)),
        }
    };
    layout.sources.iter().map(find).collect()
}

#[cold]
fn unknown(name: &str, header: &Records<'_>) -> Failure {
    let names = (0..header.len()).filter_map(|field| str::from_utf8(header.field(field)).ok());
    if let Some(near) = nearest(name.as_bytes(), names) {
        return Failure::invalid_input(format!(
            "the header has no column `{name}`, but `{}`; rename it",
            shown(near.as_bytes())
        ));
    }
    let listed: Vec<String> = (0..header.len().min(LISTED_MAX))
        .map(|field| format!("`{}`", shown(header.field(field))))
        .collect();
    let more = header.len().saturating_sub(LISTED_MAX);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    Failure::invalid_input(format!(
        "the header has no column `{name}`; it has {}{more}",
        listed.join(", ")
    ))
}
