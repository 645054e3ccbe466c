//! The lines of a request: their levels one after another, and their sizes.
//!
//! They come from an earlier stage, so inconsistent inputs are an error in the pipeline. Bound: the
//! sizes of the inputs.

use hotstage_raster::{CHANNELS, View};

/// The lines as views.
#[derive(Debug)]
pub(crate) struct Lines<'a>(Vec<View<'a>>);

impl<'a> Lines<'a> {
    /// The error names the line whose size does not match its levels.
    pub(crate) fn new(sizes: &[i64], mut levels: &'a [u8]) -> Result<Self, String> {
        let mut lines = Vec::with_capacity(sizes.len() / 2);
        for (index, size) in sizes.chunks_exact(2).enumerate() {
            let side = |place: usize| usize::try_from(size[place]).unwrap_or(0);
            let (height, width) = (side(0), side(1));
            let length = width
                .checked_mul(height)
                .and_then(|pixels| pixels.checked_mul(CHANNELS));
            let line = length
                .and_then(|length| levels.split_at_checked(length))
                .and_then(|(line, rest)| {
                    levels = rest;
                    View::new(width, height, line)
                });
            let Some(line) = line else {
                return Err(format!(
                    "line {index} is {} × {} pixels, and `crops` does not hold them",
                    size[1], size[0]
                ));
            };
            lines.push(line);
        }
        if !levels.is_empty() {
            return Err(format!(
                "`crops` has {} levels more than the lines in `crop_sizes`",
                levels.len()
            ));
        }
        Ok(Self(lines))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, index: usize) -> Option<View<'a>> {
        self.0.get(index).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &View<'a>> {
        self.0.iter()
    }
}
