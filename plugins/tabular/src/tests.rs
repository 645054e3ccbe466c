//! Conversion of rows from every source; and no row causes a panic.

mod golden;
mod refused;
mod refused_settings;

use hotstage_sdk::{Datatype, Failure, Files, Tensor, testing};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Tabular;

fn open(settings: Value) -> testing::Bench<Tabular> {
    testing::open_preprocessor(settings, Files::none()).unwrap()
}

fn matrix(answer: &testing::Answer) -> (Vec<u64>, Vec<f32>) {
    let tensor = answer.get("features").unwrap();
    (
        tensor.shape().to_vec(),
        tensor.slice::<f32>().unwrap().to_vec(),
    )
}

/// The matrix of a CSV body.
#[track_caller]
fn check_csv(settings: Value, body: &str, expected: &[&[f32]]) {
    let answer = open(settings)
        .call_raw("text/csv", body.as_bytes())
        .unwrap();
    assert_eq!(matrix(&answer).1, expected.concat());
    assert_eq!(matrix(&answer).0[0], expected.len() as u64);
}

/// The matrix of a text column.
#[track_caller]
fn check_column(column: Value, texts: &[&str], expected: &[&[f32]]) {
    let mut column = column;
    column["name"] = "x".into();
    column["datatype"] = "BYTES".into();
    let mut bench = open(json!({ "columns": [column] }));
    let answer = bench
        .call([("x", Tensor::bytes(&[texts.len()], texts).unwrap())])
        .unwrap();
    assert_eq!(matrix(&answer).1, expected.concat());
}

#[test]
fn steps_have_a_fixed_order() {
    let column = json!({
        "standardise": { "mean": 1.0, "std": 2.0 }, "log": "log1p", "clip": { "min": 0.0, "max": 7.0 }, "impute": -5,
    });
    // (ln(1 + x) - 1) / 2 of 3, 7 and 0.
    let (three, seven, zero) = (0.193_147_18, 0.539_720_8, -0.5);
    check_column(
        column,
        &["3", "100", "-1", "", "NA"],
        &[&[three], &[seven], &[zero], &[zero], &[zero]],
    );
    check_column(json!({ "log": "log" }), &["1", " 1e0 "], &[&[0.0], &[0.0]]);
}

#[test]
fn booleans_are_ones_and_zeros() {
    let texts = ["true", "FALSE", "Yes", "no", "1", "0.0", "n/a"];
    let expected: [&[f32]; 7] = [&[1.0], &[0.0], &[1.0], &[0.0], &[1.0], &[0.0], &[1.0]];
    check_column(
        json!({ "kind": "boolean", "impute": true }),
        &texts,
        &expected,
    );
    let standardised = json!({ "kind": "boolean", "standardise": { "mean": 0.5, "std": 0.25 } });
    check_column(standardised, &["yes", "no"], &[&[2.0], &[-2.0]]);
}

#[test]
fn a_column_may_be_used_twice_and_indicate_missing_values() {
    let columns = json!([{ "name": "a", "impute": 7 }, { "name": "b" }, { "name": "a", "kind": "indicator" }]);
    check_csv(
        json!({ "columns": columns }),
        "b,a\n1,2\n3,\n",
        &[&[2.0, 1.0, 0.0], &[7.0, 3.0, 1.0]],
    );
}

#[test]
fn categories_have_separate_columns() {
    let one_hot = |more: Value| {
        let mut one_hot = json!({ "categories": ["b", "a"] });
        one_hot
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "one_hot": one_hot })
    };
    check_column(one_hot(json!({})), &["a", "b"], &[&[0.0, 1.0], &[1.0, 0.0]]);
    check_column(
        one_hot(json!({ "unknown": "ignore" })),
        &["c", ""],
        &[&[0.0, 0.0], &[0.0, 0.0]],
    );
    check_column(
        one_hot(json!({ "unknown": "other" })),
        &["a", "c"],
        &[&[0.0, 1.0, 0.0], &[0.0, 0.0, 1.0]],
    );
    check_column(
        one_hot(json!({ "drop": "first" })),
        &["a", "b"],
        &[&[1.0], &[0.0]],
    );
    check_column(
        one_hot(json!({ "drop": "if_binary" })),
        &["a", "b"],
        &[&[1.0], &[0.0]],
    );
    let other = json!({ "drop": "first", "unknown": "other" });
    check_column(
        one_hot(other),
        &["a", "b", "c"],
        &[&[1.0, 0.0], &[0.0, 0.0], &[0.0, 1.0]],
    );
    let null = json!({ "one_hot": { "categories": ["a", null] } });
    check_column(null, &["a", "None"], &[&[1.0, 0.0], &[0.0, 1.0]]);
    let imputed = json!({ "one_hot": { "categories": ["a", "b"] }, "impute": "b" });
    check_column(imputed, &["a", ""], &[&[1.0, 0.0], &[0.0, 1.0]]);
}

