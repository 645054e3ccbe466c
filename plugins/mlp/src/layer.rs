//! One dense layer: `y = x · Wᵀ + b`.
//!
//! A batch is a matrix product: the weights of [`LANES`] outputs at a time are read once for
//! [`ROWS`] rows, and the sums stay in vector registers. Each sum adds the bias and then the inputs
//! in their order, alone or in a batch, so a row's answer is the same to the last bit in any batch.

use wide::f32x4;

/// Outputs that are summed side by side: two vector registers.
const LANES: usize = 8;
/// Those registers, explicitly: the compiler alone keeps half of a single row's sums out of them.
type Lanes = [f32x4; LANES / 4];
/// Rows that are computed side by side.
pub(crate) const ROWS: usize = 4;

/// A layer, with its weights in the order of the product.
#[derive(Debug)]
pub(crate) struct Layer {
    inputs: usize,
    bias: Vec<f32>,
    /// For each block of `LANES` outputs and each input, that input's weights. The last block is
    /// padded with zeros.
    blocks: Vec<Lanes>,
}

impl Layer {
    /// A layer of `[outputs, inputs]` weights in row-major order. Neither size may be 0.
    pub(crate) fn new(inputs: usize, weights: &[f32], bias: Vec<f32>) -> Self {
        let mut blocks = vec![[0.0; LANES]; bias.len().div_ceil(LANES) * inputs];
        for (output, weights) in weights.chunks_exact(inputs).enumerate() {
            let block = &mut blocks[output / LANES * inputs..][..inputs];
            for (lanes, &weight) in block.iter_mut().zip(weights) {
                lanes[output % LANES] = weight;
            }
        }
        let blocks = blocks.iter().map(load).collect();
        Self {
            inputs,
            bias,
            blocks,
        }
    }

    pub(crate) const fn inputs(&self) -> usize {
        self.inputs
    }

    pub(crate) const fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Computes up to [`ROWS`] rows: `x` is `[rows, inputs]`, `y` is `[rows, outputs]`.
    pub(crate) fn apply(&self, x: &[f32], y: &mut [f32]) {
        if x.len() == ROWS * self.inputs {
            let mut rows = x.chunks_exact(self.inputs);
            let rows: [&[f32]; ROWS] = std::array::from_fn(|_| rows.next().unwrap_or_default());
            self.apply_rows(rows, y);
        } else {
            for (row, y) in x
                .chunks_exact(self.inputs)
                .zip(y.chunks_exact_mut(self.outputs()))
            {
                self.apply_rows([row], y);
            }
        }
    }

    fn apply_rows<const N: usize>(&self, x: [&[f32]; N], y: &mut [f32]) {
        let blocks = self.blocks.chunks_exact(self.inputs);
        // All slices have one length that the compiler knows, so the loop needs no bounds checks.
        let x = x.map(|row| &row[..self.inputs]);
        for (index, (weights, bias)) in blocks.zip(self.bias.chunks(LANES)).enumerate() {
            let mut first = [0.0; LANES];
            first[..bias.len()].copy_from_slice(bias);
            let mut sums = [load(&first); N];
            // Four inputs per iteration, because each iteration checks the sandbox's epoch.
            let (rounds, rest) = weights[..self.inputs].as_chunks::<4>();
            for (round, weights) in rounds.iter().enumerate() {
                let x = x.map(|row| &row[4 * round..][..4]);
                for (input, lanes) in weights.iter().enumerate() {
                    add(&mut sums, x, input, lanes);
                }
            }
            for (input, lanes) in rest.iter().enumerate() {
                add(&mut sums, x, 4 * rounds.len() + input, lanes);
            }
            for (sums, y) in sums.iter().zip(y.chunks_exact_mut(self.outputs())) {
                let sums = sums.map(f32x4::to_array);
                y[index * LANES..][..bias.len()]
                    .copy_from_slice(&sums.as_flattened()[..bias.len()]);
            }
        }
    }
}

/// Adds one input's part to the sums of each row.
fn add<const N: usize>(sums: &mut [Lanes; N], x: [&[f32]; N], input: usize, weights: &Lanes) {
    for (sums, row) in sums.iter_mut().zip(x) {
        let element = f32x4::splat(row[input]);
        for (sum, weight) in sums.iter_mut().zip(weights) {
            *sum += element * *weight;
        }
    }
}

fn load(lanes: &[f32; LANES]) -> Lanes {
    let [a, b, c, d, e, f, g, h] = *lanes;
    [f32x4::new([a, b, c, d]), f32x4::new([e, f, g, h])]
}
