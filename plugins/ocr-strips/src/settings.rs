//! What the manifest may set: how strips are made, which graph computes them, and what is answered.
//!
//! The defaults are a recogniser of RapidOCR 1.4. Bounds: [`check`](Settings::check) has them.

use hotstage_raster::CHANNELS;
use hotstage_sdk::graphs::Options;
use hotstage_sdk::{Failure, Tensor};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the manifest may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Which of the stage's `files` is the graph.
    pub(crate) file: String,
    /// Threads that one computation is spread over.
    #[schemars(range(min = 1))]
    threads: u32,
    /// Computations at once; as many as the server has threads for guests unless set.
    #[schemars(range(min = 1))]
    concurrency: Option<u32>,
    /// Pixels of a strip, down.
    #[schemars(range(min = 1))]
    pub(crate) height: usize,
    /// Pixels of a strip, across; at least, if `widen`.
    #[schemars(range(min = 1))]
    pub(crate) width: usize,
    /// Whether longer lines get wider strips. Without it, they are squeezed.
    pub(crate) widen: bool,
    /// Longer lines than these are squeezed all the same.
    #[schemars(range(min = 1))]
    pub(crate) max_width: usize,
    /// Lines that get strips of the same width.
    #[schemars(range(min = 1))]
    pub(crate) batch: usize,
    /// Columns of one call: as many strips as fit, and at least one. A batch of few is computed
    /// faster in several calls, whose intermediate results stay in the processor's cache.
    #[schemars(range(min = 1))]
    pub(crate) call_width: usize,
    /// Is subtracted from each level of 0 to 1, for each channel.
    pub(crate) mean: [f64; CHANNELS],
    /// Then divides it.
    pub(crate) std: [f64; CHANNELS],
    /// Which lines are turned by 180 degrees first, by what an earlier stage says of them; then
    /// there is an input `turn`.
    pub(crate) turn: Option<Turn>,
    /// What is made of the graph's first output.
    pub(crate) answer: Answer,
    /// The class that fills the rows of shorter lines up, with score 0.
    pub(crate) blank: u32,
}

/// When a line stands upside down.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Turn {
    /// The class that says so.
    class: usize,
    /// It must be the best, with a higher score than this.
    above: f32,
}

/// What is made of the graph's first output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answer {
    /// Of `[n, k]`: itself.
    Scores,
    /// Of `[n, t, k]`: for each place the best class, and its score.
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

    /// The error says which key, what it holds and what it should hold.
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
    /// For each line.
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
