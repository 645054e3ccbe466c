//! Pictures in memory, for components that crop and resize them: three levels per pixel, contiguous
//! rows.
//!
//! A library, not a component. Resizing is OpenCV's `INTER_LINEAR`, on which such models were
//! trained. Bound: sides of at most [`SIDE_MAX`] pixels, and the sizes that the caller requests.

mod normalise;
mod resize;

pub use normalise::Normaliser;

/// Levels per pixel.
pub const CHANNELS: usize = 3;
/// Maximum pixels of a side.
pub const SIDE_MAX: usize = 65_535;

/// A borrowed picture.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    width: usize,
    height: usize,
    levels: &'a [u8],
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raster {
    width: usize,
    height: usize,
    levels: Vec<u8>,
}

impl<'a> View<'a> {
    /// `None` if the number of levels does not match the sides, or a side is 0 or too long.
    pub fn new(width: usize, height: usize, levels: &'a [u8]) -> Option<Self> {
        let fits = |side: usize| (1..=SIDE_MAX).contains(&side);
        let length = width.checked_mul(height)?.checked_mul(CHANNELS)?;
        (fits(width) && fits(height) && levels.len() == length).then_some(Self {
            width,
            height,
            levels,
        })
    }

    /// Pixels of a row.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub const fn height(&self) -> usize {
        self.height
    }

    /// All levels, row by row.
    pub const fn levels(&self) -> &'a [u8] {
        self.levels
    }

    /// A row's levels; beyond the borders, those of the nearest row.
    pub fn row(&self, row: usize) -> &'a [u8] {
        let stride = self.width * CHANNELS;
        &self.levels[row.min(self.height - 1) * stride..][..stride]
    }

    /// A pixel; beyond the borders, the nearest one.
    pub fn pixel(&self, x: isize, y: isize) -> [u8; CHANNELS] {
        let inside = |place: isize, side: usize| place.max(0).unsigned_abs().min(side - 1);
        let start = (inside(y, self.height) * self.width + inside(x, self.width)) * CHANNELS;
        self.levels[start..]
            .first_chunk()
            .copied()
            .unwrap_or_default()
    }

    /// Resized with OpenCV's `INTER_LINEAR`. Sides are clamped to 1 to [`SIDE_MAX`].
    pub fn resized(&self, width: usize, height: usize) -> Raster {
        resize::linear(self, width.clamp(1, SIDE_MAX), height.clamp(1, SIDE_MAX))
    }

    /// A copy.
    pub fn to_raster(&self) -> Raster {
        Raster {
            width: self.width,
            height: self.height,
            levels: self.levels.to_vec(),
        }
    }

    /// Rotated by 180 degrees.
    pub fn upside_down(&self) -> Raster {
        let levels = self
            .levels
            .rchunks_exact(CHANNELS)
            .flatten()
            .copied()
            .collect();
        Raster {
            width: self.width,
            height: self.height,
            levels,
        }
    }

    /// Rotated counter-clockwise by 90 degrees: the right side is on top.
    pub fn turned_left(&self) -> Raster {
        let (width, height) = (self.height, self.width);
        let mut levels = Vec::with_capacity(self.levels.len());
        for column in (0..self.width).rev() {
            for row in self.levels.chunks_exact(self.width * CHANNELS) {
                levels.extend_from_slice(&row[column * CHANNELS..][..CHANNELS]);
            }
        }
        Raster {
            width,
            height,
            levels,
        }
    }
}

impl Raster {
    /// `None` if the number of levels does not match the sides, or a side is 0 or too long.
    pub fn new(width: usize, height: usize, levels: Vec<u8>) -> Option<Self> {
        View::new(width, height, &levels)?;
        Some(Self {
            width,
            height,
            levels,
        })
    }

    /// A borrowed view.
    pub fn view(&self) -> View<'_> {
        View {
            width: self.width,
            height: self.height,
            levels: &self.levels,
        }
    }

    /// The levels only.
    pub fn into_levels(self) -> Vec<u8> {
        self.levels
    }
}

#[cfg(test)]
mod tests;
