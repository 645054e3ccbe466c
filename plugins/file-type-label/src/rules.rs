//! The rules of the model's authors: which type a column of the scores is, and how sure the model
//! must be of it.
//!
//! They are put together once, from two JSON documents that come with the model and say more than
//! is read here: its configuration, and what is known of each type. Bound: [`TYPES_MAX`] types.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Mode;

/// Types that a model may tell apart.
const TYPES_MAX: usize = 4096;

/// The part of the model's configuration that is about its answers. The names are the model's.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    target_labels_space: Vec<String>,
    medium_confidence_threshold: f64,
    thresholds: BTreeMap<String, f64>,
    overwrite_map: BTreeMap<String, String>,
}

/// What is known of each type.
pub(crate) struct Types(BTreeMap<String, Type>);

#[derive(Deserialize)]
struct Type {
    is_text: bool,
}

/// What a column of the scores means.
#[derive(Debug)]
pub(crate) struct Rule {
    label: String,
    /// The answer when the model is not sure: text of some kind, or something else.
    unsure: &'static str,
    /// From which score on the model is sure. Compared in 64 bits, as the reference does: 0.9 is no
    /// 32-bit number.
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
    /// The type of a file that the model took for this one.
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
