//! Turns scores into labels: the second of two by a threshold, the largest, the largest few, or
//! each label independently.
//!
//! Default: the scores are probabilities, two labels are separated at 0.5, and of more labels the
//! largest score wins; the settings in `settings.rs` change that. A NaN among the scores is a
//! defect of the model, so it is an internal failure. Bounds: the stage's limit `output_bytes` for
//! the labels of an answer; a call works in place, in its input.

mod activation;
mod names;
mod rank;
mod settings;

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Postprocessor, Signature, Tensor, any,
    export, metrics, size,
};

use activation::Activation;
use names::Names;
use rank::Ranks;
use settings::{OutputNames, Rule, Settings, Thresholds};

/// The labels and the rule that selects among them.
#[derive(Debug)]
pub struct Labels {
    /// One for each column; the last one may be the label `below` a threshold.
    names: Names,
    /// The number of labels without `below`.
    count: usize,
    rule: Rule,
    activation: Activation,
    input: String,
    outputs: OutputNames,
    /// Whether the scores of an answer are observed as a metric.
    observes: bool,
    ranks: Ranks,
}

impl Postprocessor for Labels {
    type Settings = Settings;
    const SUMMARY: &'static str = "Turns scores into labels.";

    fn open(settings: Settings, files: &Files) -> Result<(Self, Signature), OpenError> {
        let labels = settings.check(files)?;
        let Self {
            names,
            count,
            rule,
            input,
            outputs,
            ..
        } = &labels;
        // Two labels take one column or two, which a signature can't express.
        let columns = if labels.takes_one_column() {
            any()
        } else {
            size(*count)
        };
        let (label, shape) = match rule {
            Rule::Each { .. } => (Datatype::Bool, vec![any(), size(*count)]),
            Rule::Largest { top_k, .. } if 1 < *top_k => {
                (names.datatype(), vec![any(), size(*top_k)])
            }
            _ => (names.datatype(), vec![any()]),
        };
        let mut signature = Signature::new()
            .input(input, Datatype::Fp32, [any(), columns])
            .output(&outputs.label, label, shape.clone())
            .output(&outputs.score, Datatype::Fp32, shape);
        if let Some(scores) = &outputs.scores {
            signature = signature.output(scores, Datatype::Fp32, [any(), size(*count)]);
        }
        if let Some(output) = &outputs.names {
            signature = signature.output(output, names.datatype(), [size(*count)]);
        }
        Ok((labels, signature))
    }

    fn postprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let table = inputs.take(&self.input)?;
        let &[rows, columns] = table.shape() else {
            return Err(Failure::internal("the scores are no table"));
        };
        let (rows, columns) = (narrow(rows), narrow(columns));
        if columns != self.count && !(self.takes_one_column() && columns == 1) {
            return Err(self.misfit(columns));
        }
        let elements = table.slice::<f32>()?;
        if elements.iter().any(|score| score.is_nan()) {
            return Err(self.not_a_number(elements, columns));
        }
        if let Some(output) = &self.outputs.names {
            self.names
                .put(outputs, output, &[self.count], 0..self.count)?;
        }
        match self.rule {
            Rule::Second { threshold } => self.second(threshold, rows, columns, table, outputs),
            Rule::Largest { top_k, .. } => self.largest(top_k, rows, columns, table, outputs),
            Rule::Each { ref thresholds } => self.each(thresholds, rows, table, outputs),
        }
    }
}

impl Labels {
    /// Whether the second label's score alone suffices, because it determines the first one's.
    const fn takes_one_column(&self) -> bool {
        self.count == 2
            && !matches!(self.rule, Rule::Each { .. })
            && !matches!(self.activation, Activation::Softmax)
    }

    /// Two labels: the second one from the threshold on.
    fn second(
        &self,
        threshold: f32,
        rows: usize,
        columns: usize,
        mut table: Tensor,
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        let Self {
            names,
            activation,
            outputs: named,
            ..
        } = self;
        activation
            .apply(columns, table.slice_mut()?)
            .map_err(|row| self.not_finite(row))?;
        let elements = table.slice::<f32>()?;
        // The last column is that of the second label, with one column or two.
        let second = || {
            elements
                .chunks_exact(columns)
                .filter_map(<[f32]>::last)
                .copied()
        };
        let scores = outputs.make_slice(&named.score, &[rows])?;
        for (score, second) in scores.iter_mut().zip(second()) {
            *score = second;
        }
        observe(self.observes, scores);
        names.put(
            outputs,
            &named.label,
            &[rows],
            second().map(|score| usize::from(threshold <= score)),
        )?;
        let Some(scores) = &named.scores else {
            return Ok(());
        };
        outputs.put(
            scores,
            if columns == 1 {
                pairs(rows, elements, |score| 1.0 - score)?
            } else {
                table
            },
        )
    }

