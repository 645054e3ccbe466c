//! Comparison with the same formulas written with `ndarray`.

use hotstage_sdk::ndarray::{Array, Array1, Array2, Axis};
use hotstage_sdk::{Failure, Files, Tensor, testing};
use safetensors::{Dtype, serialize, tensor::TensorView};
use serde_json::{Value, json};

use super::Mlp;

type Given<'a> = (&'a str, Vec<usize>, Vec<f32>);

fn file(tensors: &[Given<'_>]) -> Files {
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, floats)| {
            floats
                .iter()
                .flat_map(|float| float.to_le_bytes())
                .collect()
        })
        .collect();
    let views = tensors.iter().zip(&data).map(|((name, shape, _), data)| {
        (
            *name,
            TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
        )
    });
    Files::from_map([("weights", serialize(views, None).unwrap())])
}

/// Deterministic pseudo-random numbers.
fn noise(count: usize, mut seed: u32) -> Vec<f32> {
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(seed >> 16).unwrap()) / f32::from(u16::MAX) - 0.5
    };
    (0..count).map(|_| next()).collect()
}

const SIZES: [usize; 4] = [30, 17, 9, 3];

fn network() -> Vec<(Array2<f32>, Array1<f32>)> {
    SIZES
        .windows(2)
        .map(|pair| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let weights =
                Array::from_shape_vec((outputs, inputs), noise(outputs * inputs, 7)).unwrap();
            (weights, Array::from_vec(noise(outputs, 9)))
        })
        .collect()
}

fn network_file() -> Files {
    let names: Vec<(String, String)> = (0..3)
        .map(|index| (format!("{index}.weight"), format!("{index}.bias")))
        .collect();
    let layers = network();
    let tensors: Vec<Given<'_>> = names
        .iter()
        .zip(&layers)
        .flat_map(|((weight, bias), (weights, biases))| {
            [
                (
                    weight.as_str(),
                    weights.shape().to_vec(),
                    weights.iter().copied().collect(),
                ),
                (bias.as_str(), biases.shape().to_vec(), biases.to_vec()),
            ]
        })
        .collect();
    file(&tensors)
}

fn expected(table: &[f32], hidden: impl Fn(f32) -> f32) -> Array2<f32> {
    let mut rows =
        Array::from_shape_vec((table.len() / SIZES[0], SIZES[0]), table.to_vec()).unwrap();
    for (index, (weights, bias)) in network().into_iter().enumerate() {
        rows = rows.dot(&weights.t()) + bias;
        if index < 2 {
            rows.mapv_inplace(&hidden);
        }
    }
    rows
}

fn scores(settings: Value, table: &[f32]) -> Vec<f32> {
    let mut bench = testing::open_model::<Mlp>(settings, network_file()).unwrap();
    let rows = table.len() / SIZES[0];
    let answer = bench
        .call([("features", Tensor::f32(&[rows, SIZES[0]], table).unwrap())])
        .unwrap();
    let scores = answer.get("scores").unwrap();
    assert_eq!(scores.shape(), [rows as u64, 3]);
    scores.slice::<f32>().unwrap().to_vec()
}

#[track_caller]
fn assert_close(given: &[f32], expected: &Array2<f32>) {
    assert_eq!(given.len(), expected.len());
    for (given, expected) in given.iter().zip(expected) {
        assert!((given - expected).abs() < 1e-5, "{given} is not {expected}");
    }
}

#[test]
fn every_activation_is_the_formula() {
    let table = noise(7 * SIZES[0], 3);
    let check = |name: &str, hidden: fn(f32) -> f32| {
        let settings = json!({ "activation": name, "output_activation": "identity" });
        assert_close(&scores(settings, &table), &expected(&table, hidden));
    };
    check("relu", |element| element.max(0.0));
    check("tanh", f32::tanh);
    check("logistic", |element| 1.0 / (1.0 + (-element).exp()));
    check("sigmoid", |element| 1.0 / (1.0 + (-element).exp()));
    check("identity", |element| element);
}

