//! Turns scores into labels.
//!
//! Two labels: the score is the second one's probability, and the second label wins from the threshold on (default
//! 0.5). More labels: the largest score wins, and with the setting `below` a score under the threshold gets that
//! label instead. A NaN among the scores is the model's defect, not the client's, so it is an internal failure.
//! Bound: labels of any number and length that the answer's limit `output_bytes` lets through.

use hotstage_sdk::{Datatype, Failure, Files, Inputs, OpenError, Outputs, Postprocessor, Signature, any, export, size};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the threshold is when nobody sets it.
const THRESHOLD: f32 = 0.5;

/// What the manifest may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// At least two, one for each column of the scores. Two labels also take a single column.
    labels: Vec<String>,
    /// With two labels: from which score on the second one wins; 0.5 unless set. With more: under which score the
    /// label is `below`; 0.5 unless set.
    #[serde(default)]
    threshold: Option<f32>,
    /// With more than two labels: the label of a score under the threshold.
    #[serde(default)]
    below: Option<String>,
    /// The name of the input.
    #[serde(default = "scores")]
    input: String,
}

fn scores() -> String {
    "scores".to_owned()
}

/// The labels and the rule that picks one.
#[derive(Debug)]
pub struct Labels {
    labels: Vec<String>,
    threshold: f32,
    below: Option<String>,
    input: String,
}

impl Postprocessor for Labels {
    type Settings = Settings;
    const SUMMARY: &'static str = "Turns scores into labels.";

    fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        settings.check().map_err(OpenError::settings)?;
        let Settings { labels, threshold, below, input } = settings;
        // Two labels take one column or two, and a signature can't say "one or two".
        let columns = if labels.len() == 2 { any() } else { size(labels.len()) };
        let signature = Signature::new()
            .input(&input, Datatype::Fp32, [any(), columns])
            .output("label", Datatype::Bytes, [any()])
            .output("score", Datatype::Fp32, [any()]);
        Ok((Self { labels, threshold: threshold.unwrap_or(THRESHOLD), below, input }, signature))
    }

    fn postprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let table = inputs.get(&self.input)?;
        let elements = inputs.slice::<f32>(&self.input)?;
        let &[rows, columns] = table.shape() else {
            return Err(Failure::internal("the scores are no table"));
        };
        let (rows, columns) = (narrow(rows), narrow(columns));
        if columns != self.labels.len() && !(self.labels.len() == 2 && columns == 1) {
            return Err(self.misfit(columns));
        }
        if elements.iter().any(|score| score.is_nan()) {
            return Err(self.not_a_number(elements, columns));
        }
        let scores = outputs.make_slice::<f32>("score", &[rows])?;
        for (score, row) in scores.iter_mut().zip(elements.chunks_exact(columns)) {
            *score = self.pick(row).1;
        }
        outputs.put_bytes("label", &[rows], elements.chunks_exact(columns).map(|row| self.pick(row).0))
    }
}

impl Settings {
    fn check(&self) -> Result<(), String> {
        let Self { labels, threshold, below, .. } = self;
        if labels.len() < 2 {
            return Err(format!("settings.labels: has {} elements; at least two are needed", labels.len()));
        }
        for (index, label) in labels.iter().enumerate() {
            if let Some(other) = labels[..index].iter().position(|other| other == label) {
                return Err(format!("settings.labels[{index}]: is `{label}`, as settings.labels[{other}] is"));
            }
        }
        if let Some(threshold) = threshold.filter(|threshold| !threshold.is_finite()) {
            return Err(format!("settings.threshold: is {threshold}; a finite number is needed"));
        }
        match (labels.len(), below, threshold) {
            (2, Some(_), _) => Err("settings.below: two labels leave nothing below: under the threshold the first \
                                    one wins; remove it, or add a label"
                .to_owned()),
            (3.., None, Some(_)) => Err("settings.threshold: with more than two labels it needs settings.below, the \
                                         label of a score under it"
                .to_owned()),
            _ => Ok(()),
        }
    }
}

impl Labels {
    /// The label of a row, and its score. Among equal scores the first wins.
    fn pick(&self, row: &[f32]) -> (&str, f32) {
        if let ([first, second], [.., score]) = (self.labels.as_slice(), row) {
            let label = if *score < self.threshold { first } else { second };
            return (label, *score);
        }
        let best = |best: (usize, f32), (index, &score): (usize, &f32)| {
            if best.1 < score { (index, score) } else { best }
        };
        let (index, score) = row.iter().enumerate().fold((0, f32::NEG_INFINITY), best);
        match &self.below {
            Some(below) if score < self.threshold => (below, score),
            _ => (&self.labels[index], score),
        }
    }

    #[cold]
    fn misfit(&self, columns: usize) -> Failure {
        let (input, labels) = (&self.input, self.labels.len());
        Failure::internal(format!("input `{input}`: {columns} columns for {labels} labels; give one label for each"))
    }

    #[cold]
    fn not_a_number(&self, elements: &[f32], columns: usize) -> Failure {
        let index = elements.iter().position(|score| score.is_nan()).unwrap_or_default();
        let (input, row, column) = (&self.input, index / columns, index % columns);
        Failure::internal(format!("input `{input}`: row {row}, column {column} is NaN: the model answered no number"))
    }
}

fn narrow(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

export!(postprocessor: Labels);

#[cfg(test)]
mod tests;