    /// The largest score, or the largest few in their order.
    fn largest(
        &mut self,
        top_k: usize,
        rows: usize,
        columns: usize,
        mut table: Tensor,
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        if columns < self.count {
            // The logistic function of the negated logit is the complement of its probability.
            table = match self.activation {
                Activation::None => pairs(rows, table.slice()?, |score| 1.0 - score)?,
                Activation::Softmax | Activation::Sigmoid => {
                    pairs(rows, table.slice()?, |score| -score)?
                }
            };
        }
        // Ranked before the activation, because different scores may round to the same probability.
        self.ranks.rank(table.slice()?, self.count, top_k);
        self.activation
            .apply(self.count, table.slice_mut()?)
            .map_err(|row| self.not_finite(row))?;
        let Self {
            names,
            count,
            rule,
            ranks,
            outputs: named,
            observes,
            ..
        } = self;
        let shape = if top_k == 1 {
            &[rows][..]
        } else {
            &[rows, top_k]
        };
        let elements = table.slice::<f32>()?;
        let scores = outputs.make_slice::<f32>(&named.score, shape)?;
        let ranked = ranks
            .picks
            .chunks_exact_mut(top_k)
            .zip(scores.chunks_exact_mut(top_k));
        for (row, (picks, scores)) in elements.chunks_exact(*count).zip(ranked) {
            for (pick, score) in picks.iter_mut().zip(scores) {
                *score = row[*pick];
                if let Rule::Largest {
                    thresholds: Some(thresholds),
                    ..
                } = rule
                    && *score < thresholds.of(*pick)
                {
                    *pick = *count;
                }
            }
        }
        observe(*observes, scores);
        names.put(outputs, &named.label, shape, ranks.picks.iter().copied())?;
        named
            .scores
            .as_ref()
            .map_or(Ok(()), |scores| outputs.put(scores, table))
    }

    /// Each label independently: whether its score reaches its threshold.
    fn each(
        &self,
        thresholds: &Thresholds,
        rows: usize,
        mut table: Tensor,
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        self.activation
            .apply(self.count, table.slice_mut()?)
            .map_err(|row| self.not_finite(row))?;
        let flags = outputs.make_slice::<bool>(&self.outputs.label, &[rows, self.count])?;
        let scored = table
            .slice::<f32>()?
            .chunks_exact(self.count)
            .zip(flags.chunks_exact_mut(self.count));
        for (scores, flags) in scored {
            for (column, (score, flag)) in scores.iter().zip(flags).enumerate() {
                *flag = thresholds.of(column) <= *score;
            }
        }
        observe(self.observes, table.slice()?);
        outputs.put(&self.outputs.score, table)
    }

    #[cold]
    fn misfit(&self, columns: usize) -> Failure {
        let (input, labels) = (&self.input, self.count);
        Failure::internal(format!(
            "input `{input}`: {columns} columns for {labels} labels; give one label for each"
        ))
    }

    #[cold]
    fn not_a_number(&self, elements: &[f32], columns: usize) -> Failure {
        let index = elements
            .iter()
            .position(|score| score.is_nan())
            .unwrap_or_default();
        let (input, row, column) = (&self.input, index / columns, index % columns);
        Failure::internal(format!(
            "input `{input}`: row {row}, column {column} is NaN: the model answered no number"
        ))
    }

    #[cold]
    fn not_finite(&self, row: usize) -> Failure {
        let input = &self.input;
        Failure::internal(format!(
            "input `{input}`: the largest score of row {row} is infinite: softmax needs finite ones"
        ))
    }
}

/// Observes the mean of the scores of an answer, if enabled.
#[expect(
    clippy::cast_precision_loss,
    reason = "a call has fewer scores than a float has exact integers"
)]
fn observe(observes: bool, scores: &[f32]) {
    if observes && !scores.is_empty() {
        let sum: f64 = scores.iter().copied().map(f64::from).sum();
        metrics::observe("score", sum / scores.len() as f64);
    }
}

/// Two columns from the second label's only one.
fn pairs(rows: usize, seconds: &[f32], first: impl Fn(f32) -> f32) -> Result<Tensor, Failure> {
    let mut table = Tensor::zeros::<f32>(&[rows, 2])?;
    for (pair, &second) in table.slice_mut::<f32>()?.chunks_exact_mut(2).zip(seconds) {
        pair.copy_from_slice(&[first(second), second]);
    }
    Ok(table)
}

fn narrow(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

export!(postprocessor: Labels);

#[cfg(test)]
mod tests;
