//! Puts lines of text together with their places: what is sure enough, each with its corners in
//! pixels of the picture as it was sent.
//!
//! The page may have been scaled and padded on its way; `frame` says how. Default: lines with a
//! score of at least 0.5, as RapidOCR 1.4 has it. Bound: as many lines as come in.

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Postprocessor, Signature, any, export,
    size,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Numbers of a box: four corners.
const CORNERS: usize = 8;

/// What the manifest may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The score that a line must have to be answered.
    score_min: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { score_min: 0.5 }
    }
}

/// The settings are all there is.
#[derive(Debug)]
pub struct Lines(Settings);

impl Postprocessor for Lines {
    type Settings = Settings;
    const SUMMARY: &'static str = "Puts lines of text together with their places.";

    fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        if !(0.0..=1.0).contains(&settings.score_min) {
            let text = format!(
                "settings.score_min: is {}; 0 to 1 is needed",
                settings.score_min
            );
            return Err(OpenError::settings(text));
        }
        let signature = Signature::new()
            .input("text", Datatype::Bytes, [any()])
            .input("score", Datatype::Fp32, [any()])
            .input("corners", Datatype::Fp32, [any(), size(4), size(2)])
            .input("frame", Datatype::Int64, [size(5)])
            .output("text", Datatype::Bytes, [any()])
            .output("score", Datatype::Fp32, [any()])
            .output("box", Datatype::Fp32, [any(), size(4), size(2)]);
        Ok((Self(settings), signature))
    }

    fn postprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let texts: Vec<&[u8]> = inputs.bytes("text")?.collect();
        let scores: &[f32] = inputs.slice("score")?;
        let boxes = inputs.slice::<f32>("corners")?.chunks_exact(CORNERS);
        let (lines, scored, placed) = (texts.len(), scores.len(), boxes.len());
        if (lines, lines) != (scored, placed) {
            return Err(Failure::internal(format!(
                "{lines} texts, {scored} scores and {placed} places do not fit"
            )));
        }
        let frame = Frame::new(inputs.slice("frame")?)
            .ok_or_else(|| Failure::internal("input `frame` has no sizes"))?;
        let all = texts.into_iter().zip(scores).zip(boxes);
        let kept: Vec<_> = all
            .filter(|((_, score), _)| self.0.score_min <= **score)
            .collect();

        let count = kept.len();
        let boxes: Vec<f32> = kept
            .iter()
            .flat_map(|(_, corners)| frame.original(corners))
            .collect();
        let scores: Vec<f32> = kept.iter().map(|((_, score), _)| **score).collect();
        outputs.put_bytes("text", &[count], kept.iter().map(|((text, _), _)| text))?;
        outputs.put_slice("score", &[count], &scores)?;
        outputs.put_slice("box", &[count, 4, 2], &boxes)
    }
}

/// How a page became what the lines were cut out of.
struct Frame {
    /// Width and height as it was sent.
    original: [f32; 2],
    /// What a pixel of the page measures in pixels of the original.
    ratio: [f32; 2],
    /// What was added before it.
    added: [f32; 2],
}

impl Frame {
    fn new(numbers: &[i64]) -> Option<Self> {
        let &[height, width, scaled_height, scaled_width, above] = numbers else {
            return None;
        };
        let side = |side: i64| {
            u32::try_from(side)
                .ok()
                .filter(|side| *side > 0)
                .map(f64::from)
        };
        let (height, width) = (side(height)?, side(width)?);
        let ratio = [width / side(scaled_width)?, height / side(scaled_height)?].map(single);
        let above = single(f64::from(u32::try_from(above).ok()?));
        Some(Self {
            original: [width, height].map(single),
            ratio,
            added: [0.0, above],
        })
    }

    /// Corners on the picture as it was sent, and within it.
    fn original<'a>(&self, corners: &'a [f32]) -> impl Iterator<Item = f32> + use<'a> {
        let Self {
            original,
            ratio,
            added,
        } = *self;
        let axes = [0, 1].into_iter().cycle();
        corners.iter().zip(axes).map(move |(place, axis)| {
            ((place - added[axis]) * ratio[axis])
                .max(0.0)
                .min(original[axis])
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounded once")]
const fn single(value: f64) -> f32 {
    value as f32
}

export!(postprocessor: Lines);

#[cfg(test)]
mod tests;
