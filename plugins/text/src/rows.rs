//! Rows of tokens, collected until all are known and the tensors can be as wide as the longest.
//!
//! Default: as wide as the longest row, padded on the right; the settings `padding` and
//! `padding_side` change that. Bound: eight bytes for each token here, 24 in the tensors.

use hotstage_sdk::{Failure, Outputs};
use tokenizers::Encoding;

use crate::settings::{Names, Padding, Side};

/// How rows are padded.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) padding: Padding,
    pub(crate) side: Side,
    /// The padding of `input_ids`.
    pub(crate) pad_id: u32,
    /// The padding of `token_type_ids`.
    pub(crate) pad_type_id: u32,
    pub(crate) max_length: usize,
}

/// The rows of one call, one after another.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    ids: Vec<u32>,
    types: Vec<u32>,
    lengths: Vec<usize>,
}

impl Layout {
    fn width(&self, longest: usize) -> usize {
        match self.padding {
            Padding::Longest => longest,
            Padding::MaxLength => self.max_length,
            Padding::MultipleOf(step) => longest.next_multiple_of(step),
        }
    }
}

impl Rows {
    /// Keeps only what the outputs need, because an encoding also holds each token's text.
    pub(crate) fn push(&mut self, encoding: &Encoding) {
        self.ids.extend_from_slice(encoding.get_ids());
        self.types.extend_from_slice(encoding.get_type_ids());
        self.lengths.push(encoding.len());
    }

    pub(crate) fn write(
        &self,
        layout: &Layout,
        names: &Names,
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        if let Some(name) = &names.input_ids {
            self.table(layout, outputs, name, &self.ids, layout.pad_id)?;
        }
        if let Some(name) = &names.attention_mask {
            self.table(layout, outputs, name, &vec![1; self.ids.len()], 0)?;
        }
        if let Some(name) = &names.token_type_ids {
            self.table(layout, outputs, name, &self.types, layout.pad_type_id)?;
        }
        Ok(())
    }

    fn table(
        &self,
        layout: &Layout,
        outputs: &mut Outputs,
        name: &str,
        mut elements: &[u32],
        pad: u32,
    ) -> Result<(), Failure> {
        let width = layout.width(self.lengths.iter().copied().max().unwrap_or(0));
        let table = outputs.make_slice::<i64>(name, &[self.lengths.len(), width])?;
        table.fill(pad.into());
        // Every row has tokens, so a table with rows has columns.
        for (row, &length) in table.chunks_exact_mut(width.max(1)).zip(&self.lengths) {
            let (tokens, rest) = elements.split_at(length);
            elements = rest;
            let places = match layout.side {
                Side::Right => &mut row[..length],
                Side::Left => &mut row[width - length..],
            };
            places
                .iter_mut()
                .zip(tokens)
                .for_each(|(place, token)| *place = i64::from(*token));
        }
        Ok(())
    }
}
