//! Converts table rows to the numeric matrix on which a model was trained.
//!
//! Default: a row has the listed columns by name, in a CSV or JSON lines body, or in one tensor per
//! column; missing values and unknown categories are refused. The settings, one entry per column,
//! define imputation, clipping, standardisation and encoding; their numbers are those learnt by
//! scikit-learn's transformers. Bounds: `rows_max`, and those of `layout.rs` and `records.rs`.

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

/// The content types of raw bodies. `application/json` belongs to the protocol.
const CSV: &str = "text/csv";
const ACCEPTS: [&str; 5] = [
    CSV,
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonlines",
    "application/jsonl",
];

/// The stage with its layout.
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
