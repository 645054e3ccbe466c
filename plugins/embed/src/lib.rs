//! Turns token embeddings into one embedding for each text: pooled, cut to fewer dimensions,
//! brought to length 1.
//!
//! Default: the mean over the tokens that the mask names, divided by its length; [`Settings`]
//! changes each. Sums are taken in `f64` and rounded once. What is no number, and a row without
//! tokens, is an earlier stage's defect, so it is an internal failure. Bound: beside the inputs and
//! the answer, one row in memory.

mod pool;

use hotstage_sdk::{
    Datatype, Dimension, Element, Failure, Files, Inputs, OpenError, Outputs, Postprocessor,
    Signature, any, bf16, export, f16, size,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the manifest may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How the tokens' embeddings become the text's.
    pooling: Pooling,
    /// Whether an embedding is divided by its length, so that a dot product of two is their cosine.
    normalise: bool,
    /// How many of an embedding's first numbers are kept, before its length is looked at: for
    /// models that were trained so that the first ones suffice. All, unless set.
    dimensions: Option<usize>,
    /// The name of the embeddings' input.
    input: String,
    /// The name of the mask's input; with `pooling: none` there is none.
    mask: String,
    /// The name of the output.
    output: String,
    /// What the embeddings' elements are.
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

/// How the tokens' embeddings become the text's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// The mean over the tokens.
    Mean,
    /// The first token's, which is `[CLS]` where a tokenizer adds one.
    Cls,
    /// The largest over the tokens, for each number.
    Max,
    /// The last token's.
    Last,
    /// None: the model has pooled already, and its output has a row for each text.
    None,
}

/// A datatype of embeddings.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Float {
    /// 32 bits.
    Fp32,
    /// 16 bits, as IEEE 754 has them.
    Fp16,
    /// 16 bits: the upper half of 32.
    Bf16,
}

/// A pooling with its names.
#[derive(Debug)]
pub struct Embed {
    settings: Settings,
    /// The embedding of one text while it is made.
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
        // A table without tokens has no text to look at; with texts, each of them is refused by its
        // mask.
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
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounding is what this is for"
)]
const fn round(number: f64) -> f32 {
    number as f32
}

fn narrow(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

export!(postprocessor: Embed);

#[cfg(test)]
mod tests;
