//! Selects the lines that are computed together: those with similar aspect ratios, so that little
//! of a strip is padding.
//!
//! A batch is as wide as its longest line at the strips' height, and at least `width`. Bounds:
//! `batch` lines, `max_width`.

use hotstage_raster::View;

use crate::lines::Lines;
use crate::settings::Settings;

/// Lines that get strips of the same width.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) members: Vec<usize>,
    pub(crate) width: usize,
}

/// All lines, the shortest first.
pub(crate) fn batches(lines: &Lines<'_>, settings: &Settings) -> Vec<Batch> {
    let mut order: Vec<(f64, usize)> = lines.iter().map(aspect).zip(0..).collect();
    order.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let batch = |members: &[(f64, usize)]| {
        let longest = members.last().map_or(0.0, |(aspect, _)| *aspect);
        let needed = whole((float(settings.height) * longest).floor());
        let width = if settings.widen {
            needed.clamp(settings.width, settings.max_width)
        } else {
            settings.width
        };
        Batch {
            members: members.iter().map(|(_, index)| *index).collect(),
            width,
        }
    };
    order.chunks(settings.batch).map(batch).collect()
}

/// The width of a line at the strips' height; a batch may be narrower by a fraction of a pixel, or
/// scale the line down.
pub(crate) fn width(line: &View<'_>, settings: &Settings) -> usize {
    whole((float(settings.height) * aspect(line)).ceil()).max(1)
}

fn aspect(line: &View<'_>) -> f64 {
    float(line.width()) / float(line.height())
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