#[test]
fn every_output_activation_is_the_formula() {
    let table = noise(5 * SIZES[0], 5);
    let raw = expected(&table, |element| element.max(0.0));
    let logistic = raw.mapv(|element| 1.0 / (1.0 + (-element).exp()));
    assert_close(
        &scores(json!({ "output_activation": "logistic" }), &table),
        &logistic,
    );
    let exponentials = raw.mapv(f32::exp);
    let softmax = &exponentials / &exponentials.sum_axis(Axis(1)).insert_axis(Axis(1));
    assert_close(&scores(json!({}), &table), &softmax);
}

#[test]
fn an_answer_does_not_depend_on_its_batch() {
    let table = noise(11 * SIZES[0], 1);
    let together = scores(json!({}), &table);
    let alone: Vec<f32> = table
        .chunks(SIZES[0])
        .flat_map(|row| scores(json!({}), row))
        .collect();
    assert_eq!(together, alone);
}

#[test]
fn no_rows_are_fine() {
    assert!(scores(json!({}), &[]).is_empty());
}

#[test]
fn one_layer_is_a_linear_model() {
    let files = file(&[
        ("0.weight", vec![1, 2], vec![2.0, 3.0]),
        ("0.bias", vec![1], vec![0.5]),
    ]);
    let settings = json!({ "output_activation": "identity", "input": "x", "output": "y" });
    let mut bench = testing::open_model::<Mlp>(settings, files).unwrap();
    let answer = bench
        .call([("x", Tensor::f32(&[1, 2], [1.0, 10.0]).unwrap())])
        .unwrap();
    assert_eq!(answer.get("y").unwrap().slice::<f32>().unwrap(), [32.5]);
    let failure = bench
        .call([("x", Tensor::f32(&[1, 3], [1.0; 3]).unwrap())])
        .unwrap_err();
    let text = "input `x`: expected FP32 [-1, 2], given FP32 [1, 3]";
    assert_eq!(failure, Failure::InvalidInput(text.to_owned()));
}

#[test]
fn a_nan_is_not_hidden() {
    let mut table = noise(SIZES[0], 1);
    table[3] = f32::NAN;
    assert!(scores(json!({}), &table).iter().all(|score| score.is_nan()));
}

#[test]
fn a_file_of_another_model_is_refused() {
    let refusal = |files: Files| {
        testing::open_model::<Mlp>(json!({}), files)
            .unwrap_err()
            .to_string()
    };
    let first = || ("0.weight", vec![2, 3], vec![0.0; 6]);
    assert_eq!(
        refusal(Files::none()),
        "no file `weights`: add it to the stage's `files` in the manifest; given: none"
    );
    assert!(
        refusal(Files::from_map([("weights", "x")]))
            .starts_with("file `weights`: is no safetensors file: ")
    );
    assert_eq!(
        refusal(file(&[])),
        "file `weights`: lacks the tensor `0.weight` of shape [out, in]"
    );
    assert_eq!(
        refusal(file(&[first()])),
        "file `weights`: lacks the tensor `0.bias` of shape [2]"
    );
    assert_eq!(
        refusal(file(&[first(), ("0.bias", vec![3], vec![0.0; 3])])),
        "file `weights`: tensor `0.bias`: expected shape [2], given [3]"
    );
    assert_eq!(
        refusal(file(&[
            first(),
            ("0.bias", vec![2], vec![0.0; 2]),
            ("1.weight", vec![1, 3], vec![0.0; 3])
        ])),
        "file `weights`: tensor `1.weight`: expected shape [out, 2], given [1, 3]"
    );
    assert_eq!(
        refusal(file(&[
            first(),
            ("0.bias", vec![2], vec![0.0; 2]),
            ("2.bias", vec![1], vec![0.0])
        ])),
        "file `weights`: the tensor `2.bias` belongs to no layer; there are 1 layers, `0` to `0`, each with \
         `.weight` and `.bias`"
    );
    assert_eq!(
        refusal(file(&[("0.weight", vec![1, 1], vec![f32::NAN])])),
        "file `weights`: tensor `0.weight`: element 0 is NaN"
    );
}
