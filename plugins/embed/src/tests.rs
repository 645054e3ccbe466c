//! Each pooling compared with numpy, and each error.

use hotstage_sdk::{Element, Failure, Files, Tensor, bf16, f16, testing};
use serde_json::{Value, json};

use super::Embed;

/// The output of `reference/make.py`.
fn golden() -> Value {
    serde_json::from_str(include_str!("../reference/golden.json")).unwrap()
}

fn floats(list: &Value) -> Vec<f32> {
    serde_json::from_value(list.clone()).unwrap()
}

fn sizes(list: &Value) -> Vec<usize> {
    serde_json::from_value(list.clone()).unwrap()
}

fn embed<T: Element>(
    settings: Value,
    shape: &[usize],
    given: &[T],
    mask: &[i64],
) -> Result<Tensor, Failure> {
    let mut bench = testing::open_postprocessor::<Embed>(settings, Files::none()).unwrap();
    let mut inputs = vec![("last_hidden_state", Tensor::new(shape, given)?)];
    if shape.len() == 3 {
        inputs.push(("attention_mask", Tensor::new(&shape[..2], mask)?));
    }
    let answer = bench.call(inputs)?;
    let embedding = answer.get("embedding")?;
    let shape: Vec<usize> = embedding
        .shape()
        .iter()
        .map(|&size| usize::try_from(size).unwrap())
        .collect();
    Tensor::new(&shape, embedding.slice::<f32>()?).map_err(Failure::from)
}

#[track_caller]
fn check(settings: Value, shape: &[usize], given: &[f32], mask: &[i64], expected: &[f32]) {
    assert_eq!(
        embed(settings, shape, given, mask)
            .unwrap()
            .slice::<f32>()
            .unwrap(),
        expected
    );
}

#[track_caller]
fn refused(settings: Value, shape: &[usize], given: &[f32], mask: &[i64], text: &str) {
    assert_eq!(
        embed(settings, shape, given, mask).unwrap_err(),
        Failure::Internal(text.to_owned())
    );
}

#[test]
fn every_pooling_agrees_with_numpy() {
    let golden = golden();
    let (shape, given) = (
        sizes(&golden["shape"]),
        floats(&golden["last_hidden_state"]),
    );
    let mask: Vec<i64> = serde_json::from_value(golden["attention_mask"].clone()).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let answer = embed(case["settings"].clone(), &shape, &given, &mask).unwrap();
        assert_eq!(answer.shape(), [4, case["width"].as_u64().unwrap()]);
        for (given, expected) in answer
            .slice::<f32>()
            .unwrap()
            .iter()
            .zip(floats(&case["embedding"]))
        {
            assert!(
                (given - expected).abs() <= 1e-6,
                "{given} is not {expected}: {}",
                case["settings"]
            );
        }
    }
}

#[test]
fn half_floats_are_accepted() {
    for datatype in ["FP16", "BF16"] {
        let settings = json!({ "datatype": datatype, "normalise": false });
        let given = [1.0, -2.0, 3.0, 4.0];
        let answer = if datatype == "FP16" {
            embed(settings, &[1, 2, 2], &given.map(f16::from_f32), &[1, 1])
        } else {
            embed(settings, &[1, 2, 2], &given.map(bf16::from_f32), &[1, 1])
        };
        assert_eq!(answer.unwrap().slice::<f32>().unwrap(), [2.0, 1.0]);
    }
}

#[test]
fn pooled_embeddings_are_normalised() {
    check(
        json!({ "pooling": "none" }),
        &[2, 2],
        &[3.0, 4.0, 0.0, -2.0],
        &[],
        &[0.6, 0.8, 0.0, -1.0],
    );
    check(
        json!({ "pooling": "none", "dimensions": 1 }),
        &[1, 2],
        &[3.0, 4.0],
        &[],
        &[1.0],
    );
}

