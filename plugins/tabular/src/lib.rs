//! Turns rows of a table into the matrix of numbers that a model was trained on.
//!
//! Default: a row has the listed columns by their names, in a body of CSV or of JSON lines, or in
//! one tensor for each column; a missing value and an unknown category are refused. The settings,
//! one entry for each column, say what is imputed, clipped, standardised and encoded; their numbers
//! are those that scikit-learn's transformers learnt. Bounds: `rows_max`, and what `layout.rs` and
//! `records.rs` name.

mod categories;
mod cell;
mod column;
mod csv;
mod json;
mod layout;
mod matrix;
mod records;
mod scalar;
mod settings;
mod suggest;
mod tensors;

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Preprocessor, Signature, any, export,
    size,
};

use layout::Layout;
use settings::{Settings, Tensors};

/// The content types of raw bodies. `application/json` is the protocol's own.
const CSV: &str = "text/csv";
const ACCEPTS: [&str; 5] = [
    CSV,
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonlines",
    "application/jsonl",
];

/// A table's columns, and what is made of them.
#[derive(Debug)]
pub struct Tabular {
    layout: Layout,
    tensors: Tensors,
    input: String,
    output: String,
}

impl Preprocessor for Tabular {
    type Settings = Settings;
    const SUMMARY: &'static str = "Turns rows of a table into a matrix of numbers.";

    fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        let layout = Layout::new(&settings).map_err(OpenError::settings)?;
        let Settings {
            tensors,
            input,
            output,
            ..
        } = settings;
        let input = input.unwrap_or_else(|| {
            if tensors == Tensors::Rows {
                "rows"
            } else {
                "features"
            }
            .to_owned()
        });
        let signature =
            Signature::new().output(&output, Datatype::Fp32, [any(), size(layout.width)]);
        let signature = match tensors {
            Tensors::Columns => {
                let columns = layout.sources.iter().zip(&layout.datatypes);
                columns.fold(signature, |signature, (name, datatype)| {
                    signature.input(name, *datatype, [any()])
                })
            }
            Tensors::Rows => signature.input(&input, Datatype::Bytes, [any()]),
            Tensors::Table => {
                signature.input(&input, Datatype::Fp32, [any(), size(layout.places.len())])
            }
        };
        Ok((
            Self {
                layout,
                tensors,
                input,
                output,
            },
            signature,
        ))
    }

    fn accepts(&self) -> &[&str] {
        &ACCEPTS
    }

    fn preprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let Self {
            layout,
            tensors,
            input,
            output,
        } = self;
        match tensors {
            Tensors::Columns => tensors::columns(layout, inputs, outputs, output),
            Tensors::Rows => tensors::rows(layout, inputs, input, outputs, output),
            Tensors::Table => tensors::table(layout, inputs, input, outputs, output),
        }
    }

    fn raw(
        &mut self,
        content_type: &str,
        body: &[u8],
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        let matrix = if content_type == CSV {
            csv::read(&self.layout, body)
        } else {
            json::read(&self.layout, body)
        };
        matrix?.put(outputs, &self.output)
    }
}

export!(preprocessor: Tabular);

#[cfg(test)]
mod tests;
