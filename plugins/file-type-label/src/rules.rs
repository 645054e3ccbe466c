//! The rules of the model's authors: the type of each column, and its threshold.
//!
//! They are built once, from two JSON documents of the model: its configuration, and the metadata
//! of each type. Bound: [`TYPES_MAX`] types.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Mode;

/// Maximum number of types.
const TYPES_MAX: usize = 4096;

/// The keys of the model's configuration about its answers, with the model's names.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    target_labels_space: Vec<String>,
    medium_confidence_threshold: f64,
    thresholds: BTreeMap<String, f64>,
    overwrite_map: BTreeMap<String, String>,
}

/// The metadata of a type.
pub(crate) struct Types(BTreeMap<String, Type>);

#[derive(Deserialize)]
struct Type {
    is_text: bool,
}

/// The meaning of a column of the scores.
#[derive(Debug)]
pub(crate) struct Rule {
    label: String,
    /// The answer below the threshold: text, or unknown.
    unsure: &'static str,
    /// The threshold. Compared in 64 bits, as in the reference, because 0.9 is not a 32-bit number.
    threshold: f64,
}

impl Config {
    pub(crate) fn read(document: &[u8]) -> Result<Self, String> {
        read("config", document, "the model's own configuration")
    }

    /// The rule of each column.
    pub(crate) fn rules(self, types: &Types, mode: Mode) -> Result<Vec<Rule>, String> {
        let count = self.target_labels_space.len();
        if !(1..=TYPES_MAX).contains(&count) {
            return Err(format!(
                "file `config`: target_labels_space: has {count} types; 1 to {TYPES_MAX} are needed"
            ));
        }
        self.target_labels_space
            .iter()
            .map(|taken_for| self.rule(taken_for, types, mode))
            .collect()
    }

    fn rule(&self, taken_for: &str, types: &Types, mode: Mode) -> Result<Rule, String> {
        let label = self
            .overwrite_map
            .get(taken_for)
            .map_or(taken_for, String::as_str);
        let Some(Type { is_text }) = types.0.get(label) else {
            return Err(format!(
                "file `types`: says nothing of `{label}`, which the file `config` has among its types"
            ));
        };
        let threshold = match mode {
            Mode::HighConfidence => *self
                .thresholds
                .get(taken_for)
                .unwrap_or(&self.medium_confidence_threshold),
            Mode::MediumConfidence => self.medium_confidence_threshold,
            Mode::BestGuess => f64::NEG_INFINITY,
        };
        Ok(Rule {
            label: label.to_owned(),
            unsure: if *is_text { "txt" } else { "unknown" },
            threshold,
        })
    }
}

impl Types {
    pub(crate) fn read(document: &[u8]) -> Result<Self, String> {
        read(
            "types",
            document,
            "what the model's package knows of each type",
        )
        .map(Self)
    }
}

impl Rule {
    /// The answer for a file whose best type is this one.
    pub(crate) fn label(&self, score: f32) -> &str {
        if f64::from(score) >= self.threshold {
            &self.label
        } else {
            self.unsure
        }
    }
}

fn read<T: DeserializeOwned>(file: &str, document: &[u8], needed: &str) -> Result<T, String> {
    serde_json::from_slice(document)
        .map_err(|error| format!("file `{file}`: {error}; {needed} in JSON is needed"))
}
