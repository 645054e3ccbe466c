//! A picture in memory: rows of pixels, one byte per channel, without padding.
//!
//! Pure functions on pictures: rotating, cropping, framing. Bound: the size that the decoder
//! allowed.

/// Rows from the top, pixels from the left, channels interleaved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    pub(crate) channels: usize,
    pub(crate) pixels: Vec<u8>,
}

/// The transformation that makes the picture upright: EXIF's values 1 to 8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orientation {
    /// Transposes, after the flips below.
    transpose: bool,
    mirror_columns: bool,
    mirror_rows: bool,
}

impl Orientation {
    /// The meaning of an EXIF value; any other value means upright.
    pub(crate) const fn of_exif(number: u16) -> Self {
        let (transpose, mirror_columns, mirror_rows) = match number {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, false, true),
            7 => (true, true, true),
            8 => (true, true, false),
            _ => (false, false, false),
        };
        Self {
            transpose,
            mirror_columns,
            mirror_rows,
        }
    }
}

impl Picture {
    /// Applies the orientation.
    pub(crate) fn oriented(self, orientation: Orientation) -> Self {
        if orientation == Orientation::default() {
            return self;
        }
        let pixels = match self.channels {
            1 => turn::<1>(&self, orientation),
            2 => turn::<2>(&self, orientation),
            3 => turn::<3>(&self, orientation),
            _ => turn::<4>(&self, orientation),
        };
        let (width, height) = if orientation.transpose {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        };
        Self {
            width,
            height,
            channels: self.channels,
            pixels,
        }
    }

    /// Crops the middle; an odd excess is removed at the bottom and at the right.
    ///
    /// `None` if the picture is smaller than the crop.
    pub(crate) fn cropped(self, [height, width]: [usize; 2]) -> Option<Self> {
        if (height, width) == (self.height, self.width) {
            return Some(self);
        }
        let top = self.height.checked_sub(height)? / 2;
        let left = self.width.checked_sub(width)? / 2;
        let Self { channels, .. } = self;
        let rows = self
            .pixels
            .chunks_exact(self.width * channels)
            .skip(top)
            .take(height);
        let mut pixels = Vec::with_capacity(height * width * channels);
        for row in rows {
            pixels.extend_from_slice(&row[left * channels..(left + width) * channels]);
        }
        Some(Self {
            width,
            height,
            channels,
            pixels,
        })
    }

    /// Places it on a frame of one colour, which is at least as large.
    pub(crate) fn framed(
        self,
        [height, width]: [usize; 2],
        colour: &[u8],
        from: [usize; 2],
    ) -> Self {
        if (height, width) == (self.height, self.width) {
            return self;
        }
        let Self { channels, .. } = self;
        let [top, left] = from;
        let mut pixels = colour.repeat(height * width);
        let target = pixels.chunks_exact_mut(width * channels).skip(top);
        for (target, row) in target.zip(self.pixels.chunks_exact(self.width * channels)) {
            target[left * channels..][..row.len()].copy_from_slice(row);
        }
        Self {
            width,
            height,
            channels,
            pixels,
        }
    }
}

/// Row by row of the result.
fn turn<const CHANNELS: usize>(picture: &Picture, orientation: Orientation) -> Vec<u8> {
    let (from, _) = picture.pixels.as_chunks::<CHANNELS>();
    let Picture { width, height, .. } = *picture;
    let Orientation {
        transpose,
        mirror_columns,
        mirror_rows,
    } = orientation;
    let (rows, columns) = if transpose {
        (width, height)
    } else {
        (height, width)
    };
    let mut pixels = Vec::with_capacity(picture.pixels.len());
    for row in 0..rows {
        for column in 0..columns {
            let (x, y) = if transpose {
                (row, column)
            } else {
                (column, row)
            };
            let x = if mirror_columns { width - 1 - x } else { x };
            let y = if mirror_rows { height - 1 - y } else { y };
            pixels.extend_from_slice(&from[y * width + x]);
        }
    }
    pixels
}
