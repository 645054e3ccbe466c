//! Each rule, and each refusal.

mod golden;

use hotstage_sdk::{Failure, Files, Tensor, testing};
use proptest::prelude::*;
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
fn the_mean_of_the_scores_is_observed_where_it_is_wanted() {
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

#[test]
fn what_the_model_did_wrong_is_internal() {
    let text = "input `scores`: row 1, column 0 is NaN: the model answered no number".to_owned();
    assert_eq!(
        pick(json!({ "labels": ["a", "b"] }), 1, &[0.1, f32::NAN]),
        Err(Failure::Internal(text))
    );
    let text = "input `scores`: 3 columns for 2 labels; give one label for each".to_owned();
    assert_eq!(
        pick(json!({ "labels": ["a", "b"] }), 3, &[0.1; 3]),
        Err(Failure::Internal(text))
    );
}

/// One label and one score a row, or several.
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
fn under_the_threshold_two_labels_may_leave_it_open() {
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
fn probabilities_that_round_to_the_same_are_told_apart_by_their_logits() {
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
fn outputs_have_the_names_that_they_are_given() {
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
    // What is masked has the probability 0.
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

#[test]
fn a_file_that_is_wrong_is_refused_with_the_place() {
    check_file(
        b"cat\n\ndog\n",
        Err("file `names`: line 2: is empty; each line is a label"),
    );
    check_file(b"cat\nd\xffg\n", Err("file `names`: line 2: is not UTF-8"));
    check_file(
        b"[UNK]\ncat\n",
        Err("file `names`: begins like JSON, and is not: expected value at line 1 column 2"),
    );
    check_file(
        b"[\"cat\", 3]",
        Err("file `names`: [1]: is 3; a label is a string"),
    );
    check_file(
        b"{\"cat\": 0, \"dog\": 2}",
        Err("file `names`: label `dog`: has the number 2; the 2 labels have"),
    );
    check_file(
        b"{\"cat\": 0, \"dog\": 0}",
        Err("file `names`: two labels have the number 0; one is `cat`"),
    );
    check_file(
        b"{\"cat\": null, \"dog\": 0}",
        Err("file `names`: `cat`: is null; a label or its column's number"),
    );
    check_file(
        b"",
        Err("settings.labels_file: has 0 elements; at least two are needed"),
    );
    check_file(
        b"{}",
        Err("settings.labels_file: has 0 elements; at least two are needed"),
    );
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let check = |settings: Value, start: &str| {
        let refusal = testing::open_postprocessor::<Labels>(settings, Files::none())
            .unwrap_err()
            .to_string();
        assert!(refusal.starts_with(start), "{refusal}");
    };
    check(
        json!({}),
        "settings: has no labels; give one of `labels`, `values` and `labels_file`",
    );
    check(
        json!({ "labels": ["a", "b"], "values": [1, 2] }),
        "settings: has more than one of `labels`, `values` and",
    );
    check(
        json!({ "labels": ["a"] }),
        "settings.labels: has 1 elements; at least two are needed",
    );
    check(
        json!({ "labels": [], "multi_label": true }),
        "settings.labels: has 0 elements; at least one is needed",
    );
    check(
        json!({ "labels": ["a", "b", "a"] }),
        "settings.labels[2]: is `a`, as settings.labels[0] is",
    );
    check(
        json!({ "values": [3, 3] }),
        "settings.values[1]: is `3`, as settings.values[0] is",
    );
    check(
        json!({ "labels": ["a", "b"], "below": "c" }),
        "settings.below: with two labels it needs settings.threshold",
    );
    check(
        json!({ "labels": ["a", "b", "c"], "threshold": 0.1 }),
        "settings.threshold: with more than two labels",
    );
    check(
        json!({ "labels": ["a", "b"], "threshold": 0.1, "top_k": 2 }),
        "settings.threshold: with settings.top_k",
    );
    check(
        json!({ "labels": ["a", "b"], "top_k": 3 }),
        "settings.top_k: is 3; there are 2 labels, so 1 to 2",
    );
    check(
        json!({ "labels": ["a", "b"], "top_k": 0 }),
        "settings.top_k: is 0; there are 2 labels",
    );
    check(
        json!({ "labels": ["a", "b", "c"], "thresholds": [1, 1, 1] }),
        "settings.thresholds: has no effect without",
    );
    check(
        json!({ "labels": ["a", "b"], "thresholds": [1] }),
        "settings.thresholds: has 1 elements; there are 2 labels",
    );
    check(
        json!({ "labels": ["a", "b"], "threshold": 1, "thresholds": [1, 1] }),
        "settings.thresholds: stands beside",
    );
    check(
        json!({ "labels": ["a", "b"], "threshold": 1, "below": 3 }),
        "settings.below: expected a string, as",
    );
    check(
        json!({ "values": [1, 2], "threshold": 1, "below": "x" }),
        "settings.below: expected a whole number, as",
    );
    check(
        json!({ "values": [1, 2], "below": 1.5 }),
        "settings.below: expected a string or a whole number, found",
    );
    check(
        json!({ "labels": ["a"], "multi_label": true, "top_k": 1 }),
        "settings.top_k: with settings.multi_label",
    );
    check(
        json!({ "labels": ["a"], "multi_label": true, "below": "b" }),
        "settings.below: with settings.multi_label",
    );
    let softmax = json!({ "labels": ["a"], "multi_label": true, "activation": "softmax" });
    check(
        softmax,
        "settings.activation: is softmax, by which labels exclude each other",
    );
    let twice = json!({ "labels": ["a"], "multi_label": true, "outputs": { "scores": "all" } });
    check(
        twice,
        "settings.outputs.scores: with settings.multi_label, `score` holds every label's score already",
    );
    let equal = json!({ "labels": ["a", "b"], "outputs": { "scores": "label" } });
    check(
        equal,
        "settings.outputs.scores: is `label`, as settings.outputs.label is",
    );
    check(
        json!({ "labels": ["a", 3] }),
        "settings.labels[1]: expected a string, found integer `3`",
    );
    check(
        json!({ "labels": ["a", "b"], "treshold": 1 }),
        "settings.treshold: unknown field",
    );
    check(
        json!({ "labels": ["a", "b"], "outputs": { "lable": "x" } }),
        "settings.outputs.lable: unknown field",
    );
    check(
        json!({ "labels_file": "names" }),
        "no file `names`: add it to the stage's `files`",
    );
}

/// Settings of every kind; most of them make sense.
fn any_settings() -> impl Strategy<Value = Value> {
    let labels = prop::sample::select(vec![json!(["a", "b"]), json!(["a", "b", "c"])]);
    let activation = prop::sample::select(vec!["none", "softmax", "sigmoid"]);
    (labels, activation, any::<bool>(), any::<bool>(), 1..4_usize).prop_map(
        |(labels, activation, multi_label, is_open, top_k)| {
            let mut settings =
                json!({ "labels": labels, "activation": activation, "multi_label": multi_label });
            if is_open {
                settings["below"] = "other".into();
                settings["threshold"] = 0.6.into();
            }
            if top_k > 1 {
                settings["top_k"] = top_k.into();
            }
            settings
        },
    )
}

proptest! {
    #[test]
    fn no_scores_break_it(settings in any_settings(), columns in 1..4_usize, bits: Vec<u32>) {
        let Ok(mut bench) = testing::open_postprocessor::<Labels>(settings, Files::none()) else { return Ok(()) };
        let rows = bits.len() / columns;
        let scores: Vec<f32> = bits[..rows * columns].iter().map(|bits| f32::from_bits(*bits)).collect();
        match bench.call([("scores", Tensor::f32(&[rows, columns], scores).unwrap())]) {
            Ok(answer) => {
                let scores = answer.get("score").unwrap().slice::<f32>().unwrap().to_vec();
                prop_assert!(scores.iter().all(|score| !score.is_nan()), "{scores:?}");
            }
            Err(Failure::Internal(_) | Failure::InvalidInput(_)) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn no_file_breaks_it(file: Vec<u8>) {
        let files = Files::from_map([("names", file)]);
        drop(testing::open_postprocessor::<Labels>(json!({ "labels_file": "names" }), files));
    }
}
