//! How strips are made and outputs collected, with a graph that shows its strips; and each error.

use hotstage_sdk::{Datatype, Failure, Files, Signature, Tensor, any, graphs, size, testing};
use serde_json::{Value, json};

use super::Strips;

/// Returns one position for each eight columns of a strip. Class 1 is the best if the first level
/// of such a column is over 0, otherwise class 0; scores are the strip's width divided by a
/// thousand.
fn reader() {
    let signature = Signature::new()
        .input("x", Datatype::Fp32, [any(), size(3), any(), any()])
        .output("y", Datatype::Fp32, [any(), any(), size(3)]);
    graphs::stand_in("model", signature, |inputs| {
        let &[rows, _, height, width] = inputs[0].shape() else {
            panic!()
        };
        let [rows, height, width] =
            [rows, height, width].map(|side| usize::try_from(side).unwrap());
        let mut scores = Vec::new();
        for strip in inputs[0].slice::<f32>()?.chunks_exact(3 * height * width) {
            for column in (0..width / 8).map(|column| strip[column * 8]) {
                let best = f32::from(u16::try_from(width).unwrap()) / 1000.0;
                scores.extend(if column > 0.0 {
                    [0.0, best, 0.0]
                } else {
                    [best, 0.0, 0.0]
                });
            }
        }
        Ok(vec![Tensor::f32(&[rows, width / 8, 3], scores)?])
    });
}

/// The left half is white, the right half black.
fn line(height: usize, width: usize) -> Vec<u8> {
    (0..height * width)
        .flat_map(|pixel| [if pixel % width < width / 2 { 255 } else { 0 }; 3])
        .collect()
}

fn crops(sizes: &[[i64; 2]]) -> [(&'static str, Tensor); 2] {
    let side = |side: i64| usize::try_from(side).unwrap();
    let levels: Vec<u8> = sizes
        .iter()
        .flat_map(|size| line(side(size[0]), side(size[1])))
        .collect();
    [
        ("crops", Tensor::u8(&[levels.len()], levels).unwrap()),
        (
            "crop_sizes",
            Tensor::i64(&[sizes.len(), 2], sizes.as_flattened()).unwrap(),
        ),
    ]
}

fn open(settings: Value) -> testing::Bench<Strips> {
    reader();
    testing::open_model(settings, Files::none()).unwrap()
}

#[test]
fn lines_of_similar_ratios_are_computed_together() {
    let settings = json!({ "height": 8, "width": 16, "batch": 2 });
    let answer = open(settings)
        .call(crops(&[[8, 64], [4, 8], [8, 16], [2, 8]]))
        .unwrap();
    let scores = answer.get("scores").unwrap();
    assert_eq!(scores.shape(), [4, 8]);
    let rows: Vec<&[f32]> = scores.slice::<f32>().unwrap().chunks_exact(8).collect();
    assert_eq!(rows[0], [0.064; 8]);
    assert_eq!(rows[1], [0.016, 0.016, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(
        rows[3], [0.064; 8],
        "the batch is as wide as its longest line"
    );
    let classes = answer.get("classes").unwrap();
    let rows: Vec<&[i64]> = classes.slice::<i64>().unwrap().chunks_exact(8).collect();
    assert_eq!(rows[0], [1, 1, 1, 1, 0, 0, 0, 0]);
    assert_eq!(
        rows[3],
        [1, 1, 0, 0, 0, 0, 0, 0],
        "behind a shorter line is nothing"
    );
}

#[test]
fn longer_lines_are_scaled_down_if_strips_are_not_widened() {
    let settings = json!({ "height": 8, "width": 32, "widen": false });
    let answer = open(settings).call(crops(&[[8, 64], [8, 16]])).unwrap();
    assert_eq!(
        answer.get("classes").unwrap().slice::<i64>().unwrap(),
        [1, 1, 0, 0, 1, 0, 0, 0]
    );
    let answer = open(json!({ "height": 8, "width": 16, "max_width": 32 }))
        .call(crops(&[[8, 640]]))
        .unwrap();
    assert_eq!(
        answer.get("classes").unwrap().slice::<i64>().unwrap(),
        [1, 1, 0, 0]
    );
}

#[test]
fn a_line_that_is_upside_down_is_rotated() {
    let settings = json!({ "height": 8, "width": 16, "turn": { "class": 1, "above": 0.9 } });
    let [levels, sizes] = crops(&[[8, 16], [8, 16], [8, 16]]);
    let turn = (
        "turn",
        Tensor::f32(&[3, 2], [0.05, 0.95, 0.1, 0.9, 1.0, 0.95]).unwrap(),
    );
    let answer = open(settings).call([levels, sizes, turn]).unwrap();
    assert_eq!(
        answer.get("classes").unwrap().slice::<i64>().unwrap(),
        [0, 1, 1, 0, 1, 0]
    );
}

#[test]
fn no_line_gets_no_row() {
    let answer = open(json!({ "turn": { "class": 1, "above": 0.9 } }))
        .call(
            crops(&[])
                .into_iter()
                .chain([("turn", Tensor::f32(&[0, 2], []).unwrap())]),
        )
        .unwrap();
    assert_eq!(answer.get("classes").unwrap().shape(), [0, 0]);
}

#[test]
fn inconsistent_inputs_are_internal() {
    let check = |sizes: [i64; 2], levels: usize, text: &str| {
        let sizes = ("crop_sizes", Tensor::i64(&[1, 2], sizes).unwrap());
        let crops = ("crops", Tensor::u8(&[levels], vec![0; levels]).unwrap());
        assert_eq!(
            open(json!({})).call([crops, sizes]).unwrap_err(),
            Failure::internal(text)
        );
    };
    check(
        [2, 2],
        11,
        "line 0 is 2 × 2 pixels, and `crops` does not hold them",
    );
    check(
        [-1, 2],
        11,
        "line 0 is 2 × -1 pixels, and `crops` does not hold them",
    );
    check(
        [i64::MAX, i64::MAX],
        11,
        &format!(
            "line 0 is {0} × {0} pixels, and `crops` does not hold them",
            i64::MAX
        ),
    );
    check(
        [1, 1],
        5,
        "`crops` has 2 levels more than the lines in `crop_sizes`",
    );
}

#[test]
fn invalid_graphs_and_settings_are_refused() {
    reader();
    let check = |settings: Value, text: &str| {
        let refusal = testing::open_model::<Strips>(settings, Files::none())
            .unwrap_err()
            .to_string();
        assert!(refusal.starts_with(text), "{refusal}");
    };
    check(
        json!({ "answer": "scores" }),
        "`model`: its first output is not FP32 of 2 dimensions",
    );
    check(json!({ "file": "other" }), "no file `other`");
    check(
        json!({ "batch": 0 }),
        "settings.batch: is 0; 1 to 64 is needed",
    );
    check(
        json!({ "width": 9000 }),
        "settings.width: is 9000; 1 to 8192 is needed",
    );
    check(json!({ "threads": 0 }), "settings.threads: is 0");
    check(json!({ "std": [0.0, 1.0, 1.0] }), "settings.std[0]: is 0");
}
