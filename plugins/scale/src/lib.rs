//! Standardises the columns of a table: `(x - mean) / std`, column by column.
//!
//! Computed in `f64` and rounded once to `f32`, as in the training framework. Default: the table's
//! name is `features`; the setting `tensor` changes it. A NaN or an infinity is refused with its
//! row and column. Bound: the table is in the instance's memory, and is changed in place.

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Preprocessor, Signature, any, export,
    size,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The exponent's bits: only a NaN and an infinity have all of them set.
const EXPONENT: u32 = 0x7f80_0000;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Subtracted from each column.
    mean: Vec<f64>,
    /// Divides each column after that: finite and more than 0, one number per mean.
    std: Vec<f64>,
    /// The columns' names for messages; one per mean.
    #[serde(default)]
    columns: Option<Vec<String>>,
    /// Name of the input and of the output.
    #[serde(default = "features")]
    tensor: String,
}

fn features() -> String {
    "features".to_owned()
}

/// The stage with its columns.
#[derive(Debug)]
pub struct Scale {
    mean: Vec<f64>,
    std: Vec<f64>,
    columns: Vec<String>,
    tensor: String,
}

impl Preprocessor for Scale {
    type Settings = Settings;
    const SUMMARY: &'static str = "Standardises the columns of a table: (x - mean) / std.";

    fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        let Settings {
            mean,
            std,
            columns,
            tensor,
        } = settings;
        if mean.is_empty() {
            return Err(OpenError::settings(
                "settings.mean: is empty; it needs a number for each column",
            ));
        }
        let same_length = |key: &str, length: usize| {
            if length == mean.len() {
                return Ok(());
            }
            let expected = mean.len();
            Err(OpenError::settings(format!(
                "settings.{key}: has {length} elements; settings.mean has {expected}, and there must be as many"
            )))
        };
        same_length("std", std.len())?;
        if let Some(columns) = &columns {
            same_length("columns", columns.len())?;
        }
        if let Some(index) = std.iter().position(|std| !std.is_finite() || *std <= 0.0) {
            let given = std[index];
            return Err(OpenError::settings(format!(
                "settings.std[{index}]: is {given}; it must be more than 0"
            )));
        }
        let shape = [any(), size(mean.len())];
        let signature = Signature::new()
            .input(&tensor, Datatype::Fp32, shape)
            .output(&tensor, Datatype::Fp32, shape);
        Ok((
            Self {
                mean,
                std,
                columns: columns.unwrap_or_default(),
                tensor,
            },
            signature,
        ))
    }

    fn preprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let mut table = inputs.take(&self.tensor)?;
        let elements = table.slice_mut::<f32>()?;
        // Checked before anything is changed, so that the message can show the client's value.
        // Checks all elements, because a loop that may stop early does not vectorise.
        if elements
            .iter()
            .map(|element| element.to_bits() & EXPONENT)
            .max()
            == Some(EXPONENT)
        {
            return Err(self.not_finite(elements));
        }
        for row in elements.chunks_exact_mut(self.mean.len()) {
            for ((element, mean), std) in row.iter_mut().zip(&self.mean).zip(&self.std) {
                *element = round((f64::from(*element) - mean) / std);
            }
        }
        outputs.put(&self.tensor, table)
    }
}

/// The nearest `f32`. A result beyond its range is an infinity, as in every framework.
#[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
const fn round(value: f64) -> f32 {
    value as f32
}

impl Scale {
    /// Finds the first one, and counts all.
    #[cold]
    fn not_finite(&self, elements: &[f32]) -> Failure {
        let Self {
            columns,
            tensor,
            mean,
            ..
        } = self;
        let mut bad = elements
            .iter()
            .enumerate()
            .filter(|(_, element)| !element.is_finite());
        let Some((index, value)) = bad.next() else {
            return Failure::internal("an element is not finite, and all are finite");
        };
        let (row, column) = (index / mean.len(), index % mean.len());
        let name = columns
            .get(column)
            .map(|name| format!(" (`{name}`)"))
            .unwrap_or_default();
        let more = match bad.count() {
            0 => String::new(),
            more => format!(" (and {more} more like it)"),
        };
        Failure::invalid_input(format!(
            "input `{tensor}`: row {row}, column {column}{name} is {value}; a finite number is needed{more}"
        ))
    }
}

export!(preprocessor: Scale);

