//! Turns token embeddings into one embedding per text: pools them, optionally truncates dimensions,
//! and normalises to length 1.
//!
//! Default: the mean over the tokens of the mask, normalised; [`Settings`] changes each step. Sums
//! are computed in `f64` and rounded once. A NaN or a row without tokens is a defect of an earlier
//! stage, so it is an internal failure. Bound: one row of memory besides inputs and output.
//! the answer, one row in memory.

mod pool;

use hotstage_sdk::{
    Datatype, Dimension, Element, Failure, Files, Inputs, OpenError, Outputs, Postprocessor,
    Signature, any, bf16, export, f16, size,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How token embeddings are combined into a text's embedding.
    pooling: Pooling,
    /// Whether an embedding is normalised to length 1, so that a dot product of two is their
    /// cosine.
    normalise: bool,
    /// The number of leading dimensions that are kept, before normalisation: for models trained for
    /// truncation. Default: all.
    dimensions: Option<usize>,
    /// The name of the input with the embeddings.
    input: String,
    /// The name of the mask's input; not used with `pooling: none`.
    mask: String,
    /// The name of the output.
    output: String,
    /// The datatype of the embeddings.
    datatype: Float,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pooling: Pooling::Mean,
            normalise: true,
            dimensions: None,
            input: "last_hidden_state".to_owned(),
            mask: "attention_mask".to_owned(),
            output: "embedding".to_owned(),
            datatype: Float::Fp32,
        }
    }
}

/// How token embeddings are combined into a text's embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean over the tokens.
    Mean,
    /// The first token's embedding, which is that of `[CLS]` if the tokenizer adds it.
    Cls,
    /// The maximum over the tokens, in each dimension.
    Max,
    /// The last token's embedding.
    Last,
    /// None: the model has already pooled, and its output has a row for each text.
    None,
}

/// A datatype of embeddings.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Float {
    /// 32 bits.
    Fp32,
    /// 16 bits, IEEE 754 half precision.
    Fp16,
    /// 16 bits, the upper half of a 32-bit float.
    Bf16,
}

/// The stage with its settings.
#[derive(Debug)]
pub struct Embed {
    settings: Settings,
    /// Buffer for the embedding of one text.
    row: Vec<f64>,
}

impl Postprocessor for Embed {
    type Settings = Settings;
    const SUMMARY: &'static str = "Turns token embeddings into one embedding for each text.";

    fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        if settings.dimensions == Some(0) {
            return Err(OpenError::settings(
                "settings.dimensions: is 0; it must be at least 1",
            ));
        }
        let datatype = match settings.datatype {
            Float::Fp32 => Datatype::Fp32,
            Float::Fp16 => Datatype::Fp16,
            Float::Bf16 => Datatype::Bf16,
        };
        let signature = match settings.pooling {
            Pooling::None => Signature::new().input(&settings.input, datatype, [any(), any()]),
            _ => Signature::new()
                .input(&settings.input, datatype, [any(), any(), any()])
                .input(&settings.mask, Datatype::Int64, [any(), any()]),
        };
        let width: Dimension = settings.dimensions.map_or(any(), size);
        let signature = signature.output(&settings.output, Datatype::Fp32, [any(), width]);
        Ok((
            Self {
                settings,
                row: Vec::new(),
            },
            signature,
        ))
    }

    fn postprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        match self.settings.datatype {
            Float::Fp32 => self.embed::<f32>(inputs, outputs),
            Float::Fp16 => self.embed::<f16>(inputs, outputs),
            Float::Bf16 => self.embed::<bf16>(inputs, outputs),
        }
    }
}

impl Embed {
    fn embed<T: Element + Into<f64>>(
        &mut self,
        inputs: &Inputs,
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        let Self { settings, row } = self;
        let Settings {
            pooling,
            input,
            mask,
            ..
        } = &*settings;
        let shape = inputs.get(input)?.shape();
        let embeddings = inputs.slice::<T>(input)?;
        let (texts, tokens, width, mask) = match (pooling, shape) {
            (Pooling::None, &[texts, width]) => (texts, 1, width, None),
            (_, &[texts, tokens, width]) => {
                let given = inputs.get(mask)?.shape();
                if given != [texts, tokens] {
                    return Err(Failure::internal(format!(
                        "input `{mask}`: has shape {given:?}, and `{input}` has {shape:?}; the first two must be alike"
                    )));
                }
                (texts, tokens, width, Some(inputs.slice::<i64>(mask)?))
            }
            _ => {
                return Err(Failure::internal(format!(
                    "input `{input}`: {shape:?} is no shape of embeddings"
                )));
            }
        };
        let (texts, tokens, width) = (narrow(texts), narrow(tokens), narrow(width));
        let kept = settings.dimensions.unwrap_or(width);
        if width == 0 || width < kept {
            return Err(Failure::internal(format!(
                "input `{input}`: its embeddings have {width} numbers, and at least {} are needed",
                kept.max(1)
            )));
        }
        row.resize(kept, 0.0);
        let answers = outputs.make_slice::<f32>(&settings.output, &[texts, kept])?;
        // A table without tokens must have no texts; otherwise each text is refused for its mask.
        for (text, answer) in answers.chunks_exact_mut(kept).enumerate() {
            let tokens_of = &embeddings[text * tokens * width..][..tokens * width];
            let mask = mask.map(|mask| &mask[text * tokens..][..tokens]);
            if !pool::pool(*pooling, tokens_of, width, mask, row) {
                let mask = &settings.mask;
                return Err(Failure::internal(format!(
                    "input `{mask}`: row {text} names no token"
                )));
            }
            if let Some(column) = row.iter().position(|number| !number.is_finite()) {
                let number = row[column];
                return Err(Failure::internal(format!(
                    "input `{input}`: row {text}, column {column} is {number}: the model answered no number"
                )));
            }
            if settings.normalise {
                pool::normalise(row);
            }
            answer
                .iter_mut()
                .zip(&*row)
                .for_each(|(place, number)| *place = round(*number));
        }
        Ok(())
    }
}

/// The nearest `f32`.
#[expect(clippy::cast_possible_truncation, reason = "rounding is intended")]
const fn round(number: f64) -> f32 {
    number as f32
}

fn narrow(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

export!(postprocessor: Embed);

#[cfg(test)]
mod tests;
