//! The enumerated values of settings, with their defaults.
//!
//! A manifest writes them in lower case; their comments become descriptions in the settings' JSON
//! Schema.

use schemars::JsonSchema;
use serde::Deserialize;

macro_rules! choice {
    ($(#[$about:meta])* $name:ident { $($(#[$each:meta])* $case:ident),* $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(rename_all = "lowercase")]
        pub(crate) enum $name { $($(#[$each])* $case),* }
    };
}

choice!(
    /// The channels, in their order.
    Colour {
        /// Red, green, blue.
        #[default]
        Rgb,
        /// Blue, green, red.
        Bgr,
        /// One channel: 0.299 red + 0.587 green + 0.114 blue.
        Grey,
    }
);

choice!(
    /// The handling of transparency.
    Alpha {
        /// The picture is composited over `background`.
        #[default]
        Blend,
        /// It is ignored.
        Drop,
    }
);

choice!(
    /// The handling of other aspect ratios.
    Fit {
        /// The picture is stretched.
        #[default]
        Stretch,
        /// The picture covers the size, and the excess is cropped evenly.
        Cover,
        /// The whole picture is visible, padded with the colour `pad`.
        Contain,
    }
);

choice!(
    /// The position of a picture that is smaller than its frame.
    Place {
        /// In the middle.
        #[default]
        Centre,
        /// At the top left.
        Start,
    }
);

choice!(
    /// The rounding of a size.
    Rounding {
        /// Down.
        #[default]
        Down,
        /// To the nearest integer, ties to even.
        Nearest,
    }
);

choice!(
    /// The resampling filter.
    Filter {
        /// The nearest pixel.
        Nearest,
        /// Linear.
        #[default]
        Bilinear,
        /// Cubic polynomials: Pillow's with a = -0.5, OpenCV's with a = -0.75.
        Bicubic,
        /// Windowed sinc: Pillow's radius is 3 pixels, OpenCV's (`INTER_LANCZOS4`) 4.
        Lanczos,
        /// The mean: Pillow's `BOX`, OpenCV's `INTER_AREA`.
        Box,
        /// Pillow's `HAMMING`; not available for OpenCV.
        Hamming,
    }
);

choice!(
    /// The library whose resizing is reproduced.
    Convention {
        /// Pillow: filters widen as the picture shrinks, so that every pixel counts (antialiasing).
        #[default]
        Pillow,
        /// OpenCV: filters keep their width; only `box` uses all pixels.
        Opencv,
    }
);

choice!(
    /// The datatype and range of an element.
    Kind {
        /// Scaled and normalised.
        #[default]
        Fp32,
        /// The level, 0 to 255.
        Uint8,
    }
);

choice!(
    /// The memory layout of the elements.
    Layout {
        /// Picture, channel, row, column.
        #[default]
        Nchw,
        /// Picture, row, column, channel.
        Nhwc,
    }
);

impl Colour {
    pub(crate) const fn channels(self) -> usize {
        if matches!(self, Self::Grey) { 1 } else { 3 }
    }
}