#[test]
fn no_texts_are_fine_and_zeros_stay_zeros() {
    check(json!({}), &[0, 3, 2], &[], &[], &[]);
    check(json!({}), &[0, 0, 2], &[], &[], &[]);
    check(json!({}), &[1, 1, 2], &[0.0, 0.0], &[1], &[0.0, 0.0]);
}

#[test]
fn names_and_the_width_are_the_settings() {
    let settings =
        json!({ "input": "tokens", "mask": "seen", "output": "vector", "dimensions": 384 });
    let bench = testing::open_postprocessor::<Embed>(settings, Files::none()).unwrap();
    let inputs: Vec<&str> = bench
        .signature()
        .inputs
        .iter()
        .map(|port| port.name.as_str())
        .collect();
    assert_eq!(inputs, ["tokens", "seen"]);
    assert_eq!(bench.signature().outputs[0].name, "vector");
    assert_eq!(bench.signature().outputs[0].shape, [None, Some(384)]);
}

#[test]
fn invalid_tensors_of_an_earlier_stage_are_internal() {
    let two = [1.0, 2.0, 3.0, 4.0];
    refused(
        json!({}),
        &[2, 1, 2],
        &two,
        &[1, 0],
        "input `attention_mask`: row 1 names no token",
    );
    refused(
        json!({}),
        &[1, 0, 2],
        &[],
        &[],
        "input `attention_mask`: row 0 names no token",
    );
    let text =
        "input `last_hidden_state`: its embeddings have 2 numbers, and at least 3 are needed";
    refused(json!({ "dimensions": 3 }), &[2, 1, 2], &two, &[1, 1], text);
    let text =
        "input `last_hidden_state`: its embeddings have 0 numbers, and at least 1 are needed";
    refused(json!({}), &[1, 1, 0], &[], &[1], text);
    for pooling in ["mean", "max", "cls", "last"] {
        let text =
            "input `last_hidden_state`: row 1, column 0 is NaN: the model answered no number";
        // First and last token alike, so that each pooling uses it; a smaller number is between.
        let given = [1.0, 1.0, 1.0, f32::NAN, -1.0, f32::NAN];
        refused(
            json!({ "pooling": pooling }),
            &[2, 3, 1],
            &given,
            &[1; 6],
            text,
        );
    }
    let text = "input `last_hidden_state`: row 0, column 1 is inf: the model answered no number";
    refused(json!({}), &[1, 1, 2], &[1.0, f32::INFINITY], &[1], text);
}

#[test]
fn a_mask_of_another_shape_is_internal() {
    let mut bench = testing::open_postprocessor::<Embed>(json!({}), Files::none()).unwrap();
    let failure = bench
        .call([
            (
                "last_hidden_state",
                Tensor::f32(&[1, 2, 1], [1.0, 2.0]).unwrap(),
            ),
            ("attention_mask", Tensor::i64(&[1, 3], [1, 1, 1]).unwrap()),
        ])
        .unwrap_err();
    let text = "input `attention_mask`: has shape [1, 3], and `last_hidden_state` has [1, 2, 1]; the first two must be \
                alike";
    assert_eq!(failure, Failure::Internal(text.to_owned()));
}

#[test]
fn invalid_settings_are_refused() {
    let check = |settings: Value, text: &str| {
        let refusal = testing::open_postprocessor::<Embed>(settings, Files::none())
            .unwrap_err()
            .to_string();
        assert!(refusal.starts_with(text), "{refusal}");
    };
    check(
        json!({ "dimensions": 0 }),
        "settings.dimensions: is 0; it must be at least 1",
    );
    check(
        json!({ "pooling": "sum" }),
        "settings.pooling: unknown variant `sum`, expected one of `mean`, `cls`",
    );
    check(
        json!({ "normalize": true }),
        "settings.normalize: unknown field `normalize`",
    );
    check(
        json!({ "datatype": "FP64" }),
        "settings.datatype: unknown variant `FP64`",
    );
}
