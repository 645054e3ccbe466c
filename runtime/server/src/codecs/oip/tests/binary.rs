//! The binary tensor extension in requests and responses.

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::tensor::Tensor;

use super::super::binary::parse_header_length;
use super::super::document::parse_response;
use super::super::request::Decoder;
use super::super::requested_outputs::{Form, RequestedOutputs};
use super::{decode, fp32, port, refusal, signature, single, tensor};

/// A body with `features` and `title` of the given sizes, followed by `blobs`.
fn body(features: &str, title: &str, blobs: &[u8]) -> (Vec<u8>, usize) {
    let mut body = format!(
        r#"{{"outputs":[{{"name":"score"}}],"inputs":[
            {{"name":"title","shape":[1],"datatype":"BYTES",{title}}},
            {{"name":"features","shape":[1,2],"datatype":"FP32",{features}}}]}}"#
    )
    .into_bytes();
    let length = body.len();
    body.extend_from_slice(blobs);
    (body, length)
}

fn sized(size: usize) -> String {
    format!(r#""parameters":{{"binary_data_size":{size}}}"#)
}

#[test]
fn blobs_follow_in_the_json_s_order_and_mix_with_data() {
    let floats = fp32(&[1, 2], &[1.0, 2.0]);
    let title = Tensor::from_bytes_elements([b"ab".as_slice()]);
    let both = [title.data().as_ref(), floats.data().as_ref()].concat();
    for (features, text, blobs) in [
        (sized(8), sized(6), both.as_slice()),
        (
            sized(8),
            r#""data":["ab"]"#.to_owned(),
            floats.data().as_ref(),
        ),
        (
            r#""data":[1,2]"#.to_owned(),
            sized(6),
            title.data().as_ref(),
        ),
    ] {
        let (body, length) = body(&features, &text, blobs);
        let ask = decode(&signature(), &body, Some(length)).unwrap();
        assert_eq!(ask.inputs, [floats.clone(), title.clone()]);
    }
}

#[test]
fn binary_tensors_are_slices_of_the_body() {
    let json = r#"{"inputs":[{"name":"x","shape":[3],"datatype":"UINT8","parameters":{"binary_data_size":3}}]}"#;
    let body = Bytes::from([json.as_bytes(), &[7, 8, 9]].concat());
    let decoder = Decoder::new("m", &single(Datatype::Uint8, &[None]));
    let ask = decoder.decode(&body, Some(json.len())).unwrap();
    assert_eq!(ask.inputs[0].data().as_ptr(), body[json.len()..].as_ptr());
    let ask = decoder.decode(&body, Some(0)).unwrap();
    assert_eq!(ask.inputs[0].data().as_ptr(), body.as_ptr());
}

#[test]
fn sizes_that_do_not_add_up() {
    let eight = [0; 8];
    let title = r#""data":["a"]"#;
    let table: &[(String, &[u8], bool, &str)] = &[
        (
            sized(8),
            &eight[..5],
            true,
            "unexpected size for input 'features', expecting 3 additional bytes for model 'm'",
        ),
        (
            sized(usize::MAX),
            &eight,
            true,
            "unexpected size for input 'features', expecting 18446744073709551607 additional bytes for model 'm'",
        ),
        (
            sized(4),
            &eight,
            true,
            "input `features`: shape [1, 2] of FP32 takes 8 bytes, given 4",
        ),
        (
            sized(0),
            &[],
            true,
            "input `features`: shape [1, 2] of FP32 takes 8 bytes, given 0",
        ),
        (
            r#""data":[1,2]"#.to_owned(),
            &eight,
            true,
            "unexpected additional input data for model 'm'",
        ),
        (
            format!(r#"{},"data":[1,2]"#, sized(8)),
            &eight,
            true,
            "input `features`: both data and parameters.binary_data_size are given; it takes one of them",
        ),
        (
            sized(8),
            &[],
            false,
            "must specify valid 'Infer-Header-Content-Length' in request header and 'binary_data_size' when passing \
             inputs in binary data format",
        ),
    ];
    for (features, blobs, header, message) in table {
        let (body, length) = body(features, title, blobs);
        let given = decode(&signature(), body, header.then_some(length));
        assert_eq!(refusal(given), *message);
    }
    let (body, length) = body(&sized(8), title, &eight);
    let given = decode(&signature(), &body[..length], Some(length + 1));
    let message = format!(
        "inference header size should be in range (0, {length}), got: {}",
        length + 1
    );
    assert_eq!(refusal(given), message);
}

#[test]
fn a_tensor_without_elements_needs_no_bytes_and_no_header() {
    let json = r#"{"inputs":[{"name":"x","shape":[0,3],"datatype":"INT16","parameters":{"binary_data_size":0}}]}"#;
    for header in [None, Some(json.len())] {
        let ask = decode(&single(Datatype::Int16, &[None, Some(3)]), json, header).unwrap();
        assert_eq!(ask.inputs, [tensor(Datatype::Int16, &[0, 3], [])]);
    }
}

#[test]
fn bytes_must_be_what_the_datatype_says() {
    let check = |datatype: Datatype, blob: &[u8]| {
        let parameters = format!(r#"{{"binary_data_size":{}}}"#, blob.len());
        let json = format!(
            r#"{{"inputs":[{{"name":"x","shape":[2],"datatype":"{datatype}","parameters":{parameters}}}]}}"#
        );
        refusal(decode(
            &single(datatype, &[None]),
            [json.as_bytes(), blob].concat(),
            Some(json.len()),
        ))
    };
    assert_eq!(
        check(Datatype::Bool, &[1, 2]),
        "input `x`: element 1 of BOOL is the byte 2; it must be 0 or 1"
    );
    assert_eq!(
        check(Datatype::Bytes, b"\0\0\0\0\x05\0\0\0a"),
        "input `x`: element 1 of BYTES needs 5 bytes where 1 are left"
    );
}

#[test]
fn the_header_s_text() {
    assert_eq!(parse_header_length(" 12 ", 12), Ok(12));
    assert_eq!(parse_header_length("0", 0), Ok(0));
    for (text, message) in [
        (
            "abc",
            "Unable to parse Inference-Header-Content-Length, got: abc",
        ),
        ("", "Unable to parse Inference-Header-Content-Length, got: "),
        (
            "1.5",
            "Unable to parse Inference-Header-Content-Length, got: 1.5",
        ),
        (
            "13",
            "inference header size should be in range (0, 12), got: 13",
        ),
        (
            "-1",
            "inference header size should be in range (0, 12), got: -1",
        ),
        (
            "99999999999999999999999",
            "inference header size should be in range (0, 12), got: 99999999999999999999999",
        ),
    ] {
        assert_eq!(refusal(parse_header_length(text, 12)), message);
    }
}

#[test]
fn a_raw_body_is_the_only_input() {
    let mut raw = single(Datatype::Fp32, &[None, Some(2)]);
    raw.outputs = vec![
        port("a", Datatype::Fp16, &[]),
        port("b", Datatype::Int8, &[]),
    ];
    let ask = decode(&raw, [0; 24], Some(0)).unwrap();
    assert_eq!((ask.id, ask.inputs), (None, vec![fp32(&[3, 2], &[0.0; 6])]));
    assert_eq!(ask.requested, RequestedOutputs::all(2, Form::Binary));
    assert_eq!(decode(&raw, [], Some(0)).unwrap().inputs[0].shape(), [0, 2]);

    let text = decode(&single(Datatype::Bytes, &[None]), b"\xff{}", Some(0)).unwrap();
    assert_eq!(
        text.inputs,
        [Tensor::from_bytes_elements([b"\xff{}".as_slice()])]
    );
}

#[test]
fn raw_bodies_that_say_too_little() {
    let table: &[(_, usize, &str)] = &[
        (
            signature(),
            8,
            "Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'm' model \
            configuration",
        ),
        (
            single(Datatype::Fp32, &[None, None]),
            8,
            "The shape of the raw input 'x' can not be deduced because there \
            are more than one variable-sized dimension",
        ),
        (
            single(Datatype::Fp32, &[None, Some(2)]),
            12,
            "input `x`: shape [-1, 2] of FP32 takes a multiple of 8 bytes, given 12",
        ),
        (
            single(Datatype::Fp32, &[Some(2)]),
            12,
            "input `x`: shape [2] of FP32 takes 8 bytes, given 12",
        ),
        (
            single(Datatype::Fp32, &[None, Some(0)]),
            4,
            "input `x`: shape [0, 0] of FP32 takes 0 bytes, given 4",
        ),
        (
            single(Datatype::Fp32, &[None, Some(u64::MAX)]),
            4,
            "input `x`: the shape [0, 18446744073709551615] has more elements than memory can hold",
        ),
        (
            single(Datatype::Bytes, &[Some(2)]),
            4,
            "input `x`: expected shape [2], given [1]",
        ),
    ];
    for (signature, length, message) in table {
        assert_eq!(
            refusal(decode(signature, vec![0; *length], Some(0))),
            *message
        );
    }
}

#[test]
fn an_answer_that_is_cut_short() {
    let json = r#"{"outputs":[{"name":"y","shape":[4],"datatype":"INT8","parameters":{"binary_data_size":4}}]}"#;
    let body = Bytes::from([json.as_bytes(), &[1, 2, 3, 4]].concat());
    let outputs = parse_response(&body, Some(json.len())).unwrap();
    assert_eq!(
        outputs,
        [("y".to_owned(), tensor(Datatype::Int8, &[4], [1, 2, 3, 4]))]
    );
    let message = refusal(parse_response(
        &body.slice(..body.len() - 1),
        Some(json.len()),
    ));
    assert_eq!(
        message,
        "unexpected size for output 'y', expecting 1 additional bytes for the response"
    );
}