#[test]
fn numbers_may_be_categories() {
    let column = json!({ "one_hot": { "categories": [3, 1.5, 0] } });
    check_column(
        column.clone(),
        &["3.0", "1.5", "-0"],
        &[&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0], &[0.0, 0.0, 1.0]],
    );
    let mut column = column;
    column["name"] = "x".into();
    column["datatype"] = "INT64".into();
    let mut bench = open(json!({ "columns": [column] }));
    let answer = bench
        .call([("x", Tensor::i64(&[2], [0, 3]).unwrap())])
        .unwrap();
    assert_eq!(matrix(&answer).1, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
}

#[test]
fn ordinal_categories_are_their_places() {
    let column =
        json!({ "ordinal": { "categories": ["s", "m", "l"], "unknown": -1, "missing": -2 } });
    check_column(
        column,
        &["l", "s", "xl", ""],
        &[&[2.0], &[0.0], &[-1.0], &[-2.0]],
    );
    let column = json!({ "ordinal": { "categories": ["s", "m"] }, "impute": "m", "standardise": { "mean": 1, "std": 2 } });
    check_column(column, &["s", ""], &[&[-0.5], &[0.0]]);
}

#[test]
fn csv_may_have_another_form() {
    let columns = json!([{ "name": "größe" }, { "name": "b" }]);
    let semicolons = json!({ "columns": columns, "delimiter": ";" });
    check_csv(
        semicolons,
        "\u{feff} größe ;other;b\r\n1;\"x;\r\ny\";2\r\n",
        &[&[1.0, 2.0]],
    );
    let headless =
        json!({ "columns": columns, "header": ["b", "other", "größe"], "delimiter": "\t" });
    check_csv(headless, "1\tx\t2\n", &[&[2.0, 1.0]]);
    check_csv(
        json!({ "columns": columns, "missing": ["-"] , "rows_max": 2 }),
        "größe,b\n",
        &[],
    );
    let dash = json!({ "columns": [{ "name": "a", "impute": 9 }], "missing": ["-"] });
    check_csv(dash, "a\n-\n2", &[&[9.0], &[2.0]]);
}

#[test]
fn json_rows_are_objects_or_arrays() {
    let settings = json!({ "columns": [{ "name": "a", "impute": 9 }, { "name": "b\"" }], "absent": "missing" });
    let body =
        b"{\"b\\\"\": 2, \"x\": {\"y\": [1]}, \"a\": \"1\"}\n\n [null, 3] \n{\"b\\\"\": \"4\"}";
    let answer = open(settings)
        .call_raw("application/x-ndjson", body)
        .unwrap();
    assert_eq!(
        matrix(&answer),
        (vec![3, 2], vec![1.0, 2.0, 9.0, 3.0, 9.0, 4.0])
    );
}

#[test]
fn every_datatype_is_a_number() {
    let tensors = [
        ("UINT8", Tensor::u8(&[1], [3]).unwrap()),
        ("UINT16", Tensor::u16(&[1], [3]).unwrap()),
        ("UINT32", Tensor::u32(&[1], [3]).unwrap()),
        ("UINT64", Tensor::u64(&[1], [3]).unwrap()),
        ("INT8", Tensor::i8(&[1], [3]).unwrap()),
        ("INT16", Tensor::i16(&[1], [3]).unwrap()),
        ("INT32", Tensor::i32(&[1], [3]).unwrap()),
        ("INT64", Tensor::i64(&[1], [3]).unwrap()),
        (
            "FP16",
            Tensor::f16(&[1], [hotstage_sdk::f16::from_f32(3.0)]).unwrap(),
        ),
        (
            "BF16",
            Tensor::bf16(&[1], [hotstage_sdk::bf16::from_f32(3.0)]).unwrap(),
        ),
        ("FP32", Tensor::f32(&[1], [3.0]).unwrap()),
        ("FP64", Tensor::f64(&[1], [3.0]).unwrap()),
        ("BYTES", Tensor::bytes(&[1], ["3"]).unwrap()),
    ];
    for (datatype, tensor) in tensors {
        let mut bench = open(json!({ "columns": [{ "name": "x", "datatype": datatype }] }));
        assert_eq!(
            matrix(&bench.call([("x", tensor)]).unwrap()).1,
            [3.0],
            "{datatype}"
        );
    }
    let mut bench = open(json!({ "columns": [{ "name": "x", "kind": "boolean" }] }));
    assert_eq!(
        matrix(
            &bench
                .call([("x", Tensor::bool(&[2], [true, false]).unwrap())])
                .unwrap()
        )
        .1,
        [1.0, 0.0]
    );
}

