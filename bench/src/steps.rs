//! The floor's arithmetic: `scale`, `mlp` and `labels` as plain functions on slices.
//!
//! Settings and weights come from a manifest, so both sides compute the same. Sums run in the
//! plugin's order, and the inner loops are written so that the compiler can vectorise them.

use std::path::Path;

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::manifest::{FileRef, parse};
use hotstage_core::tensor::{Shape, Tensor, push_bytes_element};
use hotstage_engine::Tensors;
use safetensors::SafeTensors;
use serde_json::Value;

use crate::Outcome;

/// The exponent's bits; all are set in infinities and NaN.
const EXPONENT: u32 = 0x7f80_0000;

/// Three steps.
#[derive(Debug)]
pub(crate) struct Steps {
    mean: Vec<f64>,
    std: Vec<f64>,
    layers: Vec<Layer>,
    is_logistic: bool,
    labels: Vec<String>,
    threshold: f32,
}

#[derive(Debug)]
struct Layer {
    bias: Vec<f32>,
    /// `[inputs, outputs]`, the transpose of the file's matrix.
    weights: Vec<f32>,
}

impl Steps {
    /// The steps of a manifest whose stages are `scale`, `mlp` and `labels`.
    pub(crate) fn of(manifest: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(manifest)?;
        let documents = parse(&manifest.display().to_string(), &text)
            .map_err(|problems| problems.to_string())?;
        let pipeline = documents
            .pipelines
            .first()
            .ok_or("the manifest is empty")?
            .pipeline();
        let [scale, mlp, labels] = pipeline.stages.as_slice() else {
            return Err("not three stages".into());
        };
        let floats = |key| -> Vec<f64> {
            list(scale.settings.get(key))
                .filter_map(Value::as_f64)
                .collect()
        };
        let Some(FileRef::Path(weights)) = mlp.files.values().next() else {
            return Err("no weights".into());
        };
        let weights = std::fs::read(manifest.parent().unwrap_or(Path::new(".")).join(weights))?;
        Ok(Self {
            mean: floats("mean"),
            std: floats("std"),
            layers: read_layers(&SafeTensors::deserialize(&weights)?),
            is_logistic: mlp
                .settings
                .get("output_activation")
                .and_then(Value::as_str)
                == Some("logistic"),
            labels: list(labels.settings.get("labels"))
                .filter_map(|label| label.as_str().map(str::to_owned))
                .collect(),
            threshold: 0.5,
        })
    }

    /// `features` in; `label` and `score` out.
    pub(crate) fn run(&self, inputs: &[Tensor]) -> Result<Tensors, Failure> {
        let [features] = inputs else {
            return Err(Failure::invalid("one tensor is needed"));
        };
        let scaled = self.scale(features.data())?;
        let scores = self.infer(&scaled);
        self.label(&scores)
    }

    fn scale(&self, bytes: &Bytes) -> Result<Vec<f32>, Failure> {
        let mut table: Vec<f32> = bytes
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        if table
            .iter()
            .map(|element| element.to_bits() & EXPONENT)
            .max()
            == Some(EXPONENT)
        {
            return Err(Failure::invalid("a finite number is needed"));
        }
        for row in table.chunks_exact_mut(self.mean.len()) {
            for ((element, mean), std) in row.iter_mut().zip(&self.mean).zip(&self.std) {
                *element = round((f64::from(*element) - mean) / std);
            }
        }
        Ok(table)
    }

    fn infer(&self, table: &[f32]) -> Vec<f32> {
        let mut scores = Vec::new();
        for row in table.chunks_exact(self.mean.len()) {
            let mut given = row;
            let mut made;
            for (index, layer) in self.layers.iter().enumerate() {
                let mut next = layer.apply(given);
                if index + 1 < self.layers.len() {
                    next.iter_mut()
                        .for_each(|element| *element = if *element < 0.0 { 0.0 } else { *element });
                }
                made = next;
                given = &made;
            }
            let at = scores.len();
            scores.extend_from_slice(given);
            self.finish(&mut scores[at..]);
        }
        scores
    }

    fn finish(&self, row: &mut [f32]) {
        if self.is_logistic {
            row.iter_mut()
                .for_each(|element| *element = 1.0 / (1.0 + (-*element).exp()));
            return;
        }
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut()
            .for_each(|element| *element = (*element - largest).exp());
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|element| *element /= sum);
    }

    fn label(&self, scores: &[f32]) -> Result<Tensors, Failure> {
        let columns = self.layers.last().map_or(1, |layer| layer.bias.len());
        let (mut labels, mut picked, mut rows) = (Vec::new(), Vec::new(), 0);
        for row in scores.chunks_exact(columns) {
            let (label, score) = self.pick(row);
            push_bytes_element(&mut labels, label.as_bytes());
            picked.extend_from_slice(&score.to_le_bytes());
            rows += 1;
        }
        let tensor = |datatype, data: Vec<u8>| {
            Tensor::new(datatype, Shape::from_slice(&[rows]), data.into())
                .map_err(|error| Failure::new(Kind::Internal, error.to_string()))
        };
        Ok(Tensors::from_iter([
            tensor(Datatype::Bytes, labels)?,
            tensor(Datatype::Fp32, picked)?,
        ]))
    }

    fn pick(&self, row: &[f32]) -> (&str, f32) {
        if let ([first, second], [.., score]) = (self.labels.as_slice(), row) {
            return (
                if *score < self.threshold {
                    first
                } else {
                    second
                },
                *score,
            );
        }
        let best = |best: (usize, f32), (index, &score): (usize, &f32)| {
            if best.1 < score { (index, score) } else { best }
        };
        let (index, score) = row.iter().enumerate().fold((0, f32::NEG_INFINITY), best);
        (&self.labels[index], score)
    }
}

impl Layer {
    fn apply(&self, given: &[f32]) -> Vec<f32> {
        // With a constant number of outputs, the sums stay in registers.
        match self.bias.len() {
            8 => self.apply_sized::<8>(given),
            16 => self.apply_sized::<16>(given),
            _ => {
                let mut sums = self.bias.clone();
                for (input, weights) in given.iter().zip(self.weights.chunks_exact(sums.len())) {
                    sums.iter_mut()
                        .zip(weights)
                        .for_each(|(sum, weight)| *sum += input * weight);
                }
                sums
            }
        }
    }

    fn apply_sized<const N: usize>(&self, given: &[f32]) -> Vec<f32> {
        let mut sums = [0.0; N];
        sums.copy_from_slice(&self.bias);
        for (input, weights) in given.iter().zip(self.weights.as_chunks::<N>().0) {
            sums.iter_mut()
                .zip(weights)
                .for_each(|(sum, weight)| *sum += input * weight);
        }
        sums.to_vec()
    }
}

fn read_layers(file: &SafeTensors<'_>) -> Vec<Layer> {
    let floats = |name: String| -> Option<(Vec<usize>, Vec<f32>)> {
        let tensor = file.tensor(&name).ok()?;
        let floats = tensor
            .data()
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes));
        Some((tensor.shape().to_vec(), floats.collect()))
    };
    let layer = |index: usize| {
        let (shape, rows) = floats(format!("{index}.weight"))?;
        let (_, bias) = floats(format!("{index}.bias"))?;
        let inputs = *shape.get(1)?;
        let weights = (0..inputs)
            .flat_map(|input| rows.iter().skip(input).step_by(inputs))
            .copied()
            .collect();
        Some(Layer { bias, weights })
    };
    (0..).map_while(layer).collect()
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "this function rounds on purpose"
)]
const fn round(value: f64) -> f32 {
    value as f32
}
