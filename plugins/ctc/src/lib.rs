//! Decodes the scores of a network trained with CTC: the best symbol at each position, repetitions
//! once, blanks removed.
//!
//! The input is either all scores, or the best class at each position with its score (setting
//! `input`). The score of a text is the mean over its symbols. Default: class 0 is the blank,
//! followed by the file's symbols. Bound: an alphabet of `SYMBOLS_MAX` symbols.

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Postprocessor, Signature, any, export,
    size,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::alphabet::Alphabet;
use crate::greedy::{Symbol, best, read};

mod alphabet;
mod greedy;

/// Scores of each class at each position; or of the best class only.
const SCORES: &str = "scores";
/// The best class at each position.
const CLASSES: &str = "classes";
/// Maximum number of symbols of an alphabet.
const SYMBOLS_MAX: usize = 1 << 20;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The form of the input.
    input: Input,
    /// The blank class. The file's symbols are the other classes, in their order.
    blank: usize,
    /// Symbols after those of the file, for example a space.
    append: Vec<String>,
}

/// The form of the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Input {
    /// `scores` of each class at each position.
    #[default]
    Scores,
    /// `classes`, the best one at each position, and their `scores`.
    Path,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            input: Input::Scores,
            blank: 0,
            append: Vec::new(),
        }
    }
}

/// The stage with its alphabet.
#[derive(Debug)]
pub struct Ctc {
    input: Input,
    alphabet: Alphabet,
}

impl Postprocessor for Ctc {
    type Settings = Settings;
    const SUMMARY: &'static str =
        "Reads text from the scores of a network that was trained with CTC.";

    fn open(settings: Settings, files: &Files) -> Result<(Self, Signature), OpenError> {
        let Settings {
            input,
            blank,
            append,
        } = settings;
        let alphabet = Alphabet::read(&files.read("alphabet")?, append).map_err(OpenError::file)?;
        let alphabet = alphabet.with_blank(blank).map_err(OpenError::settings)?;
        let signature = match input {
            Input::Scores => Signature::new().input(
                SCORES,
                Datatype::Fp32,
                [any(), any(), size(alphabet.classes())],
            ),
            Input::Path => Signature::new()
                .input(CLASSES, Datatype::Int64, [any(), any()])
                .input(SCORES, Datatype::Fp32, [any(), any()]),
        };
        let signature = signature.output("text", Datatype::Bytes, [any()]).output(
            "score",
            Datatype::Fp32,
            [any()],
        );
        Ok((Self { input, alphabet }, signature))
    }

    fn postprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let given = inputs.get(SCORES)?;
        let [rows, places] = [0, 1].map(|place| given.shape().get(place).copied().unwrap_or(0));
        let (rows, places) = (
            usize::try_from(rows).unwrap_or(0),
            usize::try_from(places).unwrap_or(0),
        );
        let path = match self.input {
            Input::Scores => self.best_of(given.slice()?)?,
            Input::Path => self.together(inputs.slice(CLASSES)?, given.slice()?)?,
        };
        let mut texts = Vec::with_capacity(rows);
        let mut scores = Vec::with_capacity(rows);
        for row in 0..rows {
            let row = path
                .get(row * places..(row + 1) * places)
                .unwrap_or_default();
            let (text, score) = read(row, &self.alphabet);
            texts.push(text);
            scores.push(score);
        }
        outputs.put_bytes("text", &[rows], texts)?;
        outputs.put_slice("score", &[rows], &scores)
    }
}

impl Ctc {
    fn best_of(&self, scores: &[f32]) -> Result<Vec<Symbol>, Failure> {
        let places = scores.chunks_exact(self.alphabet.classes());
        let best = |(index, place)| {
            best(place).ok_or_else(|| {
                Failure::internal(format!(
                    "input `{SCORES}`: NaN at place {index} of all rows"
                ))
            })
        };
        places.enumerate().map(best).collect()
    }

    fn together(&self, classes: &[i64], scores: &[f32]) -> Result<Vec<Symbol>, Failure> {
        if classes.len() != scores.len() {
            let (classes, scores) = (classes.len(), scores.len());
            return Err(Failure::internal(format!(
                "{classes} elements in `{CLASSES}` and {scores} in `{SCORES}`"
            )));
        }
        let most = self.alphabet.classes();
        let symbol = |(class, score): (&i64, &f32)| {
            let class = usize::try_from(*class)
                .ok()
                .filter(|class| *class < most)
                .ok_or_else(|| {
                    Failure::internal(format!(
                        "input `{CLASSES}`: class {class}; the alphabet has {most}, counted from 0"
                    ))
                })?;
            Ok(Symbol {
                class,
                score: *score,
            })
        };
        classes.iter().zip(scores).map(symbol).collect()
    }
}

export!(postprocessor: Ctc);

#[cfg(test)]
mod tests;
