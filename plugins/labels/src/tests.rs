//! Each rule and its answers.

mod golden;
mod hostile;
mod refused;

use hotstage_sdk::{Failure, Files, Tensor, testing};
use serde_json::{Value, json};

use crate::Labels;

fn pick(
    settings: Value,
    columns: usize,
    scores: &[f32],
) -> Result<(Vec<String>, Vec<f32>), Failure> {
    let mut bench = testing::open_postprocessor::<Labels>(settings, Files::none()).unwrap();
    let table = Tensor::f32(&[scores.len() / columns, columns], scores)?;
    let answer = bench.call([("scores", table)])?;
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
fn check(settings: Value, columns: usize, scores: &[f32], labels: &[&str], expected: &[f32]) {
    let (given, scores) = pick(settings, columns, scores).unwrap();
    assert_eq!(given, labels);
    assert_eq!(scores, expected);
}

#[test]
fn two_labels_take_one_column_or_two() {
    let settings = || json!({ "labels": ["benign", "malignant"] });
    check(
        settings(),
        1,
        &[0.2, 0.5, 0.9],
        &["benign", "malignant", "malignant"],
        &[0.2, 0.5, 0.9],
    );
    check(
        settings(),
        2,
        &[0.8, 0.2, 0.1, 0.9],
        &["benign", "malignant"],
        &[0.2, 0.9],
    );
}

#[test]
fn the_threshold_itself_is_the_second_label() {
    let settings = || json!({ "labels": ["no", "yes"], "threshold": 0.7 });
    check(settings(), 1, &[0.7, 0.699], &["yes", "no"], &[0.7, 0.699]);
}

#[test]
fn of_more_labels_the_largest_score_wins() {
    let scores = [0.1, 0.7, 0.2, 0.4, 0.2, 0.4];
    check(
        json!({ "labels": ["a", "b", "c"] }),
        3,
        &scores,
        &["b", "a"],
        &[0.7, 0.4],
    );
    let settings = json!({ "labels": ["a", "b", "c"], "threshold": 0.5, "below": "unknown" });
    check(settings, 3, &scores, &["b", "unknown"], &[0.7, 0.4]);
}

#[test]
fn the_mean_of_the_scores_is_observed_if_enabled() {
    for (settings, scores, mean) in [
        (json!({ "labels": ["a", "b"] }), [0.25_f32, 0.75], 0.5),
        (
            json!({ "labels": ["a", "b"], "top_k": 2 }),
            [0.125, 0.875],
            0.5,
        ),
        (
            json!({ "labels": ["a", "b"], "multi_label": true }),
            [0.0, 0.5],
            0.25,
        ),
    ] {
        let columns = if settings.get("multi_label").is_some() {
            2
        } else {
            1
        };
        pick_any(&settings, columns, &scores);
        assert_eq!(testing::observed(), []);
        let mut observing = settings;
        observing["observe_score"] = json!(true);
        pick_any(&observing, columns, &scores);
        assert_eq!(
            testing::observed(),
            [("score".to_owned(), mean)],
            "{observing}"
        );
        pick_any(&observing, columns, &[]);
        assert_eq!(testing::observed(), []);
    }
}

fn pick_any(settings: &Value, columns: usize, scores: &[f32]) {
    let mut bench = testing::open_postprocessor::<Labels>(settings.clone(), Files::none()).unwrap();
    let table = Tensor::f32(&[scores.len() / columns, columns], scores).unwrap();
    bench.call([("scores", table)]).unwrap();
}

#[test]
fn no_rows_are_fine() {
    check(json!({ "labels": ["a", "b"] }), 1, &[], &[], &[]);
}

/// One label and one score per row, or several.
struct Ranked<'a> {
    shape: &'a [u64],
    labels: &'a [&'a str],
    scores: &'a [f32],
}

#[track_caller]
fn check_ranked(settings: Value, columns: usize, scores: &[f32], expected: &Ranked<'_>) {
    let mut bench = testing::open_postprocessor::<Labels>(settings, Files::none()).unwrap();
    let table = Tensor::f32(&[scores.len() / columns, columns], scores).unwrap();
    let answer = bench.call([("scores", table)]).unwrap();
    let (label, score) = (answer.get("label").unwrap(), answer.get("score").unwrap());
    assert_eq!(
        (label.shape(), score.shape()),
        (expected.shape, expected.shape)
    );
    let labels: Vec<&str> = label
        .bytes_elements()
        .unwrap()
        .map(|label| str::from_utf8(label).unwrap())
        .collect();
    assert_eq!(labels, expected.labels);
    assert_eq!(score.slice::<f32>().unwrap(), expected.scores);
}

#[test]
fn the_largest_few_come_in_order_and_equal_ones_keep_theirs() {
    let settings = json!({ "labels": ["a", "b", "c", "d"], "top_k": 3 });
    let expected = Ranked {
        shape: &[2, 3],
        labels: &["d", "a", "b", "b", "c", "d"],
        scores: &[0.7, 0.1, 0.1, 0.5, 0.3, 0.2],
    };
    check_ranked(
        settings,
        4,
        &[0.1, 0.1, 0.1, 0.7, 0.0, 0.5, 0.3, 0.2],
        &expected,
    );
}

#[test]
fn two_labels_under_their_thresholds_give_the_label_below() {
    let settings = || json!({ "labels": ["no", "yes"], "threshold": 0.75, "below": "unsure" });
    let expected = Ranked {
        shape: &[3],
        labels: &["no", "unsure", "yes"],
        scores: &[0.875, 0.5, 0.75],
    };
    check_ranked(settings(), 1, &[0.125, 0.5, 0.75], &expected);
    check_ranked(
        settings(),
        2,
        &[0.875, 0.125, 0.5, 0.5, 0.25, 0.75],
        &expected,
    );
}

