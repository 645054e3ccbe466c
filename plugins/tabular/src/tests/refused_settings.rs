//! Refused settings, and their messages.

use hotstage_sdk::{Files, testing};
use serde_json::{Value, json};

use crate::Tabular;

#[track_caller]
fn check_settings(settings: Value, start: &str) {
    let refusal = testing::open_preprocessor::<Tabular>(settings, Files::none())
        .unwrap_err()
        .to_string();
    assert!(refusal.starts_with(start), "{refusal}");
}

/// One column `a` with more keys.
#[track_caller]
fn check_column(more: Value, start: &str) {
    let mut column = more;
    column["name"] = "a".into();
    check_settings(
        json!({ "columns": [column] }),
        &format!("settings.columns[0]{start}"),
    );
}

#[test]
fn an_invalid_kind_or_impute_is_refused() {
    check_column(
        json!({ "kind": "nominal" }),
        ".kind: unknown variant `nominal`, expected one of `number`",
    );
    check_column(
        json!({ "kind": "category" }),
        ".kind: is category, which needs one_hot or ordinal; add one",
    );
    check_column(
        json!({ "kind": "number", "one_hot": { "categories": ["a"] } }),
        ".one_hot: is for a category",
    );
    check_column(
        json!({ "impute": "x" }),
        ".impute: is `x`; a number is needed",
    );
    check_column(
        json!({ "impute": [1] }),
        ".impute: expected a number, a string, true or false, found sequence",
    );
    check_column(
        json!({ "impute": 0, "log": "log" }),
        ".impute: is 0.0; a number above 0 is needed, for its logarithm",
    );
    check_column(
        json!({ "impute": 2, "kind": "boolean" }),
        ".impute: is 2.0; true or false is needed",
    );
    check_column(
        json!({ "impute": 2, "kind": "indicator" }),
        ".impute: an indicator says what is missing; remove it",
    );
}

#[test]
fn invalid_steps_are_refused() {
    check_column(
        json!({ "clip": {} }),
        ".clip: is empty; give it min, max or both",
    );
    check_column(
        json!({ "clip": { "min": 2, "max": 1 } }),
        ".clip: has the min 2 and the max 1; the max must not be",
    );
    check_column(
        json!({ "clip": { "min": 2 }, "kind": "boolean" }),
        ".clip: is for a number; remove it",
    );
    check_column(
        json!({ "log": "log", "ordinal": { "categories": ["a"] } }),
        ".log: is for a number; remove it",
    );
    check_column(
        json!({ "standardise": { "mean": 1, "std": 0 } }),
        ".standardise.std: is 0; it must be more than 0",
    );
    check_column(
        json!({ "kind": "boolean", "standardise": { "mean": 1, "std": 1e-300 } }),
        ".standardise: 0 or 1 is 0",
    );
}

#[test]
fn invalid_categories_are_refused() {
    let one_hot = |categories: Value| json!({ "one_hot": { "categories": categories } });
    check_column(
        one_hot(json!([])),
        ".one_hot.categories: has no category; list those of the training",
    );
    check_column(
        one_hot(json!(["a", 1])),
        ".one_hot.categories: has texts and numbers; use one of them",
    );
    check_column(
        one_hot(json!(["a", "b", "a"])),
        ".one_hot.categories[2]: is `a`, as [0] is",
    );
    check_column(
        one_hot(json!([1, 1.0])),
        ".one_hot.categories[1]: is 1, as [0] is",
    );
    check_column(
        one_hot(json!([null, "a", null])),
        ".one_hot.categories[2]: is null, as another one is",
    );
    check_column(
        one_hot(json!([true])),
        ".one_hot.categories[0]: is true; a text or a number is needed: quote it",
    );
    check_column(
        one_hot(json!(["a", "NA"])),
        ".one_hot.categories[1]: is `NA`, which settings.missing takes for",
    );
}

#[test]
fn categories_with_incompatible_keys_are_refused() {
    let both = json!({ "impute": "a", "one_hot": { "categories": ["a", null] } });
    check_column(
        both,
        ".impute: has no effect, as one_hot.categories has null for a missing value",
    );
    let unknown = json!({ "impute": "b", "ordinal": { "categories": ["a"] } });
    check_column(unknown, ".impute: is `b`; a text is needed, one of `a`");
    let both = json!({ "impute": "a", "ordinal": { "categories": ["a"], "missing": 1 } });
    check_column(
        both,
        ".ordinal.missing: has no effect beside impute; keep one of them",
    );
    let both = json!({ "one_hot": { "categories": ["a"] }, "ordinal": { "categories": ["a"] } });
    check_column(both, ".ordinal: stands beside one_hot; keep one of them");
}

#[test]
fn a_datatype_that_does_not_fit_and_an_unknown_key_are_refused() {
    check_column(
        json!({ "datatype": "BOOL" }),
        ".datatype: is BOOL, whose values can't be this column's",
    );
    check_column(
        json!({ "datatype": "FLOAT" }),
        ".datatype: unknown variant `FLOAT`",
    );
    check_column(json!({ "imput": 1 }), ".imput: unknown field `imput`");
}

#[test]
fn invalid_settings_of_the_table_are_refused() {
    let with = |key: &str, value: Value| {
        let mut settings = json!({ "columns": [{ "name": "a" }] });
        settings[key] = value;
        settings
    };
    check_settings(
        json!({ "columns": [] }),
        "settings.columns: has 0 elements; 1 to 4096 are possible",
    );
    check_settings(
        with("delimiter", json!("::")),
        "settings.delimiter: is `::`; one ASCII character is needed",
    );
    check_settings(
        with("delimiter", json!("\"")),
        "settings.delimiter: is a quote or the end of a line",
    );
    check_settings(
        with("rows_max", json!(0)),
        "settings.rows_max: is 0; 1 or more is needed",
    );
    check_settings(with("input", json!("x")), "settings.input: has no effect");
    check_settings(
        with("header", json!(["b"])),
        "settings.header: lacks `a`, which settings.columns lists",
    );
    check_settings(
        with("header", json!(["a", "b", "a"])),
        "settings.header[2]: is `a`, as settings.header[0] is",
    );
    let single = json!({ "columns": [{ "name": "a", "one_hot": { "categories": ["x"], "drop": "first" } }] });
    check_settings(
        single,
        "settings.columns: make a matrix of 0 columns; 1 to 65536 are possible",
    );
    let texts = json!({ "columns": [{ "name": "a", "one_hot": { "categories": ["x"] } }], "tensors": "table" });
    check_settings(
        texts,
        "settings.columns[0]: takes texts, and a table of FP32 has none",
    );
    let datatype = json!({ "columns": [{ "name": "a", "datatype": "FP32" }], "tensors": "rows" });
    check_settings(
        datatype,
        "settings.columns[0].datatype: has an effect with `tensors: columns` only; remove it",
    );
    let two = json!({ "columns": [{ "name": "a", "datatype": "FP32" }, { "name": "a", "datatype": "INT8" }] });
    check_settings(
        two,
        "settings.columns[1].datatype: is INT8, and FP32 in settings.columns[0], which has the same",
    );
    let many: Vec<Value> = (0..257)
        .map(|index| json!({ "name": index.to_string() }))
        .collect();
    check_settings(
        json!({ "columns": many }),
        "settings.tensors: is columns, which makes 257 inputs; a stage has at most",
    );
}
