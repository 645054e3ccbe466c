//! Combines lines of text with their positions: keeps lines with a high enough score, with corners
//! in pixels of the original picture.
//!
//! `frame` describes how the page was scaled and padded. Default: lines with a score of at least
//! 0.5, as in RapidOCR 1.4. Bound: the number of input lines.

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Postprocessor, Signature, any, export,
    size,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// Numbers of a box: four corners.
const CORNERS: usize = 8;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The minimum score of a line.
    score_min: f32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { score_min: 0.5 }
    }
}

/// The stage, which consists of its settings.
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

/// The transformation from the original picture to the page.
struct Frame {
    /// Width and height of the original.
    original: [f32; 2],
    /// The size of a page pixel in pixels of the original.
    ratio: [f32; 2],
    /// The padding before the page.
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

    /// Corners on the original picture, clamped to it.
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
