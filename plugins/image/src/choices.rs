//! The words that settings choose between, with the default of each.
//!
//! A manifest says them in lower case; their comments become the text of the settings' JSON Schema.

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
    /// What becomes of transparency.
    Alpha {
        /// The picture is laid over `background`.
        #[default]
        Blend,
        /// It is ignored.
        Drop,
    }
);

choice!(
    /// What becomes of other proportions.
    Fit {
        /// The picture is stretched.
        #[default]
        Stretch,
        /// It covers the size, and what is too much is cut off evenly.
        Cover,
        /// All of it is seen, and what it does not cover has the colour `pad`.
        Contain,
    }
);

choice!(
    /// Where a picture lies that is smaller than its frame.
    Place {
        /// In the middle.
        #[default]
        Centre,
        /// At the top and at the left.
        Start,
    }
);

choice!(
    /// How a size becomes whole.
    Rounding {
        /// Downwards.
        #[default]
        Down,
        /// To the nearest; halves to the even one.
        Nearest,
    }
);

choice!(
    /// How pixels are mixed.
    Filter {
        /// The nearest pixel.
        Nearest,
        /// Linearly.
        #[default]
        Bilinear,
        /// By cubic polynomials: Pillow's with a = -0.5, OpenCV's with a = -0.75.
        Bicubic,
        /// By a windowed sinc: Pillow's reaches over 3 pixels, OpenCV's (`INTER_LANCZOS4`) over 4.
        Lanczos,
        /// The mean: Pillow's `BOX`, OpenCV's `INTER_AREA`.
        Box,
        /// Pillow's `HAMMING`; OpenCV has none.
        Hamming,
    }
);

choice!(
    /// Whose arithmetic resizes.
    Convention {
        /// Filters grow wider as the picture shrinks, so that every pixel counts (antialiasing).
        #[default]
        Pillow,
        /// Filters keep their width whatever the picture does; only `box` takes all pixels.
        Opencv,
    }
);

choice!(
    /// What an element is.
    Kind {
        /// Scaled and normalised.
        #[default]
        Fp32,
        /// The level, 0 to 255.
        Uint8,
    }
);

choice!(
    /// In which order the elements lie.
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
