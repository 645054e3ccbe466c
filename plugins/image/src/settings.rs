//! Settings in the manifest, and their validation.
//!
//! Default: RGB as FP32 between 0 and 1, NCHW, in the picture's own size. Each key below changes
//! one step. Bounds: `max_pixels`, `max_images` and `max_output_bytes`; with their defaults a call
//! fits the 256 MiB of memory that is the default of `limits.memory`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::choices::{Alpha, Colour, Convention, Filter, Fit, Kind, Layout, Place, Rounding};

/// Default for pixels of one picture, before and after resizing: 4096 × 3072, a camera's 12
/// megapixels. A decoder takes at most 11 bytes for each, so 132 MiB.
const PIXELS_MAX: usize = 4096 * 3072;
/// Default for pictures per request.
const IMAGES_MAX: usize = 64;
/// Default for bytes of the output. With the maximum number of pixels and a request body of 64 MiB,
/// a call fits in 256 MiB.
const OUTPUT_BYTES_MAX: usize = 32 << 20;
/// Maximum side of a picture or of the output: the limit of JPEG.
pub(crate) const SIDE_MAX: usize = 65_535;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Name of the input: BYTES [-1], one file in each element.
    #[serde(default = "image")]
    pub(crate) input: String,
    /// Name of the output.
    #[serde(default = "pixels")]
    pub(crate) output: String,
    /// Name of a second output, INT64 [-1, 2]: height and width of each picture after `orient`,
    /// before resizing. Default: none.
    #[serde(default)]
    pub(crate) original_size: Option<String>,
    /// Whether to rotate and mirror the picture by its EXIF tag `Orientation`.
    #[serde(default = "yes")]
    pub(crate) orient: bool,
    /// The channels and their order.
    #[serde(default)]
    pub(crate) colour: Colour,
    /// The handling of transparency.
    #[serde(default)]
    pub(crate) alpha: Alpha,
    /// The colour under transparent pixels: red, green, blue.
    #[serde(default = "white")]
    pub(crate) background: [u8; 3],
    /// The target size. Default: the picture keeps its size.
    #[serde(default)]
    pub(crate) resize: Option<Resize>,
    /// Height and width of a crop from the middle, after resizing.
    #[serde(default)]
    pub(crate) crop: Option<[usize; 2]>,
    /// The factor for each level of 0 to 255. Default: 1/255.
    #[serde(default)]
    pub(crate) scale: Option<f64>,
    /// Subtracted after scaling, one number per channel, in the order of the output.
    #[serde(default)]
    pub(crate) mean: Option<Vec<f64>>,
    /// Divides after that, one number per channel: finite and more than 0.
    #[serde(default)]
    pub(crate) std: Option<Vec<f64>>,
    /// The datatype and range of an element.
    #[serde(default)]
    pub(crate) datatype: Kind,
    /// The memory layout of the elements.
    #[serde(default)]
    pub(crate) layout: Layout,
    /// Maximum pixels of a picture, before and after resizing.
    #[serde(default = "pixels_max")]
    pub(crate) max_pixels: usize,
    /// Maximum pictures per request.
    #[serde(default = "images_max")]
    pub(crate) max_images: usize,
    /// Maximum bytes of the output.
    #[serde(default = "output_bytes_max")]
    pub(crate) max_output_bytes: usize,
}

