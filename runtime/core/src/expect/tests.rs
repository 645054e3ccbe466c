//! Tests of comparing answers with what a golden test expects.

use bytes::Bytes;

use super::*;
use crate::tensor::Shape;

fn tensor(datatype: Datatype, shape: &[u64], data: Vec<u8>) -> Tensor {
    Tensor::new(datatype, Shape::from_slice(shape), Bytes::from(data)).unwrap()
}

fn fp32(shape: &[u64], values: &[f32]) -> Tensor {
    tensor(
        Datatype::Fp32,
        shape,
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
    )
}

fn text(values: &[&[u8]]) -> Tensor {
    Tensor::from_bytes_elements(values.iter().copied())
}

#[track_caller]
fn check(expected: Tensor, got: Tensor, tolerance: f64, expect: &[&str]) {
    let differences = compare(
        &[("out".to_owned(), expected)],
        &[("out".to_owned(), got)],
        tolerance,
    );
    let lines: Vec<String> = differences
        .err()
        .unwrap_or_default()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(lines, expect);
}

#[test]
fn floats_are_compared_with_a_tolerance() {
    let of = |value| fp32(&[1], &[value]);
    check(of(0.91), of(0.910_005), 1e-5, &[]);
    check(
        of(0.91),
        of(0.12),
        1e-5,
        &["out[0]: expected 0.91, got 0.12 (tolerance 1e-5)"],
    );
    check(
        of(0.91),
        of(0.910_000_1),
        0.0,
        &["out[0]: expected 0.91, got 0.9100001 (tolerance 0)"],
    );
    check(of(f32::NAN), of(f32::NAN), 0.0, &[]);
    check(of(f32::INFINITY), of(f32::INFINITY), 0.0, &[]);
    check(of(0.0), of(-0.0), 0.0, &[]);
    check(
        of(f32::NAN),
        of(1.0),
        1e9,
        &["out[0]: expected NaN, got 1 (tolerance 1000000000)"],
    );
    check(
        of(f32::INFINITY),
        of(1e30),
        1e9,
        &["out[0]: expected inf, got 1e30 (tolerance 1000000000)"],
    );
}

#[test]
fn half_floats_are_compared_by_value() {
    for (datatype, one, two) in [
        (
            Datatype::Fp16,
            f16::from_f32(1.0).to_le_bytes(),
            f16::from_f32(2.0).to_le_bytes(),
        ),
        (
            Datatype::Bf16,
            bf16::from_f32(1.0).to_le_bytes(),
            bf16::from_f32(2.0).to_le_bytes(),
        ),
    ] {
        let of = |bytes: [u8; 2]| tensor(datatype, &[], bytes.to_vec());
        check(of(one), of(two), 1.0, &[]);
        check(
            of(one),
            of(two),
            0.5,
            &["out: expected 1, got 2 (tolerance 0.5)"],
        );
    }
}

#[test]
fn other_types_are_equal_or_not() {
    for (datatype, one, two, expect) in [
        (
            Datatype::Bool,
            vec![1],
            vec![0],
            "out[0]: expected true, got false",
        ),
        (
            Datatype::Int8,
            vec![255],
            vec![1],
            "out[0]: expected -1, got 1",
        ),
        (
            Datatype::Uint8,
            vec![255],
            vec![1],
            "out[0]: expected 255, got 1",
        ),
        (
            Datatype::Int16,
            vec![254, 255],
            vec![0, 1],
            "out[0]: expected -2, got 256",
        ),
        (
            Datatype::Int32,
            vec![255; 4],
            vec![0; 4],
            "out[0]: expected -1, got 0",
        ),
        (
            Datatype::Int64,
            vec![255; 8],
            vec![0; 8],
            "out[0]: expected -1, got 0",
        ),
        (
            Datatype::Uint64,
            vec![255; 8],
            vec![0; 8],
            "out[0]: expected 18446744073709551615, got 0",
        ),
    ] {
        check(
            tensor(datatype, &[1], one),
            tensor(datatype, &[1], two),
            1e9,
            &[expect],
        );
    }
    check(
        text(&[b"benign"]),
        text(&[b"malignant"]),
        0.0,
        &["out[0]: expected \"benign\", got \"malignant\""],
    );
    check(
        text(&[b"a\n"]),
        text(&[b"\xff\x00"]),
        0.0,
        &["out[0]: expected \"a\\n\", got 2 bytes ff 00"],
    );
}

#[test]
fn a_flood_of_differences_becomes_a_number() {
    let mut expect: Vec<String> = (0..8)
        .map(|index| {
            format!(
                "out[{}, {}]: expected 0, got 1 (tolerance 0)",
                index / 5,
                index % 5
            )
        })
        .collect();
    expect.push("out: 2 more of 10 elements differ".to_owned());
    let expect: Vec<&str> = expect.iter().map(String::as_str).collect();
    check(
        fp32(&[2, 5], &[0.0; 10]),
        fp32(&[2, 5], &[1.0; 10]),
        0.0,
        &expect,
    );
}

#[test]
fn types_shapes_and_names_come_first() {
    let one = fp32(&[1], &[0.5]);
    check(
        one.clone(),
        text(&[b"x"]),
        0.0,
        &["out: expected datatype FP32, got datatype BYTES"],
    );
    check(
        one.clone(),
        fp32(&[1, 1], &[0.5]),
        0.0,
        &["out: expected shape [1], got shape [1, 1]"],
    );
    let named = |name: &str| vec![(name.to_owned(), one.clone())];
    let missing = compare(&named("score"), &named("scores"), 0.0).unwrap_err();
    assert_eq!(
        missing[0].to_string(),
        "score: there is no such output; did you mean `scores`?"
    );
    // Outputs that are not expected are ignored.
    assert_eq!(compare(&[], &named("score"), 0.0), Ok(()));
}
