//! Values outside a datatype's range, and values that JSON can't represent, are refused with the
//! element and the alternative.

use serde_json::{Value, json};

use super::identity;
use super::rows::{Row, element, extremes};

#[test]
fn values_without_a_json_form_need_the_binary_form() {
    let server = identity();
    let odd = [
        (
            "FP32",
            [f32::NAN, f32::INFINITY, f32::NEG_INFINITY]
                .map(f32::to_le_bytes)
                .concat(),
            3,
            "element 0 is NaN",
        ),
        (
            "FP32",
            [0.0, f32::NEG_INFINITY].map(f32::to_le_bytes).concat(),
            2,
            "element 1 is -infinity",
        ),
        (
            "FP64",
            [1.0, 2.0, f64::INFINITY].map(f64::to_le_bytes).concat(),
            3,
            "element 2 is infinity",
        ),
        (
            "BYTES",
            [element(b"fine"), element(b"\xff\0\xfe")].concat(),
            2,
            "element 1 isn't UTF-8",
        ),
    ];
    for (datatype, bytes, shape, why) in odd {
        let rows: Vec<Row> = extremes()
            .into_iter()
            .map(|row| {
                if row.datatype == datatype {
                    Row {
                        shape,
                        bytes: bytes.clone(),
                        ..row
                    }
                } else {
                    row
                }
            })
            .collect();
        let inputs: Vec<Value> = rows.iter().map(Row::in_bytes).collect();
        let blobs: Vec<&[u8]> = rows.iter().map(|row| row.bytes.as_slice()).collect();
        let name = datatype.to_lowercase();
        let ask = |binary: bool| {
            let outputs = json!([{ "name": name, "parameters": { "binary_data": binary } }]);
            server.infer_binary(
                "identity",
                &json!({ "inputs": inputs, "outputs": outputs }),
                &blobs,
            )
        };
        assert_eq!(ask(true).ok().binary().1, bytes);
        let refused = ask(false);
        assert_eq!(refused.status, 400);
        let advice = r#"ask for it with "binary_data": true"#;
        assert_eq!(
            refused.error(),
            format!("output `{name}`: {why}, which JSON can't carry; {advice}")
        );
    }
}

/// Elements outside of their datatype's range, and the errors.
const UNFIT: [(&str, &str, &str); 18] = [
    (
        "UINT8",
        "256",
        "is 256; UINT8 takes whole numbers from 0 to 255",
    ),
    (
        "UINT8",
        "-1",
        "is -1; UINT8 takes whole numbers from 0 to 255",
    ),
    (
        "INT8",
        "-129",
        "is -129; INT8 takes whole numbers from -128 to 127",
    ),
    (
        "UINT16",
        "65536",
        "is 65536; UINT16 takes whole numbers from 0 to 65535",
    ),
    (
        "INT16",
        "32768",
        "is 32768; INT16 takes whole numbers from -32768 to 32767",
    ),
    (
        "UINT32",
        "4294967296",
        "is 4294967296; UINT32 takes whole numbers from 0 to 4294967295",
    ),
    (
        "INT32",
        "1.5",
        "is 1.5; INT32 takes whole numbers from -2147483648 to 2147483647",
    ),
    (
        "INT32",
        "\"1\"",
        "is \"1\"; INT32 takes whole numbers from -2147483648 to 2147483647",
    ),
    (
        "UINT64",
        "18446744073709551616",
        "is 18446744073709551616; UINT64 takes whole numbers from 0 to 18446744073709551615",
    ),
    (
        "INT64",
        "9223372036854775808",
        "is 9223372036854775808; INT64 takes whole numbers from -9223372036854775808 to 9223372036854775807",
    ),
    ("BOOL", "2", "is 2; BOOL takes true, false, 1 and 0"),
    (
        "BOOL",
        "\"true\"",
        "is \"true\"; BOOL takes true, false, 1 and 0",
    ),
    ("FP32", "1e39", "is 1e39, which FP32 can't hold"),
    ("FP64", "-1e400", "is -1e400, which FP64 can't hold"),
    ("FP32", "null", "is null; FP32 takes numbers"),
    ("FP32", "true", "is true; FP32 takes numbers"),
    ("BYTES", "5", "is 5; BYTES takes strings"),
    (
        "BYTES",
        r#""\ud800""#,
        r#"is "\ud800", which escapes half a surrogate pair"#,
    ),
];

/// The error names the first wrong input, so the other inputs may be missing.
#[test]
fn elements_that_do_not_fit_are_refused_one_by_one() {
    let server = identity();
    for (datatype, element, what) in UNFIT {
        let name = datatype.to_lowercase();
        let good = if datatype == "BYTES" { "\"a\"" } else { "1" };
        let input = format!(
            r#"{{"name":"{name}","datatype":"{datatype}","shape":[2],"data":[{good},{element}]}}"#
        );
        let body = format!(r#"{{"inputs":[{input}],"outputs":[{{"name":"bool"}}]}}"#);
        let response = server.post("/v2/models/identity/infer", body);
        assert_eq!(response.status, 400, "{datatype} {element}");
        assert_eq!(
            response.error(),
            format!("input `{name}`: element 1 {what}")
        );
    }
}

#[test]
fn half_floats_in_json_are_refused_with_the_alternative() {
    let server = identity();
    for datatype in ["FP16", "BF16"] {
        let name = datatype.to_lowercase();
        let input = json!({ "name": name, "datatype": datatype, "shape": [1], "data": [1.0] });
        let request = json!({ "inputs": [input], "outputs": [{ "name": "bool" }] });
        let expected = format!(
            "input `{name}`: {datatype} can't be given in JSON; send it with the binary tensor extension"
        );
        assert_eq!(server.infer("identity", &request).error(), expected);
        let request = json!({ "inputs": [], "outputs": [{ "name": name }] });
        let advice = r#"ask for it with "binary_data": true"#;
        let expected = format!("output `{name}`: {datatype} can't be sent in JSON; {advice}");
        assert_eq!(server.infer("identity", &request).error(), expected);
    }
}
