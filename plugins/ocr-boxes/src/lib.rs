//! Finds text lines in the map of a text detector, and crops them from the page.
//!
//! The map has for each pixel the probability of being in the middle of a line (differentiable
//! binarisation). Regions over `threshold` become rectangles; those with a high enough mean
//! (`box_threshold`) are grown and cropped from the page, upright. The defaults are those of
//! RapidOCR 1.4. Bounds: `max_boxes`, and `max_crop_pixels` of all crops together.

use hotstage_raster::{CHANNELS, Raster, View};
use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, Model, OpenError, Outputs, Signature, Tensor, any, export,
    size,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::boxes::{Corners, Extent, boxes};

mod boxes;
mod cut;
mod geometry;
mod grow;
mod regions;
mod score;

/// The map of probabilities.
const MAP: &str = "map";
/// The page from which the lines are cropped.
const PAGE: &str = "page";

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The value above which a pixel of the map belongs to a line.
    threshold: f32,
    /// The minimum mean of the map over a rectangle for it to be a line.
    box_threshold: f64,
    /// How much a rectangle grows on each side: its area times this, divided by its circumference.
    grow: f64,
    /// Maximum boxes; of more, those that begin lowest on the page are kept.
    #[schemars(range(min = 1))]
    max_boxes: usize,
    /// Maximum pixels of all crops together.
    #[schemars(range(min = 1))]
    max_crop_pixels: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            threshold: 0.3,
            box_threshold: 0.5,
            grow: 1.6,
            max_boxes: 1000,
            max_crop_pixels: 8 << 20,
        }
    }
}

/// The stage, which consists of its settings.
#[derive(Debug)]
pub struct Boxes(Settings);

impl Model for Boxes {
    type Settings = Settings;
    const SUMMARY: &'static str =
        "Finds the lines in the map of a text detector, and cuts them out of the page.";

    fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        settings.check().map_err(OpenError::settings)?;
        let signature = Signature::new()
            .input(MAP, Datatype::Fp32, [any(), size(1), any(), any()])
            .input(
                PAGE,
                Datatype::Uint8,
                [size(1), any(), any(), size(CHANNELS)],
            )
            .output("corners", Datatype::Fp32, [any(), size(4), size(2)])
            .output("crops", Datatype::Uint8, [any()])
            .output("crop_sizes", Datatype::Int64, [any(), size(2)]);
        Ok((Self(settings), signature))
    }

    fn infer(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let extent = extent_of(inputs.get(MAP)?);
        let map: &[f32] = inputs.slice(MAP)?;
        if map.len() != extent.width * extent.height {
            return Err(Failure::internal(format!(
                "input `{MAP}` is the map of several pages; that of one is needed"
            )));
        }
        let page = inputs.get(PAGE)?;
        let Some(page) =
            sides(page, 1).and_then(|(height, width)| View::new(width, height, page.slice().ok()?))
        else {
            return Err(Failure::internal(format!(
                "input `{PAGE}` is no page: sides are 1 to 65535"
            )));
        };
        let whole = Extent {
            width: page.width(),
            height: page.height(),
        };
        let boxes = boxes(map, extent, whole, &self.0);
        let crops = self.crops(&page, &boxes)?;

        let corners: Vec<f32> = boxes
            .iter()
            .flatten()
            .flat_map(|corner| [corner.x, corner.y])
            .collect();
        outputs.put_slice("corners", &[boxes.len(), 4, 2], &corners)?;
        let size = |side: usize| i64::try_from(side).unwrap_or(i64::MAX);
        let sizes: Vec<i64> = crops
            .iter()
            .flat_map(|crop| [crop.view().height(), crop.view().width()])
            .map(size)
            .collect();
        outputs.put_slice("crop_sizes", &[crops.len(), 2], &sizes)?;
        let levels: Vec<u8> = crops.into_iter().flat_map(Raster::into_levels).collect();
        outputs.put_slice("crops", &[levels.len()], &levels)
    }
}

impl Boxes {
    fn crops(&self, page: &View<'_>, boxes: &[Corners]) -> Result<Vec<Raster>, Failure> {
        let most = self.0.max_crop_pixels;
        let pixels = boxes
            .iter()
            .map(cut::extent)
            .map(|Extent { width, height }| width.saturating_mul(height));
        let pixels = pixels.fold(0, usize::saturating_add);
        if most < pixels {
            return Err(Failure::invalid_input(format!(
                "the page's {} lines have {pixels} pixels; {most} are allowed (`max_crop_pixels`): cut the page into \
                 parts, or make it smaller",
                boxes.len()
            )));
        }
        let crop = |corners: &Corners| {
            cut::cut(page, corners).ok_or_else(|| Failure::internal("a line that has no size"))
        };
        boxes.iter().map(crop).collect()
    }
}

fn extent_of(map: &Tensor) -> Extent {
    let (height, width) = sides(map, 2).unwrap_or_default();
    Extent { width, height }
}

/// The dimensions at this index and the next.
fn sides(tensor: &Tensor, first: usize) -> Option<(usize, usize)> {
    let side = |place: usize| {
        tensor
            .shape()
            .get(place)
            .and_then(|side| usize::try_from(*side).ok())
    };
    Some((side(first)?, side(first + 1)?))
}

impl Settings {
    fn check(&self) -> Result<(), String> {
        let parts = [
            ("threshold", f64::from(self.threshold)),
            ("box_threshold", self.box_threshold),
        ];
        for (key, part) in parts {
            if !(0.0..=1.0).contains(&part) {
                return Err(format!("settings.{key}: is {part}; 0 to 1 is needed"));
            }
        }
        if !(0.0..=100.0).contains(&self.grow) {
            return Err(format!(
                "settings.grow: is {}; 0 to 100 is needed",
                self.grow
            ));
        }
        for (key, count, most) in [
            ("max_boxes", self.max_boxes, 100_000),
            ("max_crop_pixels", self.max_crop_pixels, 1 << 28),
        ] {
            if !(1..=most).contains(&count) {
                return Err(format!("settings.{key}: is {count}; 1 to {most} is needed"));
            }
        }
        Ok(())
    }
}

export!(model: Boxes);

#[cfg(test)]
mod tests;