/// The target size: one of `size`, `shortest` and `longest`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resize {
    /// Height and width.
    #[serde(default)]
    pub(crate) size: Option<[usize; 2]>,
    /// Target length of the shorter side; the other one keeps the aspect ratio.
    #[serde(default)]
    pub(crate) shortest: Option<usize>,
    /// Target length of the longer side; the other one keeps the aspect ratio.
    #[serde(default)]
    pub(crate) longest: Option<usize>,
    /// With `size`: the handling of other aspect ratios. Default: `stretch`.
    #[serde(default)]
    pub(crate) fit: Option<Fit>,
    /// With `fit: contain`: the colour of the padding, as red, green, blue. Default: black.
    #[serde(default)]
    pub(crate) pad: Option<[u8; 3]>,
    /// With `fit: contain`: the position of the picture. Default: `centre`.
    #[serde(default)]
    pub(crate) place: Option<Place>,
    /// With `shortest` or `longest`: both sides are rounded to the nearest multiple of it, at least
    /// once it.
    #[serde(default)]
    pub(crate) multiple_of: Option<usize>,
    /// With `shortest` or `longest`: whether smaller pictures are enlarged. Default: true.
    #[serde(default)]
    pub(crate) enlarge: Option<bool>,
    /// With `shortest` or `longest`: whether larger pictures are reduced. Default: true.
    #[serde(default)]
    pub(crate) shrink: Option<bool>,
    /// The rounding of the side that keeps the aspect ratio.
    #[serde(default)]
    pub(crate) rounding: Rounding,
    /// The resampling filter.
    #[serde(default)]
    pub(crate) filter: Filter,
    /// The library whose resizing is reproduced.
    #[serde(default)]
    pub(crate) convention: Convention,
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self {
            max_pixels,
            max_images,
            max_output_bytes,
            ..
        } = self;
        for (key, bound) in [
            ("max_pixels", max_pixels),
            ("max_images", max_images),
            ("max_output_bytes", max_output_bytes),
        ] {
            if *bound == 0 {
                return Err(format!("settings.{key}: is 0; it must be at least 1"));
            }
        }
        if let Some(resize) = &self.resize {
            resize.check()?;
        }
        if let Some(crop) = self.crop {
            check_sides("settings.crop", crop)?;
        }
        self.check_frame()?;
        self.check_numbers()
    }

    /// The crop must fit into the resized picture, and both must be within the bounds.
    fn check_frame(&self) -> Result<(), String> {
        let Some(resize) = &self.resize else {
            return Ok(());
        };
        if let (Some([height, width]), Some([crop_height, crop_width])) = (resize.size, self.crop)
            && (height < crop_height || width < crop_width)
        {
            return Err(format!(
                "settings.crop: is {crop_height} × {crop_width}, and settings.resize.size is {height} × {width}; it \
                 must fit into it"
            ));
        }
        if let Some([height, width]) = resize.size
            && self.max_pixels / height < width
        {
            let most = self.max_pixels;
            return Err(format!(
                "settings.resize.size: is {height} × {width}; settings.max_pixels allows {most} in all"
            ));
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), String> {
        let channels = self.colour.channels();
        let given = [
            ("scale", self.scale.is_some()),
            ("mean", self.mean.is_some()),
            ("std", self.std.is_some()),
        ];
        if self.datatype == Kind::Uint8
            && let Some((key, _)) = given.iter().find(|(_, given)| *given)
        {
            return Err(format!(
                "settings.{key}: has no effect on UINT8, whose elements are the levels; remove it"
            ));
        }
        if let Some(scale) = self
            .scale
            .filter(|scale| !scale.is_finite() || *scale == 0.0)
        {
            return Err(format!(
                "settings.scale: is {scale}; a finite number other than 0 is needed"
            ));
        }
        for (key, numbers) in [("mean", &self.mean), ("std", &self.std)] {
            let Some(numbers) = numbers else { continue };
            if numbers.len() != channels {
                let length = numbers.len();
                return Err(format!(
                    "settings.{key}: has {length} elements; it needs one for each of {channels} channels"
                ));
            }
            if let Some(index) = numbers.iter().position(|number| !number.is_finite()) {
                let number = numbers[index];
                return Err(format!(
                    "settings.{key}[{index}]: is {number}; a finite number is needed"
                ));
            }
        }
        match self.std.iter().flatten().position(|std| *std <= 0.0) {
            Some(index) => Err(format!(
                "settings.std[{index}]: is not more than 0; it must be"
            )),
            None => Ok(()),
        }
    }
}

impl Resize {
    fn check(&self) -> Result<(), String> {
        let Self {
            size,
            shortest,
            longest,
            multiple_of,
            ..
        } = self;
        let given = [size.is_some(), shortest.is_some(), longest.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err(
                "settings.resize: needs exactly one of `size`, `shortest` and `longest`".to_owned(),
            );
        }
        if let Some(size) = *size {
            check_sides("settings.resize.size", size)?;
        }
        for (key, side) in [
            ("shortest", shortest),
            ("longest", longest),
            ("multiple_of", multiple_of),
        ] {
            if let Some(side) = side.filter(|side| !(1..=SIDE_MAX).contains(side)) {
                return Err(format!(
                    "settings.resize.{key}: is {side}; 1 to {SIDE_MAX} are allowed"
                ));
            }
        }
        self.check_effect()?;
        if (self.filter, self.convention) == (Filter::Hamming, Convention::Opencv) {
            return Err("settings.resize.filter: OpenCV has no `hamming`; use `convention: pillow`, or another filter"
                .to_owned());
        }
        Ok(())
    }

    /// A key that has no effect in combination with the other keys is refused.
    fn check_effect(&self) -> Result<(), String> {
        let Self {
            fit,
            pad,
            place,
            multiple_of,
            enlarge,
            shrink,
            ..
        } = self;
        let has_size = self.size.is_some();
        let is_contained = *fit == Some(Fit::Contain);
        let (one_side, contain) = ("`shortest` or `longest`", "`fit: contain`");
        let needless = [
            ("fit", fit.is_some() && !has_size, "`size`"),
            ("multiple_of", multiple_of.is_some() && has_size, one_side),
            ("enlarge", enlarge.is_some() && has_size, one_side),
            ("shrink", shrink.is_some() && has_size, one_side),
            ("pad", pad.is_some() && !is_contained, contain),
            ("place", place.is_some() && !is_contained, contain),
        ];
        match needless.iter().find(|(_, is_needless, _)| *is_needless) {
            Some((key, _, with)) => Err(format!(
                "settings.resize.{key}: has an effect with {with} only; remove it"
            )),
            None => Ok(()),
        }
    }
}

fn check_sides(key: &str, sides: [usize; 2]) -> Result<(), String> {
    match sides.iter().position(|side| !(1..=SIDE_MAX).contains(side)) {
        Some(index) => Err(format!(
            "{key}[{index}]: is {}; 1 to {SIDE_MAX} are allowed",
            sides[index]
        )),
        None => Ok(()),
    }
}

fn image() -> String {
    "image".to_owned()
}

fn pixels() -> String {
    "pixels".to_owned()
}

const fn yes() -> bool {
    true
}

const fn white() -> [u8; 3] {
    [255; 3]
}

const fn pixels_max() -> usize {
    PIXELS_MAX
}

const fn images_max() -> usize {
    IMAGES_MAX
}

const fn output_bytes_max() -> usize {
    OUTPUT_BYTES_MAX
}
