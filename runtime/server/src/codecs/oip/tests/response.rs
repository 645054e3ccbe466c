//! Responses and documents: their text, and what JSON can't carry.

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Kind;
use hotstage_core::tensor::Tensor;

use super::super::document::{encode_request, parse_named, parse_response};
use super::super::field_path::Side;
use super::super::requested_outputs::{Form, RequestedOutput, RequestedOutputs};
use super::super::response::Encoder;
use super::{fp32, port, refusal, signature, tensor};

fn answers() -> Vec<Tensor> {
    vec![
        fp32(&[2], &[0.1, -1e-7]),
        Tensor::from_bytes_elements([b"a\"\n".as_slice(), "é\u{1}".as_bytes()]),
        tensor(Datatype::Fp16, &[1], [0, 60]),
    ]
}

fn requested(list: &[(usize, Form)]) -> RequestedOutputs {
    RequestedOutputs(
        list.iter()
            .map(|&(output, form)| RequestedOutput { output, form })
            .collect(),
    )
}

#[test]
fn the_text_of_a_response() {
    let encoder = Encoder::new("m\"", "v1", &signature().outputs);
    let encoded = encoder
        .encode(
            Some("7\n"),
            &requested(&[(1, Form::Json), (0, Form::Json)]),
            &answers(),
        )
        .unwrap();
    let expected = concat!(
        r#"{"model_name":"m\"","model_version":"v1","id":"7\n","outputs":["#,
        r#"{"name":"label","datatype":"BYTES","shape":[2],"data":["a\"\n","é\u0001"]},"#,
        r#"{"name":"score","datatype":"FP32","shape":[2],"data":[0.1,-1e-7]}]}"#
    );
    assert_eq!(String::from_utf8(encoded.body).unwrap(), expected);
    assert_eq!(encoded.json_length, None);
}

#[test]
fn binary_outputs_follow_the_json() {
    let encoder = Encoder::new("m", "1", &signature().outputs);
    let list = [(2, Form::Binary), (1, Form::Json), (0, Form::Binary)];
    let encoded = encoder.encode(None, &requested(&list), &answers()).unwrap();
    let length = encoded.json_length.unwrap();
    let expected = concat!(
        r#"{"model_name":"m","model_version":"1","outputs":["#,
        r#"{"name":"half","datatype":"FP16","shape":[1],"parameters":{"binary_data_size":2}},"#,
        r#"{"name":"label","datatype":"BYTES","shape":[2],"data":["a\"\n","é\u0001"]},"#,
        r#"{"name":"score","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":8}}]}"#
    );
    assert_eq!(
        std::str::from_utf8(&encoded.body[..length]).unwrap(),
        expected
    );
    let outputs = parse_response(&encoded.body.into(), Some(length)).unwrap();
    let back: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(back, ["half", "label", "score"]);
    assert_eq!(
        [&outputs[2].1, &outputs[1].1, &outputs[0].1],
        answers().iter().collect::<Vec<_>>().as_slice()
    );
}

#[test]
fn what_json_can_not_carry() {
    let advice = "ask for it with \"binary_data\": true";
    let table = [
        (
            fp32(&[4], &[0.0, 1.0, 2.0, f32::NAN]),
            "element 3 is NaN, which JSON can't carry",
        ),
        (
            fp32(&[1], &[f32::NEG_INFINITY]),
            "element 0 is -infinity, which JSON can't carry",
        ),
        (
            tensor(Datatype::Fp64, &[1], f64::INFINITY.to_le_bytes()),
            "element 0 is infinity, which JSON can't carry",
        ),
        (
            tensor(Datatype::Fp16, &[1], [0, 0]),
            "FP16 can't be sent in JSON",
        ),
        (
            tensor(Datatype::Bf16, &[1], [0, 0]),
            "BF16 can't be sent in JSON",
        ),
        (
            Tensor::from_bytes_elements([b"a".as_slice(), b"\xff"]),
            "element 1 isn't UTF-8, which JSON can't carry",
        ),
    ];
    for (tensor, what) in table {
        let encoder = Encoder::new("m", "1", &[port("y", tensor.datatype(), &[None])]);
        let given = encoder.encode(
            None,
            &RequestedOutputs::all(1, Form::Json),
            std::slice::from_ref(&tensor),
        );
        assert_eq!(refusal(given), format!("output `y`: {what}; {advice}"));
        assert!(
            encoder
                .encode(
                    None,
                    &RequestedOutputs::all(1, Form::Binary),
                    std::slice::from_ref(&tensor)
                )
                .is_ok()
        );
        assert_eq!(
            refusal(encode_request(None, &[("x".to_owned(), tensor)])),
            format!("input `x`: {what}")
        );
    }
}

#[test]
fn tensors_that_are_not_the_outputs_are_our_defect() {
    let encoder = Encoder::new("m", "1", &signature().outputs);
    for (index, tensors) in [vec![], vec![tensor(Datatype::Int8, &[0], [])]]
        .iter()
        .enumerate()
    {
        let failure = encoder
            .encode(None, &requested(&[(0, Form::Json)]), tensors)
            .unwrap_err();
        assert_eq!(
            (failure.kind, failure.cause.is_some()),
            (Kind::Internal, true),
            "{index}"
        );
    }
}

#[test]
fn documents() {
    let document = br#"{"model_name":"m","outputs":[
        {"name":"y","shape":[2],"datatype":"INT64","data":[1,2],"parameters":{"triton_final_response":true}}]}"#;
    let bytes: Vec<u8> = [1_i64, 2].into_iter().flat_map(i64::to_le_bytes).collect();
    let expected = vec![("y".to_owned(), tensor(Datatype::Int64, &[2], bytes))];
    assert_eq!(parse_named(document, Side::Output), Ok(expected));
    assert_eq!(
        refusal(parse_named(document, Side::Input)),
        "inputs is missing"
    );
    let twice =
        br#"{"inputs":[{"name":"x","shape":[],"datatype":"BOOL","data":[1]},{"name":"x"}]}"#;
    assert_eq!(
        refusal(parse_named(twice, Side::Input)),
        "input `x`: it is given twice"
    );
    assert_eq!(
        refusal(parse_response(&Bytes::new(), None)),
        "the response is empty"
    );
}

#[test]
fn the_text_of_a_request() {
    let body = encode_request(Some("7"), &[("x".to_owned(), fp32(&[1, 2], &[1.0, 0.25]))]).unwrap();
    let expected =
        r#"{"id":"7","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.0,0.25]}]}"#;
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}
