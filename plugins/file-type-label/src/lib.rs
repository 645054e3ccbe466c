//! Turns the scores of a file-type model into a type, by the rules that come with the model.
//!
//! The largest score wins, the first among equals. A score under the threshold of its type gets
//! `txt` or `unknown` instead, whichever is nearer; the setting `mode` says how careful that is, by
//! default as the model's authors say. A file that is known already keeps that type, with score 1.
//! Bound: a model tells at most 4096 types apart.

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Postprocessor, Signature, any, export,
    size,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::rules::{Config, Rule, Types};

mod rules;

/// The model's scores, a row for each file.
const SCORES: &str = "scores";
/// What a file is known to be without the model; empty where the model decides.
const KNOWN: &str = "known";

/// What the manifest may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How sure the model must be; `high-confidence` unless set.
    #[serde(default)]
    mode: Mode,
}

/// How sure the model must be before its type is the answer.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// As sure as the model's configuration asks for that type.
    #[default]
    HighConfidence,
    /// As sure as the configuration asks in general.
    MediumConfidence,
    /// Not at all.
    BestGuess,
}

/// A rule for each column of the scores.
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
    /// The type of one file, and the score of what the model took it for.
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
