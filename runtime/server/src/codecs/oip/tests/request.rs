//! Requests in JSON: which are accepted, and the full error text of the others.

use hotstage_core::datatype::Datatype;
use hotstage_core::signature::Signature;
use hotstage_core::tensor::Tensor;

use super::super::requested_outputs::{Form, RequestedOutput};
use super::{decode, fp32, port, refusal, signature, single};

const TITLE: &str = r#"{"name":"title","shape":[1],"datatype":"BYTES","data":["a"]}"#;
const REQUESTED: &str = r#""outputs":[{"name":"score"}]"#;

fn with_input(input: &str) -> String {
    format!(r#"{{{REQUESTED},"inputs":[{input},{TITLE}]}}"#)
}

#[test]
fn keys_come_in_any_order_and_inputs_too() {
    let body = r#" {"outputs":[{"name":"label"},{"parameters":{"binary_data":true,"mine":1},"name":"half"}],
        "mystery":[[[{}]]], "parameters":{"timeout":5,"user":"me"},
        "inputs":[{"data":["a","b"],"datatype":"BYTES","extra":null,"shape":[2],"name":"t\u0069tle","parameters":null},
                  {"shape":[1,2],"parameters":{"content_type":"np"},"data":[[1,2.5]],"name":"features",
                   "datatype":"FP32"}],
        "id":"\u00e9-1"} "#;
    let ask = decode(&signature(), body, None).unwrap();
    assert_eq!(ask.id.as_deref(), Some("é-1"));
    let title = Tensor::from_bytes_elements([b"a".as_slice(), b"b"]);
    assert_eq!(ask.inputs, [fp32(&[1, 2], &[1.0, 2.5]), title]);
    let requested = [
        RequestedOutput {
            output: 1,
            form: Form::Json,
        },
        RequestedOutput {
            output: 2,
            form: Form::Binary,
        },
    ];
    assert_eq!(ask.requested.0.as_slice(), requested);
}

