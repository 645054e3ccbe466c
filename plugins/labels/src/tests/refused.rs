//! Refused inputs and settings, and their messages.

use hotstage_sdk::{Failure, Files, testing};
use serde_json::{Value, json};

use super::{check_file, pick};
use crate::Labels;

#[test]
fn invalid_model_outputs_are_internal() {
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

#[test]
fn an_invalid_file_is_refused_with_the_position() {
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

#[track_caller]
fn check_settings(settings: Value, start: &str) {
    let refusal = testing::open_postprocessor::<Labels>(settings, Files::none())
        .unwrap_err()
        .to_string();
    assert!(refusal.starts_with(start), "{refusal}");
}

#[test]
fn invalid_lists_of_labels_are_refused() {
    check_settings(
        json!({}),
        "settings: has no labels; give one of `labels`, `values` and `labels_file`",
    );
    check_settings(
        json!({ "labels": ["a", "b"], "values": [1, 2] }),
        "settings: has more than one of `labels`, `values` and",
    );
    check_settings(
        json!({ "labels": ["a"] }),
        "settings.labels: has 1 elements; at least two are needed",
    );
    check_settings(
        json!({ "labels": [], "multi_label": true }),
        "settings.labels: has 0 elements; at least one is needed",
    );
    check_settings(
        json!({ "labels": ["a", "b", "a"] }),
        "settings.labels[2]: is `a`, as settings.labels[0] is",
    );
    check_settings(
        json!({ "values": [3, 3] }),
        "settings.values[1]: is `3`, as settings.values[0] is",
    );
    check_settings(
        json!({ "labels_file": "names" }),
        "no file `names`: add it to the stage's `files`",
    );
}

#[test]
fn invalid_rules_are_refused() {
    check_settings(
        json!({ "labels": ["a", "b"], "below": "c" }),
        "settings.below: with two labels it needs settings.threshold",
    );
    check_settings(
        json!({ "labels": ["a", "b", "c"], "threshold": 0.1 }),
        "settings.threshold: with more than two labels",
    );
    check_settings(
        json!({ "labels": ["a", "b"], "threshold": 0.1, "top_k": 2 }),
        "settings.threshold: with settings.top_k",
    );
    check_settings(
        json!({ "labels": ["a", "b"], "top_k": 3 }),
        "settings.top_k: is 3; there are 2 labels, so 1 to 2",
    );
    check_settings(
        json!({ "labels": ["a", "b"], "top_k": 0 }),
        "settings.top_k: is 0; there are 2 labels",
    );
    check_settings(
        json!({ "labels": ["a", "b", "c"], "thresholds": [1, 1, 1] }),
        "settings.thresholds: has no effect without",
    );
    check_settings(
        json!({ "labels": ["a", "b"], "thresholds": [1] }),
        "settings.thresholds: has 1 elements; there are 2 labels",
    );
    check_settings(
        json!({ "labels": ["a", "b"], "threshold": 1, "thresholds": [1, 1] }),
        "settings.thresholds: stands beside",
    );
    check_settings(
        json!({ "labels": ["a", "b"], "threshold": 1, "below": 3 }),
        "settings.below: expected a string, as",
    );
    check_settings(
        json!({ "values": [1, 2], "threshold": 1, "below": "x" }),
        "settings.below: expected a whole number, as",
    );
    check_settings(
        json!({ "values": [1, 2], "below": 1.5 }),
        "settings.below: expected a string or a whole number, found",
    );
}

#[test]
fn keys_that_exclude_multi_label_are_refused() {
    check_settings(
        json!({ "labels": ["a"], "multi_label": true, "top_k": 1 }),
        "settings.top_k: with settings.multi_label",
    );
    check_settings(
        json!({ "labels": ["a"], "multi_label": true, "below": "b" }),
        "settings.below: with settings.multi_label",
    );
    let softmax = json!({ "labels": ["a"], "multi_label": true, "activation": "softmax" });
    check_settings(
        softmax,
        "settings.activation: is softmax, by which labels exclude each other",
    );
    let twice = json!({ "labels": ["a"], "multi_label": true, "outputs": { "scores": "all" } });
    check_settings(
        twice,
        "settings.outputs.scores: with settings.multi_label, `score` holds every label's score already",
    );
}

#[test]
fn invalid_keys_and_outputs_are_refused() {
    let equal = json!({ "labels": ["a", "b"], "outputs": { "scores": "label" } });
    check_settings(
        equal,
        "settings.outputs.scores: is `label`, as settings.outputs.label is",
    );
    check_settings(
        json!({ "labels": ["a", 3] }),
        "settings.labels[1]: expected a string, found integer `3`",
    );
    check_settings(
        json!({ "labels": ["a", "b"], "treshold": 1 }),
        "settings.treshold: unknown field",
    );
    check_settings(
        json!({ "labels": ["a", "b"], "outputs": { "lable": "x" } }),
        "settings.outputs.lable: unknown field",
    );
}
