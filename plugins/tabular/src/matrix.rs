//! The matrix of a body, whose number of rows is not known in advance.
//!
//! Bound: the layout's `rows_max`, checked before a row is added.

use hotstage_sdk::{Failure, Outputs};

use crate::cell::Cell;
use crate::layout::Layout;

/// Rows, one after another.
#[derive(Debug)]
pub(crate) struct Matrix<'l> {
    layout: &'l Layout,
    elements: Vec<f32>,
    rows: usize,
}

impl<'l> Matrix<'l> {
    pub(crate) const fn new(layout: &'l Layout) -> Self {
        Self {
            layout,
            elements: Vec::new(),
            rows: 0,
        }
    }

    /// The number of the next row, counted from 1.
    pub(crate) const fn next(&self) -> usize {
        self.rows + 1
    }

    /// Adds a row. `place` returns its position in the body.
    pub(crate) fn push<'c>(
        &mut self,
        cell: impl Fn(usize) -> Cell<'c>,
        place: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let layout = self.layout;
        layout.check_rows(self.rows + 1)?;
        let start = self.elements.len();
        self.elements.resize(start + layout.width, 0.0);
        layout
            .encode(cell, &mut self.elements[start..])
            .map_err(|wrong| {
                let (place, name) = (place(), layout.name(wrong.source));
                Failure::invalid_input(format!("{place}, column `{name}`: {}", wrong.what))
            })?;
        self.rows += 1;
        Ok(())
    }

    /// Sets the output to the matrix.
    pub(crate) fn put(self, outputs: &mut Outputs, output: &str) -> Result<(), Failure> {
        outputs.put_slice(output, &[self.rows, self.layout.width], &self.elements)
    }
}

/// The position of a row in a body. Computed only for messages, because lines and rows differ by
/// headers, empty lines and quoted newlines.
pub(crate) fn place(row: usize, body: &[u8], start: usize) -> String {
    let before = body.get(..start).unwrap_or_default();
    format!(
        "row {row} (line {})",
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    )
}
