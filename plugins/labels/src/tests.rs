//! Each rule, and each refusal.

use hotstage_sdk::{Failure, Files, Tensor, testing};
use serde_json::{Value, json};

use super::Labels;

fn pick(settings: Value, columns: usize, scores: &[f32]) -> Result<(Vec<String>, Vec<f32>), Failure> {
    let mut bench = testing::open_postprocessor::<Labels>(settings, Files::none()).unwrap();
    let table = Tensor::f32(&[scores.len() / columns, columns], scores)?;
    let answer = bench.call([("scores", table)])?;
    let labels = answer.get("label")?.bytes_elements()?.map(|label| String::from_utf8(label.to_vec()).unwrap());
    Ok((labels.collect(), answer.get("score")?.slice::<f32>()?.to_vec()))
}

#[track_caller]
fn check(settings: Value, columns: usize, scores: &[f32], labels: &[&str], expected: &[f32]) {
    let (given, scores) = pick(settings, columns, scores).unwrap();
    assert_eq!(given, labels);
    assert_eq!(scores, expected);
}

#[test]
fn two_labels_take_one_column_or_two() {
    let settings = || json!({ "labels": ["benign", "malignant"] });
    check(settings(), 1, &[0.2, 0.5, 0.9], &["benign", "malignant", "malignant"], &[0.2, 0.5, 0.9]);
    check(settings(), 2, &[0.8, 0.2, 0.1, 0.9], &["benign", "malignant"], &[0.2, 0.9]);
}

#[test]
fn the_threshold_itself_is_the_second_label() {
    let settings = || json!({ "labels": ["no", "yes"], "threshold": 0.7 });
    check(settings(), 1, &[0.7, 0.699], &["yes", "no"], &[0.7, 0.699]);
}

#[test]
fn of_more_labels_the_largest_score_wins() {
    let scores = [0.1, 0.7, 0.2, 0.4, 0.2, 0.4];
    check(json!({ "labels": ["a", "b", "c"] }), 3, &scores, &["b", "a"], &[0.7, 0.4]);
    let settings = json!({ "labels": ["a", "b", "c"], "threshold": 0.5, "below": "unknown" });
    check(settings, 3, &scores, &["b", "unknown"], &[0.7, 0.4]);
}

#[test]
fn no_rows_are_fine() {
    check(json!({ "labels": ["a", "b"] }), 1, &[], &[], &[]);
}

#[test]
fn what_the_model_did_wrong_is_internal() {
    let text = "input `scores`: row 1, column 0 is NaN: the model answered no number".to_owned();
    assert_eq!(pick(json!({ "labels": ["a", "b"] }), 1, &[0.1, f32::NAN]), Err(Failure::Internal(text)));
    let text = "input `scores`: 3 columns for 2 labels; give one label for each".to_owned();
    assert_eq!(pick(json!({ "labels": ["a", "b"] }), 3, &[0.1; 3]), Err(Failure::Internal(text)));
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let check = |settings: Value, start: &str| {
        let refusal = testing::open_postprocessor::<Labels>(settings, Files::none()).unwrap_err().to_string();
        assert!(refusal.starts_with(start), "{refusal}");
    };
    check(json!({}), "settings: missing field `labels`");
    check(json!({ "labels": ["a"] }), "settings.labels: has 1 elements; at least two are needed");
    check(json!({ "labels": ["a", "b", "a"] }), "settings.labels[2]: is `a`, as settings.labels[0] is");
    check(json!({ "labels": ["a", "b"], "below": "c" }), "settings.below: two labels leave nothing below");
    check(json!({ "labels": ["a", "b", "c"], "threshold": 0.1 }), "settings.threshold: with more than two labels");
    check(json!({ "labels": ["a", 3] }), "settings.labels[1]: expected a string, found integer `3`");
    check(json!({ "labels": ["a", "b"], "treshold": 1 }), "settings.treshold: unknown field");
}
