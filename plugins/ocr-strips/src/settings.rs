//! Settings in the manifest: the strips, the graph, and the output.
//!
//! The defaults are those of a recogniser of RapidOCR 1.4. Bounds: see [`check`](Settings::check).

use hotstage_raster::CHANNELS;
use hotstage_sdk::graphs::Options;
use hotstage_sdk::{Failure, Tensor};
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The name of the graph among the stage's `files`.
    pub(crate) file: String,
    /// Threads for one computation.
    #[schemars(range(min = 1))]
    threads: u32,
    /// Concurrent computations. Default: the number of the server's compute threads.
    #[schemars(range(min = 1))]
    concurrency: Option<u32>,
    /// Height of a strip in pixels.
    #[schemars(range(min = 1))]
    pub(crate) height: usize,
    /// Width of a strip in pixels; the minimum width if `widen` is set.
    #[schemars(range(min = 1))]
    pub(crate) width: usize,
    /// Whether longer lines get wider strips. Otherwise they are scaled down.
    pub(crate) widen: bool,
    /// Maximum width of a strip in pixels; longer lines are scaled down.
    #[schemars(range(min = 1))]
    pub(crate) max_width: usize,
    /// Maximum lines that get strips of the same width.
    #[schemars(range(min = 1))]
    pub(crate) batch: usize,
    /// Maximum columns of one call: as many strips as fit, at least one. Several calls can be
    /// faster than one, because their intermediate results fit the CPU cache.
    #[schemars(range(min = 1))]
    pub(crate) call_width: usize,
    /// Subtracted from each level of 0 to 1, one number per channel.
    pub(crate) mean: [f64; CHANNELS],
    /// Divides after that, one number per channel.
    pub(crate) std: [f64; CHANNELS],
    /// Which lines are rotated by 180 degrees first, by the scores of an earlier stage; adds an
    /// input `turn`.
    pub(crate) turn: Option<Turn>,
    /// The interpretation of the graph's first output.
    pub(crate) answer: Answer,
    /// The class that pads the rows of shorter lines, with score 0.
    pub(crate) blank: u32,
}

/// When a line is upside down.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Turn {
    /// The class that means upside down.
    class: usize,
    /// It must be the best class, with a score above this.
    above: f32,
}

/// The interpretation of the graph's first output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// `[n, k]`: the scores, unchanged.
    Scores,
    /// `[n, t, k]`: the best class at each position, and its score.
    #[default]
    Path,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            file: "model".to_owned(),
            threads: 1,
            concurrency: None,
            height: 48,
            width: 320,
            widen: true,
            max_width: 8192,
            batch: 6,
            call_width: 768,
            mean: [0.5; CHANNELS],
            std: [0.5; CHANNELS],
            turn: None,
            answer: Answer::Path,
            blank: 0,
        }
    }
}

impl Settings {
    pub(crate) fn options(&self) -> Options {
        let concurrency = self.concurrency.unwrap_or_default();
        Options {
            threads: self.threads,
            concurrency,
            ..Options::default()
        }
    }

    /// The error names the key, its value and the expected value.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (key, count, most) in [
            ("height", self.height, 1024),
            ("max_width", self.max_width, 12_288),
            ("width", self.width, self.max_width),
            ("batch", self.batch, 64),
            ("call_width", self.call_width, 65_536),
        ] {
            if !(1..=most).contains(&count) {
                return Err(format!("settings.{key}: is {count}; 1 to {most} is needed"));
            }
        }
        if self.threads == 0 {
            return Err("settings.threads: is 0; at least 1 is needed".to_owned());
        }
        if self.concurrency == Some(0) {
            return Err(
                "settings.concurrency: is 0; at least 1 is needed, or leave it out".to_owned(),
            );
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

impl Turn {
    /// Whether each line is upside down.
    pub(crate) fn which(&self, scores: &Tensor, lines: usize) -> Result<Vec<bool>, Failure> {
        let classes = scores
            .shape()
            .get(1)
            .and_then(|classes| usize::try_from(*classes).ok())
            .unwrap_or(0);
        let all = scores.slice::<f32>()?;
        if lines == 0 {
            return Ok(Vec::new());
        }
        if classes <= self.class {
            return Err(Failure::internal(format!(
                "input `turn` has {classes} classes; `settings.turn.class` is {}, counted from 0",
                self.class
            )));
        }
        let rows = all.chunks_exact(classes);
        if rows.len() != lines {
            return Err(Failure::internal(format!(
                "input `turn` has {} rows for {lines} lines",
                rows.len()
            )));
        }
        let is_turned = |row: &[f32]| {
            let score = row[self.class];
            self.above < score && row.iter().all(|other| *other <= score)
        };
        Ok(rows.map(is_turned).collect())
    }
}
