//! Any input yields a result or an error, never a panic.

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use proptest::prelude::*;

use super::super::binary::parse_header_length;
use super::super::document::{parse_named, parse_response};
use super::super::field_path::Side;
use super::super::request::Decoder;
use super::{refusal, signature, single};

const VALID: &str = r#"{"id":"a\u00e9","parameters":{"binary_data_output":true,"k":"v"},
  "inputs":[{"name":"title","shape":[2],"datatype":"BYTES","data":["a\n","é"]},
            {"name":"features","shape":[2,2],"datatype":"FP32","data":[[1,-2.5e3],[3.0,4]]}],
  "outputs":[{"name":"score","parameters":{"binary_data":false}},{"name":"label"}]}"#;

fn try_all(bytes: &[u8], header: Option<usize>) {
    let body = Bytes::copy_from_slice(bytes);
    for signature in [
        signature(),
        single(Datatype::Fp32, &[None]),
        single(Datatype::Bytes, &[None]),
    ] {
        let _ = Decoder::new("m", &signature).decode(&body, header);
    }
    let _ = parse_response(&body, header);
    let _ = parse_named(bytes, Side::Input);
}

#[test]
fn deep_nesting_costs_no_stack() {
    const DEPTH: usize = 2_000_000;
    let (open, close) = ("[".repeat(DEPTH), "]".repeat(DEPTH));
    let decoder = Decoder::new("m", &single(Datatype::Fp32, &[None]));
    let decode = |text: String| refusal(decoder.decode(&text.into(), None));
    let input =
        |data: &str| format!(r#"{{"name":"x","shape":[1],"datatype":"FP32","data":{data}}}"#);
    let message = decode(format!(
        r#"{{"inputs":[{}]}}"#,
        input(&format!("{open}{close}"))
    ));
    assert_eq!(message, "input `x`: data is nested deeper than shape [1]");
    let message = decode(format!(r#"{{"mystery":{open}{close}}}"#));
    assert_eq!(message, "inputs is missing");
    let message = decode(format!(r#"{{"inputs":{open}{close}}}"#));
    assert!(
        message.starts_with("the request is not valid: invalid type: sequence, expected an object"),
        "{message}"
    );
    let objects = format!("{}1{}", r#"{"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
    let message = decode(format!(r#"{{"parameters":{{"a":{objects}}}}}"#));
    assert!(
        message.starts_with("parameters.a must be a string, a number or a boolean, given {"),
        "{message}"
    );
}

#[test]
fn a_message_repeats_only_so_much() {
    let long = "x".repeat(1 << 20);
    let decoder = Decoder::new("m", &signature());
    for body in [
        format!(r#"{{"inputs":"{long}"}}"#),
        format!(r#"{{"id":"{long}"}}"#),
        format!(r#"{{"id":{{"{long}":1}}}}"#),
        format!(r#"{{"inputs":[{{"name":"{long}"}}]}}"#),
        format!(r#"{{"parameters":{{"{long}":[]}}}}"#),
        format!(r#"{{"outputs":[{{"name":"{long}"}}]}}"#),
        format!(
            r#"{{"outputs":[{{"name":"score"}}],"inputs":[{{"name":"features","datatype":"{long}"}}]}}"#
        ),
        format!(
            r#"{{"outputs":[{{"name":"score"}}],"inputs":[
            {{"name":"features","datatype":"FP32","shape":[1,2],"data":["{long}"]}}]}}"#
        ),
        format!(
            r#"{{"outputs":[{{"name":"score"}}],"inputs":[
            {{"name":"features","datatype":"FP32","shape":["{long}"]}}]}}"#
        ),
    ] {
        let message = refusal(decoder.decode(&body.clone().into(), None));
        assert!(
            message.len() < 400,
            "{} bytes for {}",
            message.len(),
            &body[..60]
        );
    }
}

proptest! {
    #[test]
    fn any_bytes(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        header in prop::option::of(0_usize..220),
    ) {
        try_all(&bytes, header);
    }

    #[test]
    fn any_text(text in r#"[\[\]{}:,"a-e0-9.\\ -]{0,80}"#) {
        try_all(text.as_bytes(), None);
        let data = format!(r#"{{"inputs":[{{"name":"x","shape":[2],"datatype":"FP32","data":[{text}]}}]}}"#);
        try_all(data.as_bytes(), None);
    }

    #[test]
    fn mutated_requests(
        edits in prop::collection::vec((0..VALID.len(), any::<u8>(), 0..4_u8), 1..4),
        header in prop::option::of(0..VALID.len()),
    ) {
        let mut bytes = VALID.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at % bytes.len();
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] = b"[]{},:\"0-"[usize::from(byte) % 9],
                2 => bytes.truncate(at + 1),
                _ => drop(bytes.splice(at..at, [b',', byte])),
            }
        }
        try_all(&bytes, header);
    }

    #[test]
    fn any_header(text in ".{0,30}", length in any::<usize>()) {
        if let Ok(parsed) = parse_header_length(&text, length) {
            prop_assert!(parsed <= length);
        }
    }
}