#[cfg(test)]
mod tests {
    use hotstage_sdk::{Tensor, testing};
    use serde_json::{Value, json};

    use super::*;

    fn open(settings: Value) -> testing::Bench<Scale> {
        testing::open_preprocessor(settings, Files::none()).unwrap()
    }

    fn refusal(settings: Value) -> String {
        testing::open_preprocessor::<Scale>(settings, Files::none())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn columns_are_standardised() {
        let mut bench = open(json!({ "mean": [1.0, 10.0], "std": [2.0, 0.5] }));
        let answer = bench
            .call([(
                "features",
                Tensor::f32(&[2, 2], [1.0, 10.0, 5.0, 9.0]).unwrap(),
            )])
            .unwrap();
        let scaled = answer.get("features").unwrap();
        assert_eq!(scaled.shape(), [2, 2]);
        assert_eq!(scaled.slice::<f32>().unwrap(), [0.0, 0.0, 2.0, -2.0]);
    }

    #[test]
    fn the_result_is_rounded_once() {
        // In f32 the difference alone would lose six digits.
        let mut bench = open(json!({ "mean": [16_777_216.3], "std": [0.1] }));
        let answer = bench
            .call([("features", Tensor::f32(&[1, 1], [16_777_216.0]).unwrap())])
            .unwrap();
        let scaled = answer.get("features").unwrap().slice::<f32>().unwrap()[0];
        assert_eq!(scaled, round((16_777_216.0_f64 - 16_777_216.3) / 0.1));
    }

    #[test]
    fn no_rows_are_fine() {
        let mut bench = open(json!({ "mean": [1.0], "std": [2.0], "tensor": "x" }));
        let answer = bench
            .call([("x", Tensor::f32(&[0, 1], []).unwrap())])
            .unwrap();
        assert_eq!(answer.get("x").unwrap().shape(), [0, 1]);
    }

    #[test]
    fn a_large_table_is_read_from_the_host() {
        let mut bench = open(json!({ "mean": vec![0.5; 1000], "std": vec![0.5; 1000] }));
        let answer = bench
            .call([(
                "features",
                Tensor::f32(&[20, 1000], vec![1.0; 20_000]).unwrap(),
            )])
            .unwrap();
        assert!(
            answer
                .get("features")
                .unwrap()
                .slice::<f32>()
                .unwrap()
                .iter()
                .all(|element| *element == 1.0)
        );
    }

    #[test]
    fn values_that_are_not_finite_are_refused_with_their_position() {
        let settings = json!({ "mean": [0.0, 0.0], "std": [1.0, 1.0], "columns": ["radius", "mean concavity"] });
        for (bad, shown) in [
            (f32::NAN, "NaN"),
            (f32::INFINITY, "inf"),
            (f32::NEG_INFINITY, "-inf"),
        ] {
            let table = Tensor::f32(&[2, 2], [1.0, 2.0, 3.0, bad]).unwrap();
            let failure = open(settings.clone())
                .call([("features", table)])
                .unwrap_err();
            let text = format!(
                "input `features`: row 1, column 1 (`mean concavity`) is {shown}; a finite number is needed"
            );
            assert_eq!(failure, Failure::InvalidInput(text));
        }
        let table = Tensor::f32(&[1, 2], [f32::NAN, f32::NAN]).unwrap();
        let failure = open(settings)
            .call([("features", table)])
            .unwrap_err()
            .to_string();
        assert!(failure.ends_with("(and 1 more like it)"), "{failure}");
    }

    #[test]
    fn invalid_settings_are_refused() {
        assert!(refusal(json!({ "mean": [], "std": [] })).starts_with("settings.mean: is empty"));
        assert_eq!(
            refusal(json!({ "mean": [1.0, 2.0], "std": [1.0] })),
            "settings.std: has 1 elements; settings.mean has 2, and there must be as many"
        );
        assert_eq!(
            refusal(json!({ "mean": [1.0, 2.0], "std": [1.0, 0.0] })),
            "settings.std[1]: is 0; it must be more than 0"
        );
        assert_eq!(
            refusal(json!({ "mean": [1.0], "std": ["x"] })),
            r#"settings.std[0]: expected f64, found string "x""#
        );
        assert!(
            refusal(json!({ "mean": [1.0], "std": [1.0], "columns": [] }))
                .starts_with("settings.columns: has 0")
        );
    }
}
