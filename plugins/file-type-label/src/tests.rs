//! Each rule compared with the reference implementation, and each error.

use hotstage_sdk::{Failure, Files, Tensor, testing};
use serde_json::{Value, json};

use super::FileTypes;

/// The output of `reference/labels.py`.
const REFERENCE: &str = include_str!("../reference/labels.json");

fn open(
    settings: Value,
    config: &Value,
    types: &Value,
) -> Result<testing::Bench<FileTypes>, String> {
    let files = Files::from_map([("config", config.to_string()), ("types", types.to_string())]);
    testing::open_postprocessor(settings, files).map_err(|error| error.to_string())
}

/// Three types: one needs a high score, and one is renamed.
fn small() -> (Value, Value) {
    let config = json!({
        "target_labels_space": ["c", "png", "noise"], "medium_confidence_threshold": 0.5, "thresholds": {"c": 0.9},
        "overwrite_map": {"noise": "unknown"}, "beg_size": 1024
    });
    let types = json!({ "c": {"is_text": true, "group": "code"}, "png": {"is_text": false}, "unknown": {"is_text": false} });
    (config, types)
}

fn ask(scores: &[f32], known: &[&str]) -> Result<(Vec<String>, Vec<f32>), Failure> {
    let (config, types) = small();
    let mut bench = open(json!({}), &config, &types).unwrap();
    let table = Tensor::f32(&[scores.len() / 3, 3], scores)?;
    let answer = bench.call([
        ("scores", table),
        ("known", Tensor::bytes(&[known.len()], known)?),
    ])?;
    let labels = answer
        .get("label")?
        .bytes_elements()?
        .map(|label| String::from_utf8(label.to_vec()).unwrap());
    Ok((
        labels.collect(),
        answer.get("score")?.slice::<f32>()?.to_vec(),
    ))
}

#[track_caller]
fn check(scores: &[f32], known: &[&str], labels: &[&str], expected: &[f32]) {
    let (given, certainties) = ask(scores, known).unwrap();
    assert_eq!(given, labels);
    assert_eq!(certainties, expected);
}

#[test]
fn every_type_is_answered_as_the_reference_answers() {
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    for mode in ["high-confidence", "medium-confidence", "best-guess"] {
        let bench = open(
            json!({ "mode": mode }),
            &reference["config"],
            &reference["types"],
        )
        .unwrap();
        let expected = reference[mode].as_array().unwrap();
        assert_eq!(bench.stage().rules.len(), expected.len());
        for (rule, expected) in bench.stage().rules.iter().zip(expected) {
            let from: f32 = serde_json::from_value(expected[2].clone()).unwrap();
            assert_eq!(
                [rule.label(0.0), rule.label(1.0)],
                [&expected[0], &expected[1]],
                "{mode}"
            );
            assert_eq!(rule.label(from), expected[1], "{mode}, from {from}");
            if from > 0.0 {
                assert_eq!(
                    rule.label(from.next_down()),
                    expected[0],
                    "{mode}, below {from}"
                );
            }
        }
    }
}

#[test]
fn the_largest_score_wins_the_first_among_equals() {
    check(
        &[0.02, 0.97, 0.01, 0.5, 0.5, 0.0],
        &["", ""],
        &["png", "txt"],
        &[0.97, 0.5],
    );
}

#[test]
fn a_score_under_the_threshold_of_its_type_is_text_or_unknown() {
    check(
        &[0.89, 0.1, 0.01, 0.91, 0.08, 0.01],
        &["", ""],
        &["txt", "c"],
        &[0.89, 0.91],
    );
    check(
        &[0.3, 0.49, 0.2, 0.3, 0.5, 0.2],
        &["", ""],
        &["unknown", "png"],
        &[0.49, 0.5],
    );
    check(&[0.0, 0.0, 1.0], &[""], &["unknown"], &[1.0]);
}

#[test]
fn known_types_need_no_score() {
    check(
        &[f32::NAN, 0.0, 0.0, 0.0, 0.9, 0.1],
        &["empty", ""],
        &["empty", "png"],
        &[1.0, 0.9],
    );
    check(&[], &[], &[], &[]);
}

#[test]
fn invalid_model_outputs_are_internal() {
    let text = "input `scores`: row 1, column 2 is NaN: the model answered no number".to_owned();
    assert_eq!(
        ask(&[0.1, 0.2, 0.7, 0.1, 0.2, f32::NAN], &["", ""]),
        Err(Failure::Internal(text))
    );
    let text =
        "input `scores` has 1 rows and input `known` 2 elements; each file needs one of both"
            .to_owned();
    assert_eq!(
        ask(&[0.1, 0.2, 0.7], &["", ""]),
        Err(Failure::Internal(text))
    );
}

#[test]
fn invalid_files_and_settings_are_refused() {
    let (config, types) = small();
    let check = |settings: Value, config: &Value, types: &Value, start: &str| {
        let refusal = open(settings, config, types).unwrap_err();
        assert!(refusal.starts_with(start), "{refusal}");
    };
    let mode = "settings.mode: unknown variant `sure`, expected one of `high-confidence`";
    check(json!({ "mode": "sure" }), &config, &types, mode);
    check(
        json!({}),
        &json!({}),
        &types,
        "file `config`: missing field `target_labels_space`",
    );
    check(
        json!({}),
        &config,
        &json!([]),
        "file `types`: invalid type: sequence, expected a map",
    );
    let text = "file `types`: says nothing of `c`, which the file `config` has among its types";
    check(json!({}), &config, &json!({}), text);
    let nothing = json!({
        "target_labels_space": [], "medium_confidence_threshold": 0.5, "thresholds": {}, "overwrite_map": {}
    });
    let text = "file `config`: target_labels_space: has 0 types; 1 to 4096 are needed";
    check(json!({}), &nothing, &types, text);
}