#[test]
fn probabilities_that_round_to_the_same_are_ranked_by_their_logits() {
    let settings = json!({ "labels": ["a", "b", "c"], "activation": "softmax", "top_k": 3 });
    let expected = Ranked {
        shape: &[1, 3],
        labels: &["c", "b", "a"],
        scores: &[1.0, 0.0, 0.0],
    };
    check_ranked(settings, 3, &[-900.0, -800.0, 0.0], &expected);
    let settings = json!({ "labels": ["a", "b", "c"], "activation": "sigmoid" });
    check_ranked(
        settings,
        3,
        &[30.0, 80.0, 70.0],
        &Ranked {
            shape: &[1],
            labels: &["b"],
            scores: &[1.0],
        },
    );
}

#[test]
fn outputs_have_the_configured_names() {
    let outputs =
        json!({ "label": "degrees", "score": "sure", "scores": "all", "names": "angles" });
    let settings =
        json!({ "values": [0, 90, 180], "below": -1, "input": "logits", "outputs": outputs });
    let mut bench = testing::open_postprocessor::<Labels>(settings, Files::none()).unwrap();
    let table = Tensor::f32(&[2, 3], [0.1, 0.8, 0.1, 0.4, 0.3, 0.3]).unwrap();
    let answer = bench.call([("logits", table)]).unwrap();
    assert_eq!(
        answer.get("degrees").unwrap().slice::<i64>().unwrap(),
        [90, -1]
    );
    assert_eq!(
        answer.get("sure").unwrap().slice::<f32>().unwrap(),
        [0.8, 0.4]
    );
    assert_eq!(
        answer.get("all").unwrap().slice::<f32>().unwrap(),
        [0.1, 0.8, 0.1, 0.4, 0.3, 0.3]
    );
    assert_eq!(
        answer.get("angles").unwrap().slice::<i64>().unwrap(),
        [0, 90, 180]
    );
}

#[test]
fn all_scores_of_one_column_are_two() {
    let settings = json!({ "labels": ["no", "yes"], "outputs": { "scores": "scores" } });
    let mut bench = testing::open_postprocessor::<Labels>(settings, Files::none()).unwrap();
    let answer = bench
        .call([("scores", Tensor::f32(&[2, 1], [0.25, 0.5]).unwrap())])
        .unwrap();
    assert_eq!(
        answer.get("scores").unwrap().slice::<f32>().unwrap(),
        [0.75, 0.25, 0.5, 0.5]
    );
}

#[test]
fn several_labels_may_apply() {
    let settings =
        json!({ "labels": ["red", "round"], "multi_label": true, "thresholds": [0.5, 0.9] });
    let mut bench = testing::open_postprocessor::<Labels>(settings, Files::none()).unwrap();
    let answer = bench
        .call([(
            "scores",
            Tensor::f32(&[2, 2], [0.5, 0.9, 0.49, 0.89]).unwrap(),
        )])
        .unwrap();
    assert_eq!(answer.get("label").unwrap().shape(), [2, 2]);
    assert_eq!(
        answer.get("label").unwrap().slice::<bool>().unwrap(),
        [true, true, false, false]
    );
    assert_eq!(
        answer.get("score").unwrap().slice::<f32>().unwrap(),
        [0.5, 0.9, 0.49, 0.89]
    );
}

#[test]
fn softmax_of_an_infinity_is_internal() {
    let settings = || json!({ "labels": ["a", "b"], "activation": "softmax" });
    for row in [[f32::INFINITY, 0.0], [f32::NEG_INFINITY; 2]] {
        let failure = pick(settings(), 2, &[[0.0, 1.0], row].concat()).unwrap_err();
        let text =
            "input `scores`: the largest score of row 1 is infinite: softmax needs finite ones"
                .to_owned();
        assert_eq!(failure, Failure::Internal(text));
    }
    // A masked logit has the probability 0.
    check(settings(), 2, &[f32::NEG_INFINITY, 3.0], &["b"], &[1.0]);
}

#[track_caller]
fn check_file(file: &[u8], expected: Result<&[&str], &str>) {
    let settings = json!({ "labels_file": "names", "outputs": { "names": "names" } });
    let files = Files::from_map([("names", file)]);
    let opened =
        testing::open_postprocessor::<Labels>(settings, files).map_err(|error| error.to_string());
    match (opened, expected) {
        (Ok(mut bench), Ok(expected)) => {
            let table = Tensor::f32(&[0, expected.len()], []).unwrap();
            let answer = bench.call([("scores", table)]).unwrap();
            let names = answer.get("names").unwrap().bytes_elements().unwrap();
            assert_eq!(
                names
                    .map(|name| str::from_utf8(name).unwrap())
                    .collect::<Vec<_>>(),
                expected
            );
        }
        (Err(refusal), Err(start)) => assert!(refusal.starts_with(start), "{refusal}"),
        (opened, _) => panic!("{:?}", opened.map(drop)),
    }
}

#[test]
fn labels_come_from_a_file_in_any_of_its_forms() {
    check_file("\u{feff}a cat\r\ndög\r\n".as_bytes(), Ok(&["a cat", "dög"]));
    check_file(b"crane\nfox\ncrane", Ok(&["crane", "fox", "crane"]));
    check_file(br#" ["cat", "dog"] "#, Ok(&["cat", "dog"]));
    check_file(br#"{"1": "dog", "0": "cat"}"#, Ok(&["cat", "dog"]));
    check_file(br#"{"dog": 1, "cat": 0}"#, Ok(&["cat", "dog"]));
    check_file(
        br#"{"model_type": "vit", "id2label": {"0": "cat", "1": "dog"}}"#,
        Ok(&["cat", "dog"]),
    );
}
