//! The sizes of a page: first scaled if it is very large or very small, then padded if it is very
//! flat, then scaled for the network.
//!
//! The sizes are integers from here on, so that later stages map positions back with the same
//! numbers. Bound: the pixels for the network, `max_network_pixels`.

use crate::Settings;

/// Height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// The sizes after each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The original size.
    pub(crate) original: Size,
    /// The size of the page for crops, without padding.
    pub(crate) scaled: Size,
    /// Black rows above it, and the same number below it.
    pub(crate) above: usize,
    /// The size for the network.
    pub(crate) network: Size,
}

impl Plan {
    /// The error says what is wrong with the page, for the client.
    pub(crate) fn new(original: Size, settings: &Settings) -> Result<Self, String> {
        let Size { height, width } = original;
        let long = float(height.max(width));
        let mut scaled = original;
        if float(settings.longest_max) < long {
            scaled = scaled.times(float(settings.longest_max) / long, settings.multiple_of);
        }
        let short = float(scaled.height.min(scaled.width));
        if 0.0 < short && short < float(settings.shortest_min) {
            scaled = scaled.times(float(settings.shortest_min) / short, settings.multiple_of);
        }
        let above = settings.padding(scaled);
        let page = Size {
            height: scaled.height + 2 * above,
            ..scaled
        };
        let short = float(page.height.min(page.width));
        let ratio = if short < float(settings.network_shortest) {
            float(settings.network_shortest) / short
        } else {
            1.0
        };
        let network = page.times(ratio, settings.multiple_of);
        let pixels = network.height.saturating_mul(network.width);
        if [scaled.height, scaled.width, pixels].contains(&0) {
            return Err(format!(
                "a page of {width} × {height} pixels is too narrow: nothing of it is left when its \
                longer side has {}",
                settings.longest_max
            ));
        }
        if settings.max_network_pixels < pixels {
            return Err(format!(
                "a page of {width} × {height} pixels would be {} × {} for the network; {} pixels are allowed \
                 (`max_network_pixels`): cut it into pages that are less long",
                network.width, network.height, settings.max_network_pixels
            ));
        }
        Ok(Self {
            original,
            scaled,
            above,
            network,
        })
    }
}

impl Size {
    /// Truncated to integers, then rounded to the nearest multiples.
    fn times(self, ratio: f64, multiple: usize) -> Self {
        let side = |side: usize| {
            whole((float(whole(float(side) * ratio)) / float(multiple)).round_ties_even())
                .saturating_mul(multiple)
        };
        Self {
            height: side(self.height),
            width: side(self.width),
        }
    }
}

impl Settings {
    /// Black rows above a page that is low, or many times as wide as high.
    fn padding(&self, page: Size) -> usize {
        let flat = self.aspect_max < float(page.width) / float(page.height);
        if self.height_min < page.height && !flat {
            return 0;
        }
        let wanted = whole(float(page.width) / self.aspect_max).max(self.height_min) * 2;
        wanted.abs_diff(page.height) / 2
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
const fn whole(value: f64) -> usize {
    value as usize
}

#[expect(clippy::cast_precision_loss, reason = "sides have 16 bits")]
const fn float(side: usize) -> f64 {
    side as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(width: usize, height: usize, scaled: [usize; 2], above: usize, network: [usize; 2]) {
        let plan = Plan::new(Size { height, width }, &Settings::default()).unwrap();
        let pair = |size: Size| [size.width, size.height];
        assert_eq!(
            (pair(plan.scaled), plan.above, pair(plan.network)),
            (scaled, above, network)
        );
    }

    /// The numbers of the Python package.
    #[test]
    fn sizes_agree_with_the_package() {
        check(900, 640, [900, 640], 0, [1024, 736]);
        check(1200, 760, [1200, 760], 0, [1216, 768]);
        check(2600, 1800, [1984, 1376], 0, [1984, 1376]);
        check(900, 60, [900, 60], 82, [2944, 736]);
        check(420, 28, [448, 32], 40, [2944, 736]);
        check(160, 30, [160, 30], 15, [1952, 736]);
        check(20, 20, [32, 32], 0, [736, 736]);
    }

    #[test]
    fn pages_that_are_too_long_are_refused() {
        let refused =
            |width, height| Plan::new(Size { height, width }, &Settings::default()).unwrap_err();
        let text = refused(9000, 10);
        assert_eq!(
            text,
            "a page of 9000 × 10 pixels is too narrow: nothing of it is left when its longer side has 2000"
        );
        assert!(
            refused(40, 2000)
                .contains("would be 736 × 36800 for the network; 5242880 pixels are allowed")
        );
        assert!(refused(0, 0).contains("too narrow"));
    }
}
