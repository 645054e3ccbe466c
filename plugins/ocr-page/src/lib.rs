//! Prepares a page for a text detection network, and records the transformation.
//!
//! The page is scaled down to `longest_max` or up to `shortest_min`, and a flat page gets black
//! rows above and below; lines are cropped from this page later. For the network it is scaled once
//! more, so that its shorter side has at least `network_shortest` pixels, and normalised. The
//! defaults are those of RapidOCR 1.4. Bounds: one page per request, and `max_network_pixels`.

use hotstage_raster::{CHANNELS, Normaliser, Raster, View};
use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Preprocessor, Signature, any, export,
    size,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::plan::{Plan, Size};

mod plan;

/// The original page: levels, row by row.
const PIXELS: &str = "pixels";

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A page whose longer side has more pixels is scaled down to this.
    #[schemars(range(min = 1))]
    longest_max: usize,
    /// A page whose shorter side has fewer pixels is scaled up to this.
    #[schemars(range(min = 1))]
    shortest_min: usize,
    /// A page with at most this many rows gets black rows above and below.
    #[schemars(range(min = 1))]
    height_min: usize,
    /// So does a page that is more than this many times as wide as high.
    aspect_max: f64,
    /// The minimum length of the shorter side for the network.
    #[schemars(range(min = 1))]
    network_shortest: usize,
    /// Scaled sides are multiples of this.
    #[schemars(range(min = 1))]
    multiple_of: usize,
    /// Subtracted from each level of 0 to 1, one number per channel.
    mean: [f64; CHANNELS],
    /// Divides after that, one number per channel.
    std: [f64; CHANNELS],
    /// Maximum pixels for the network.
    #[schemars(range(min = 1))]
    max_network_pixels: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            longest_max: 2000,
            shortest_min: 30,
            height_min: 30,
            aspect_max: 8.0,
            network_shortest: 736,
            multiple_of: 32,
            mean: [0.5; CHANNELS],
            std: [0.5; CHANNELS],
            max_network_pixels: 5 << 20,
        }
    }
}

/// The settings, and the table derived from them.
#[derive(Debug)]
pub struct Page {
    settings: Settings,
    normaliser: Normaliser,
}

impl Preprocessor for Page {
    type Settings = Settings;
    const SUMMARY: &'static str = "Makes a page ready for a network that finds text in it.";

    fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        settings.check().map_err(OpenError::settings)?;
        let levels = [any(), any(), any(), size(CHANNELS)];
        let signature = Signature::new()
            .input(PIXELS, Datatype::Uint8, levels)
            .output("page", Datatype::Uint8, levels)
            .output(
                "network",
                Datatype::Fp32,
                [size(1), size(CHANNELS), any(), any()],
            )
            .output("frame", Datatype::Int64, [size(5)]);
        let normaliser = Normaliser::new(settings.mean, settings.std);
        Ok((
            Self {
                settings,
                normaliser,
            },
            signature,
        ))
    }

    fn preprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let pixels = inputs.take(PIXELS)?;
        let &[1, height, width, _] = pixels.shape() else {
            let pages = pixels.shape().first().copied().unwrap_or_default();
            return Err(Failure::invalid_input(format!(
                "{pages} pages in a request; send each by itself"
            )));
        };
        let side = |side: u64| usize::try_from(side).unwrap_or(usize::MAX);
        let original = Size {
            height: side(height),
            width: side(width),
        };
        let plan = Plan::new(original, &self.settings).map_err(Failure::invalid_input)?;
        let came =
            View::new(original.width, original.height, pixels.slice()?).ok_or_else(|| {
                Failure::invalid_input(format!(
                    "a page of {width} × {height} pixels; sides are 1 to 65535"
                ))
            })?;

        let changed = (plan.scaled != original || plan.above != 0).then(|| framed(&came, &plan));
        let page = changed.as_ref().map_or(came, Raster::view);
        let Size { height, width } = plan.network;
        let network = outputs.make_slice("network", &[1, CHANNELS, height, width])?;
        self.normaliser
            .write(&page.resized(width, height).view(), width, network);
        outputs.put_slice("frame", &[5], &plan.frame())?;
        match changed {
            Some(page) => {
                let shape = [1, page.view().height(), page.view().width(), CHANNELS];
                outputs.put_slice("page", &shape, page.view().levels())
            }
            None => outputs.put("page", pixels),
        }
    }
}

/// Scaled, with black rows above and below.
fn framed(page: &View<'_>, plan: &Plan) -> Raster {
    let Size { height, width } = plan.scaled;
    let scaled = page.resized(width, height);
    let mut levels = vec![0; plan.above * width * CHANNELS];
    levels.extend_from_slice(scaled.view().levels());
    levels.resize(levels.len() + plan.above * width * CHANNELS, 0);
    Raster::new(width, height + 2 * plan.above, levels).unwrap_or(scaled)
}

impl Plan {
    /// Original height and width, scaled height and width, black rows above.
    fn frame(&self) -> [i64; 5] {
        let Self {
            original,
            scaled,
            above,
            ..
        } = *self;
        [
            original.height,
            original.width,
            scaled.height,
            scaled.width,
            above,
        ]
        .map(|number| i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl Settings {
    fn check(&self) -> Result<(), String> {
        let counts = [
            ("longest_max", self.longest_max),
            ("shortest_min", self.shortest_min),
            ("height_min", self.height_min),
            ("network_shortest", self.network_shortest),
            ("multiple_of", self.multiple_of),
            ("max_network_pixels", self.max_network_pixels),
        ];
        for (key, count) in counts {
            if !(1..=1 << 26).contains(&count) {
                return Err(format!(
                    "settings.{key}: is {count}; 1 to 67108864 is needed"
                ));
            }
        }
        if self.longest_max < self.shortest_min {
            return Err("settings.shortest_min: is more than `longest_max`".to_owned());
        }
        if !(self.aspect_max.is_finite() && 1.0 <= self.aspect_max) {
            return Err(format!(
                "settings.aspect_max: is {}; 1 or more is needed",
                self.aspect_max
            ));
        }
        if let Some(index) = self.mean.iter().position(|mean| !mean.is_finite()) {
            return Err(format!(
                "settings.mean[{index}]: is {}; a number is needed",
                self.mean[index]
            ));
        }
        if let Some(index) = self
            .std
            .iter()
            .position(|std| !(std.is_finite() && *std != 0.0))
        {
            return Err(format!(
                "settings.std[{index}]: is {}; a number other than 0 is needed",
                self.std[index]
            ));
        }
        Ok(())
    }
}

export!(preprocessor: Page);

#[cfg(test)]
mod tests;