#[test]
fn outputs_are_all_and_the_forms_override() {
    let inputs = r#""inputs":[{"name":"x","shape":[],"datatype":"INT8","data":[1]}]"#;
    let mut signature = single(Datatype::Int8, &[]);
    signature.outputs = vec![
        port("a", Datatype::Int8, &[]),
        port("b", Datatype::Fp16, &[]),
    ];
    let wanted = |output, form| RequestedOutput { output, form };
    for (rest, expected) in [
        (
            r#""parameters":{"binary_data_output":true}"#,
            vec![wanted(0, Form::Binary), wanted(1, Form::Binary)],
        ),
        (
            r#""parameters":{"binary_data_output":true},"outputs":[]"#,
            vec![wanted(0, Form::Binary), wanted(1, Form::Binary)],
        ),
        (
            r#""parameters":{"binary_data_output":true},
               "outputs":[{"name":"b"},{"name":"a","parameters":{"binary_data":false}}]"#,
            vec![wanted(1, Form::Binary), wanted(0, Form::Json)],
        ),
        (r#""outputs":[{"name":"a"}]"#, vec![wanted(0, Form::Json)]),
    ] {
        let ask = decode(&signature, format!("{{{inputs},{rest}}}"), None).unwrap();
        assert_eq!(ask.requested.0.as_slice(), expected, "{rest}");
    }
    let message = refusal(decode(&signature, format!("{{{inputs}}}"), None));
    assert_eq!(
        message,
        "output `b`: FP16 can't be sent in JSON; ask for it with \"binary_data\": true"
    );
}

#[test]
fn documents_that_are_no_requests() {
    let long_id = format!(r#"{{"id":"{}"}}"#, "x".repeat(257));
    let many = format!(r#"{{"inputs":[{}{{}}]}}"#, "{},".repeat(256));
    let table = [
        ("", "the request is empty"),
        (
            "{",
            "the request isn't JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            "{\n \"a\": tru}",
            "the request isn't JSON: expected ident at line 2 column 10",
        ),
        (
            "{} {}",
            "the request isn't JSON: trailing characters at line 1 column 4",
        ),
        (
            "[]",
            "the request is not valid: invalid type: sequence, expected an object at line 1 column 2",
        ),
        ("{}", "inputs is missing"),
        (r#"{"inputs":null}"#, "inputs is missing"),
        (
            r#"{"inputs":5}"#,
            "the request is not valid: invalid type: integer `5`, expected inputs as a list of objects at line 1 \
             column 11",
        ),
        (
            r#"{"inputs":["x"]}"#,
            "the request is not valid: invalid type: string \"x\", expected an object for each of the inputs at \
             line 1 column 14",
        ),
        (
            &many,
            "the request is not valid: more than 256 inputs at line 1 column 782",
        ),
        (
            r#"{"id":"a","id":"b"}"#,
            "the request is not valid: duplicate field `id` at line 1 column 19",
        ),
        (r#"{"inputs":[],"id":5}"#, "id must be a string, given 5"),
        (&long_id, "id has 257 bytes; at most 256 are allowed"),
        (
            r#"{"parameters":[]}"#,
            "parameters must be an object, given []",
        ),
        (
            r#"{"parameters":{"a":[1]}}"#,
            "parameters.a must be a string, a number or a boolean, given [1]",
        ),
        (
            r#"{"parameters":{"a":null}}"#,
            "parameters.a must be a string, a number or a boolean, given null",
        ),
        (
            r#"{"parameters":{"binary_data_output":1}}"#,
            "parameters.binary_data_output must be true or false, given 1",
        ),
        (
            r#"{"parameters":{"triton_x":1}}"#,
            "parameter keys starting with 'triton_' are reserved",
        ),
    ];
    for (body, message) in table {
        assert_eq!(refusal(decode(&signature(), body, None)), message, "{body}");
    }
    let message = refusal(decode(&signature(), b"{\"id\":\"\xff\"}", None));
    assert_eq!(message, "the request isn't JSON: byte 7 isn't UTF-8");
}

#[test]
fn inputs_that_do_not_fit() {
    let table = [
        ("{}".to_owned(), "inputs[0].name is missing"),
        (
            r#"{"name":5}"#.to_owned(),
            "inputs[0].name must be a string, given 5",
        ),
        (
            r#"{"name":"feature"}"#.to_owned(),
            "there is no input `feature`; did you mean `features`? the inputs are `features` and `title`",
        ),
        (
            r#"{"name":"zebra"}"#.to_owned(),
            "there is no input `zebra`; the inputs are `features` and `title`",
        ),
        (TITLE.to_owned(), "input `title`: it is given twice"),
    ];
    for (input, message) in table {
        assert_eq!(
            refusal(decode(&signature(), with_input(&input), None)),
            message,
            "{input}"
        );
    }
}

#[test]
fn fields_that_make_no_sense() {
    let ones = vec!["1"; 17].join(",");
    let invalid = |shape: &str| {
        format!("input `features`: shape {shape} contains one or more invalid dimensions")
    };
    let table = [
        (String::new(), "inputs[0].datatype is missing".to_owned()),
        (
            r#","datatype":"FP31""#.to_owned(),
            "input `features`: `FP31` is not a datatype; there are BOOL, UINT8, UINT16, \
            UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64 and BYTES"
                .to_owned(),
        ),
        (r#","datatype":"FP32""#.to_owned(), "inputs[0].shape is missing".to_owned()),
        (r#","datatype":"FP32","shape":5"#.to_owned(), "inputs[0].shape must be a list of sizes, given 5".to_owned()),
        (r#","datatype":"FP32","shape":[null,2]"#.to_owned(), invalid("[null,2]")),
        (r#","datatype":"FP32","shape":[-1,2]"#.to_owned(), invalid("[-1,2]")),
        (r#","datatype":"FP32","shape":[1.0,2]"#.to_owned(), invalid("[1.0,2]")),
        (r#","datatype":"FP32","shape":[18446744073709551616]"#.to_owned(), invalid("[18446744073709551616]")),
        (r#","datatype":"FP32","shape":[[1,2]]"#.to_owned(), invalid("[[1,2]]")),
        (
            format!(r#","datatype":"FP32","shape":[{ones}]"#),
            "input `features`: the shape has 17 dimensions; at most 16 are allowed".to_owned(),
        ),
        (
            r#","datatype":"FP64","shape":[1,2]"#.to_owned(),
            "input `features`: expected datatype FP32, given FP64".to_owned(),
        ),
        (
            r#","datatype":"FP32","shape":[ 2 , 30 ]"#.to_owned(),
            "input `features`: expected shape [-1, 2], given [2, 30]".to_owned(),
        ),
        (r#","datatype":"FP32","shape":[1,2]"#.to_owned(), "inputs[0].data is missing".to_owned()),
        (
            r#","datatype":"FP32","shape":[1,2],"data":{}"#.to_owned(),
            "input `features`: data must be a list, given {}".to_owned(),
        ),
        (
            r#","datatype":"FP32","shape":[1,2],"data":[1,2,3]"#.to_owned(),
            "input `features`: shape [1, 2] takes 2 elements, given 3".to_owned(),
        ),
        (
            r#","datatype":"FP32","shape":[1,2],"data":[1,"abc"]"#.to_owned(),
            "input `features`: element 1 is \"abc\"; FP32 takes numbers".to_owned(),
        ),
        (
            r#","datatype":"FP32","shape":[18446744073709551615,2],"data":[]"#.to_owned(),
            "input `features`: the shape [18446744073709551615, 2] has more elements than memory can hold".to_owned(),
        ),
        (
            r#","datatype":"FP32","shape":[1,2],"data":[1,2],"parameters":{"shared_memory_region":"r"}"#.to_owned(),
            "inputs[0].parameters.shared_memory_region: shared memory isn't supported; send the tensor in the body"
                .to_owned(),
        ),
        (
            r#","datatype":"FP32","shape":[1,2],"data":[1,2],"parameters":{"binary_data_size":-1}"#.to_owned(),
            "inputs[0].parameters.binary_data_size must be a number of bytes, given -1".to_owned(),
        ),
    ];
    for (rest, message) in table {
        let body = with_input(&format!(r#"{{"name":"features"{rest}}}"#));
        assert_eq!(
            refusal(decode(&signature(), &body, None)),
            message,
            "{body}"
        );
    }
}

#[test]
fn inputs_that_are_not_there() {
    let message = |inputs: &str| {
        refusal(decode(
            &signature(),
            format!(r#"{{{REQUESTED},"inputs":[{inputs}]}}"#),
            None,
        ))
    };
    assert_eq!(message(TITLE), "input `features` is missing");
    assert_eq!(message(""), "inputs `features` and `title` are missing");
    let none = Signature::default();
    assert!(decode(&none, r#"{"inputs":[]}"#, None).is_ok());
    let message = refusal(decode(&none, format!(r#"{{"inputs":[{TITLE}]}}"#), None));
    assert_eq!(
        message,
        "there is no input `title`; there are no inputs at all"
    );
}

#[test]
fn outputs_that_can_not_be_asked_for() {
    let table = [
        (
            r#"{"name":"scores"}"#,
            "there is no output `scores`; did you mean `score`? the outputs are `score`, `label` and `half`",
        ),
        (
            r#"{"name":"score"},{"name":"score"}"#,
            "output `score` is asked for twice",
        ),
        ("{}", "outputs[0].name is missing"),
        (
            r#"{"name":"score","parameters":{"classification":3}}"#,
            "outputs[0].parameters.classification: classification isn't supported; ask for the output itself, or let \
             a stage make the classes",
        ),
        (
            r#"{"name":"score","parameters":{"binary_data":"yes"}}"#,
            "outputs[0].parameters.binary_data must be true or false, given \"yes\"",
        ),
        (
            r#"{"name":"score","parameters":{"triton_a":1}}"#,
            "parameter keys starting with 'triton_' are reserved",
        ),
    ];
    for (outputs, message) in table {
        let body = format!(r#"{{"inputs":[],"outputs":[{outputs}]}}"#);
        assert_eq!(
            refusal(decode(&signature(), &body, None)),
            message,
            "{body}"
        );
    }
}
