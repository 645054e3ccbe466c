//! Turns the scores of a file-type model into a type, by the model's own rules.
//!
//! The largest score wins, the first among equals. A score below the threshold of its type gives
//! `txt` or `unknown` instead, whichever matches; the setting `mode` selects the thresholds,
//! default: those of the model's authors. A file with a known type keeps it, with score 1. Bound:
//! 4096 types.

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Postprocessor, Signature, any, export,
    size,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::rules::{Config, Rule, Types};

mod rules;

/// The model's scores, a row per file.
const SCORES: &str = "scores";
/// The type of a file that needs no model; empty if the model decides.
const KNOWN: &str = "known";

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The thresholds; default `high-confidence`.
    #[serde(default)]
    mode: Mode,
}

/// The thresholds for the model's scores.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The threshold of each type in the model's configuration.
    #[default]
    HighConfidence,
    /// The general threshold of the configuration.
    MediumConfidence,
    /// No threshold.
    BestGuess,
}

/// The stage with a rule for each column of the scores.
#[derive(Debug)]
pub struct FileTypes {
    rules: Vec<Rule>,
}

impl Postprocessor for FileTypes {
    type Settings = Settings;
    const SUMMARY: &'static str = "Turns the scores of a file-type model into a type.";

    fn open(settings: Settings, files: &Files) -> Result<(Self, Signature), OpenError> {
        let config = Config::read(&files.read("config")?).map_err(OpenError::file)?;
        let types = Types::read(&files.read("types")?).map_err(OpenError::file)?;
        let rules = config
            .rules(&types, settings.mode)
            .map_err(OpenError::file)?;
        let signature = Signature::new()
            .input(SCORES, Datatype::Fp32, [any(), size(rules.len())])
            .input(KNOWN, Datatype::Bytes, [any()])
            .output("label", Datatype::Bytes, [any()])
            .output("score", Datatype::Fp32, [any()]);
        Ok((Self { rules }, signature))
    }

    fn postprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let known: Vec<&[u8]> = inputs.bytes(KNOWN)?.collect();
        let rows = inputs.slice::<f32>(SCORES)?.chunks_exact(self.rules.len());
        let (count, scored) = (known.len(), rows.len());
        if count != scored {
            return Err(Failure::internal(format!(
                "input `{SCORES}` has {scored} rows and input `{KNOWN}` {count} elements; each file needs one of both"
            )));
        }
        let scores = outputs.make_slice::<f32>("score", &[count])?;
        let mut labels = Vec::with_capacity(count);
        for (index, ((row, known), score)) in rows.zip(known).zip(scores).enumerate() {
            let (label, certainty) = if known.is_empty() {
                self.pick(index, row)?
            } else {
                (known, 1.0)
            };
            *score = certainty;
            labels.push(label);
        }
        outputs.put_bytes("label", &[count], labels)
    }
}

impl FileTypes {
    /// The type of one file, and the score of the model's best type.
    fn pick(&self, index: usize, row: &[f32]) -> Result<(&[u8], f32), Failure> {
        if let Some(column) = row.iter().position(|score| score.is_nan()) {
            return Err(Failure::internal(format!(
                "input `{SCORES}`: row {index}, column {column} is NaN: the model answered no number"
            )));
        }
        let best = |best: (usize, f32), (column, &score): (usize, &f32)| {
            if best.1 < score {
                (column, score)
            } else {
                best
            }
        };
        let (column, score) = row.iter().enumerate().fold((0, f32::NEG_INFINITY), best);
        Ok((self.rules[column].label(score).as_bytes(), score))
    }
}

export!(postprocessor: FileTypes);

#[cfg(test)]
mod tests;