#[test]
fn a_table_is_one_tensor() {
    let columns = json!([{ "name": "b", "impute": 9 }, { "name": "a" }]);
    let settings = json!({ "columns": columns, "tensors": "table", "input": "x", "header": ["a", "other", "b"] });
    let mut bench = open(settings);
    let table = Tensor::f32(&[2, 3], [1.0, 0.0, 2.0, 3.0, 0.0, f32::NAN]).unwrap();
    assert_eq!(
        matrix(&bench.call([("x", table)]).unwrap()).1,
        [2.0, 1.0, 9.0, 3.0]
    );
    assert_eq!(
        matrix(
            &bench
                .call([("x", Tensor::f32(&[0, 3], []).unwrap())])
                .unwrap()
        )
        .0,
        [0, 2]
    );
}

#[test]
fn inputs_have_the_datatype_that_fits_their_column() {
    let bench = open(json!({ "columns": [
        { "name": "a" }, { "name": "b", "one_hot": { "categories": ["x"] } }, { "name": "c", "kind": "boolean" },
        { "name": "d", "ordinal": { "categories": [1] } }, { "name": "a", "kind": "indicator" },
    ] }));
    let inputs: Vec<(&str, Datatype)> = bench
        .signature()
        .inputs
        .iter()
        .map(|port| (port.name.as_str(), port.datatype))
        .collect();
    let expected = [
        ("a", Datatype::Fp64),
        ("b", Datatype::Bytes),
        ("c", Datatype::Bool),
        ("d", Datatype::Fp64),
    ];
    assert_eq!(inputs, expected);
}

/// One column of each kind, each with possible missing values.
fn all_kinds() -> Value {
    json!({ "columns": [
        { "name": "n", "impute": 1, "clip": { "min": 0.5 }, "log": "log", "standardise": { "mean": 1, "std": 1e-9 } },
        { "name": "b", "kind": "boolean" },
        { "name": "c", "one_hot": { "categories": ["a", "b"], "unknown": "ignore" } },
        { "name": "d", "ordinal": { "categories": [1, 2], "unknown": -1 } },
    ] })
}

#[track_caller]
fn check_any(answer: Result<testing::Answer, Failure>) {
    match answer {
        Ok(answer) => assert!(matrix(&answer).1.iter().all(|element| element.is_finite())),
        Err(Failure::InvalidInput(text)) => {
            assert!(!text.is_empty() && text.len() < 1024, "{text}");
        }
        Err(other) => panic!("{other}"),
    }
}

proptest! {
    #[test]
    fn no_csv_breaks_it(rows in prop::collection::vec("([a-z0-9.\"e-]{0,4},){3}[ab12\"]{0,2}\r?\n?", 0..5)) {
        check_any(open(all_kinds()).call_raw("text/csv", format!("n,b,c,d\n{}", rows.concat()).as_bytes()));
    }

    #[test]
    fn no_json_breaks_it(rows in "([\\[\\]{}:,0-9aebcdn\" -]{0,40}\n){0,3}", numbers: [f64; 4]) {
        let [n, b, d, _] = numbers;
        let row = format!("{{\"n\": {n:?}, \"b\": {b:?}, \"c\": \"a\", \"d\": {d:?}}}");
        check_any(open(all_kinds()).call_raw("application/jsonl", row.as_bytes()));
        check_any(open(all_kinds()).call_raw("application/jsonl", rows.as_bytes()));
    }

    #[test]
    fn no_bytes_break_it(body: Vec<u8>) {
        check_any(open(all_kinds()).call_raw("text/csv", &body));
        check_any(open(all_kinds()).call_raw("application/x-ndjson", &body));
    }

    #[test]
    fn no_tensors_break_it(numbers: Vec<u64>, flags: Vec<bool>, texts: Vec<Vec<u8>>) {
        let count = numbers.len().min(flags.len()).min(texts.len());
        let floats: Vec<f64> = numbers[..count].iter().copied().map(f64::from_bits).collect();
        check_any(open(all_kinds()).call([
            ("n", Tensor::f64(&[count], &floats).unwrap()),
            ("b", Tensor::bool(&[count], &flags[..count]).unwrap()),
            ("c", Tensor::bytes(&[count], &texts[..count]).unwrap()),
            ("d", Tensor::f64(&[count], &floats).unwrap()),
        ]));
    }
}
