//! Which lines are kept, their positions, and each error.

use hotstage_sdk::{Failure, Files, Tensor, testing};
use serde_json::{Value, json};

use super::Lines;

fn ask(settings: Value, scores: &[f32], frame: [i64; 5]) -> Result<testing::Answer, Failure> {
    let mut bench = testing::open_postprocessor::<Lines>(settings, Files::none()).unwrap();
    let corners: Vec<f32> = scores
        .iter()
        .flat_map(|_| [10.0, 20.0, 90.0, 20.0, 90.0, 40.0, 10.0, 2.0])
        .collect();
    bench.call([
        ("text", Tensor::bytes(&[2], ["one", "two"])?),
        ("score", Tensor::f32(&[scores.len()], scores)?),
        ("corners", Tensor::f32(&[scores.len(), 4, 2], corners)?),
        ("frame", Tensor::i64(&[5], frame)?),
    ])
}

#[test]
fn lines_with_a_high_score_are_kept() {
    let answer = ask(json!({}), &[0.49, 0.5], [50, 100, 50, 100, 0]).unwrap();
    assert_eq!(
        answer
            .get("text")
            .unwrap()
            .bytes_elements()
            .unwrap()
            .collect::<Vec<_>>(),
        [b"two"]
    );
    assert_eq!(answer.get("score").unwrap().slice::<f32>().unwrap(), [0.5]);
    let answer = ask(
        json!({ "score_min": 0.9 }),
        &[f32::NAN, 0.5],
        [50, 100, 50, 100, 0],
    )
    .unwrap();
    assert_eq!(answer.get("box").unwrap().shape(), [0, 4, 2]);
}

#[test]
fn corners_are_positions_on_the_original_picture() {
    let answer = ask(
        json!({ "score_min": 0.6 }),
        &[0.7, 0.5],
        [60, 150, 30, 100, 5],
    )
    .unwrap();
    let expected = [15.0, 30.0, 135.0, 30.0, 135.0, 60.0, 15.0, 0.0];
    assert_eq!(answer.get("box").unwrap().slice::<f32>().unwrap(), expected);
}

#[test]
fn inconsistent_inputs_are_internal() {
    let text = "2 texts, 1 scores and 1 places do not fit";
    assert_eq!(
        ask(json!({}), &[0.7], [1; 5]).unwrap_err(),
        Failure::internal(text)
    );
    let text = "input `frame` has no sizes";
    assert_eq!(
        ask(json!({}), &[0.7, 0.7], [1, 1, 0, 1, 0]).unwrap_err(),
        Failure::internal(text)
    );
    let refusal = testing::open_postprocessor::<Lines>(json!({ "score_min": 7.0 }), Files::none())
        .unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "settings.score_min: is 7; 0 to 1 is needed"
    );
}
