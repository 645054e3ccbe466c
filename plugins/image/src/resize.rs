//! The target size of a resize, and the choice of the convention.
//!
//! Default: Pillow's convention, whose filters cover every pixel of a shrinking picture. With
//! `convention: opencv` filters keep their width. Bound: neither the result nor the intermediate
//! picture between the two passes has more than `max_pixels` pixels.

mod axis;
mod opencv;
mod pillow;
mod round;

use crate::choices::{Convention, Fit, Place, Rounding};
use crate::decode::Bound;
use crate::picture::Picture;
use crate::settings::Resize;

/// The settings of a resize.
pub(crate) struct Frame<'a> {
    pub(crate) resize: &'a Resize,
    pub(crate) bound: Bound,
    /// The padding of `fit: contain`: one level per channel of the picture.
    pub(crate) pad: &'a [u8],
}

/// Resizes a picture and fits it into its frame. An error continues a sentence whose subject is the
/// picture.
pub(crate) fn apply(picture: Picture, frame: &Frame<'_>) -> Result<Picture, String> {
    let Resize {
        size,
        fit,
        place,
        filter,
        convention,
        ..
    } = frame.resize;
    let [height, width] = frame.resize.target(picture.height, picture.width);
    let too_large =
        |wrong: String| format!("would be resized to what {wrong}; it is too elongated");
    frame.bound.check(width, height).map_err(too_large)?;
    let resized = if (height, width) == (picture.height, picture.width) {
        picture
    } else if *convention == Convention::Opencv {
        let shrinks = width <= picture.width && height <= picture.height;
        let rows = opencv::axis(picture.height, height, *filter, shrinks);
        let columns = opencv::axis(picture.width, width, *filter, shrinks);
        axis::down_then_across(&picture, &rows, &columns)
    } else {
        // The first pass makes rows of the new width from all of the old rows.
        frame
            .bound
            .check(width, picture.height)
            .map_err(too_large)?;
        let rows = pillow::axis(picture.height, height, *filter);
        let columns = pillow::axis(picture.width, width, *filter);
        axis::across_then_down(&picture, &rows, &columns)
    };
    match (size, fit) {
        (Some(size), Some(Fit::Cover)) => resized
            .cropped(*size)
            .ok_or_else(|| "does not cover the size that it was resized for".to_owned()),
        (Some(size), Some(Fit::Contain)) => {
            let [height, width] = *size;
            let from = match place.unwrap_or_default() {
                Place::Centre => [(height - resized.height) / 2, (width - resized.width) / 2],
                Place::Start => [0, 0],
            };
            Ok(resized.framed(*size, frame.pad, from))
        }
        _ => Ok(resized),
    }
}

impl Resize {
    /// Height and width after resizing, before cropping or framing.
    fn target(&self, height: usize, width: usize) -> [usize; 2] {
        if let Some(size) = self.size {
            return self.fitted(size, height, width);
        }
        let (side, becomes) = match (self.shortest, self.longest) {
            (Some(shortest), _) => (height.min(width), shortest),
            (_, longest) => (height.max(width), longest.unwrap_or(1)),
        };
        let stays = (side < becomes && self.enlarge == Some(false))
            || (becomes < side && self.shrink == Some(false));
        let becomes = if stays { side } else { becomes };
        [height, width]
            .map(|length| self.multiple(self.rounding.divide(length.saturating_mul(becomes), side)))
    }

    fn fitted(&self, [rows, columns]: [usize; 2], height: usize, width: usize) -> [usize; 2] {
        // Selects the side that decides: for a picture wider than its frame, the height covers and
        // the width contains.
        let is_wider = width.saturating_mul(rows) > height.saturating_mul(columns);
        let by_height = match self.fit.unwrap_or_default() {
            Fit::Stretch => return [rows, columns],
            Fit::Cover => is_wider,
            Fit::Contain => !is_wider,
        };
        if by_height {
            [
                rows,
                self.rounding.divide(width.saturating_mul(rows), height),
            ]
        } else {
            [
                self.rounding.divide(height.saturating_mul(columns), width),
                columns,
            ]
        }
    }

    fn multiple(&self, length: usize) -> usize {
        match self.multiple_of {
            Some(of) => Rounding::Nearest.divide(length, of).saturating_mul(of),
            None => length,
        }
    }
}

impl Rounding {
    /// A quotient of at least 1.
    fn divide(self, dividend: usize, divisor: usize) -> usize {
        let (quotient, rest) = (dividend / divisor, dividend % divisor);
        let up = match (rest * 2).cmp(&divisor) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => quotient % 2 == 1,
            std::cmp::Ordering::Greater => true,
        };
        let rounded = if self == Self::Nearest && up {
            quotient + 1
        } else {
            quotient
        };
        rounded.max(1)
    }
}
