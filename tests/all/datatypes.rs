//! Every datatype through a pipeline that changes nothing: in JSON and in bytes, in, out, and
//! mixed.

use serde_json::{Value, json};

use crate::harness::manifest::{pipeline, stage};
use crate::harness::server::{Server, Setup};

/// A tensor in both forms. `json` is exactly what the server writes; `None` where JSON can't carry
/// it.
struct Row {
    datatype: &'static str,
    shape: u64,
    json: Option<&'static str>,
    bytes: Vec<u8>,
}

impl Row {
    fn name(&self) -> String {
        self.datatype.to_lowercase()
    }

    fn new<const SIZE: usize>(
        datatype: &'static str,
        json: &'static str,
        elements: &[[u8; SIZE]],
    ) -> Self {
        Self {
            datatype,
            shape: elements.len() as u64,
            json: Some(json),
            bytes: elements.concat(),
        }
    }

    /// In the binary part.
    fn in_bytes(&self) -> Value {
        let parameters = json!({ "binary_data_size": self.bytes.len() });
        json!({ "name": self.name(), "datatype": self.datatype, "shape": [self.shape], "parameters": parameters })
    }

    /// In the text, where that is possible.
    fn in_json(&self) -> Option<Value> {
        let data: Value = serde_json::from_str(self.json?).unwrap();
        Some(
            json!({ "name": self.name(), "datatype": self.datatype, "shape": [self.shape], "data": data }),
        )
    }
}

fn element(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

/// The ends of each range, what lies beside zero, and texts that need care.
fn extremes() -> Vec<Row> {
    let fp32 = [
        -0.0,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        0.1,
        16_777_216.0,
    ]
    .map(f32::to_le_bytes);
    let fp64 = [
        -0.0,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        0.1,
    ]
    .map(f64::to_le_bytes);
    let texts = ["", "a\0b", "é😀", "\"\\\n"]
        .map(|text| element(text.as_bytes()))
        .concat();
    vec![
        Row::new("BOOL", "[true,false]", &[[1], [0]]),
        Row::new("UINT8", "[0,255]", &[[0], [255]]),
        Row::new("UINT16", "[0,65535]", &[0, u16::MAX].map(u16::to_le_bytes)),
        Row::new(
            "UINT32",
            "[0,4294967295]",
            &[0, u32::MAX].map(u32::to_le_bytes),
        ),
        Row::new(
            "UINT64",
            "[0,18446744073709551615]",
            &[0, u64::MAX].map(u64::to_le_bytes),
        ),
        Row::new(
            "INT8",
            "[-128,127]",
            &[i8::MIN, i8::MAX].map(i8::to_le_bytes),
        ),
        Row::new(
            "INT16",
            "[-32768,32767]",
            &[i16::MIN, i16::MAX].map(i16::to_le_bytes),
        ),
        Row::new(
            "INT32",
            "[-2147483648,2147483647]",
            &[i32::MIN, i32::MAX].map(i32::to_le_bytes),
        ),
        Row::new(
            "INT64",
            "[-9223372036854775808,9223372036854775807]",
            &[i64::MIN, i64::MAX].map(i64::to_le_bytes),
        ),
        Row {
            datatype: "FP16",
            shape: 3,
            json: None,
            bytes: vec![0, 0x7c, 1, 0x7e, 0xff, 0x7b],
        },
        Row {
            datatype: "BF16",
            shape: 2,
            json: None,
            bytes: vec![0x80, 0x7f, 0x7f, 0xff],
        },
        Row::new(
            "FP32",
            "[-0.0,3.4028235e+38,-3.4028235e+38,1.1754944e-38,1e-45,0.1,16777216.0]",
            &fp32,
        ),
        Row::new(
            "FP64",
            "[-0.0,1.7976931348623157e+308,-1.7976931348623157e+308,2.2250738585072014e-308,5e-324,0.1]",
            &fp64,
        ),
        Row {
            datatype: "BYTES",
            shape: 4,
            json: Some(r#"["","a\u0000b","é😀","\"\\\n"]"#),
            bytes: texts,
        },
    ]
}

fn identity() -> Server {
    Setup::of([pipeline("identity", [stage("preprocess", "identity_all")])]).start()
}

/// Sends some rows in JSON and the rest in bytes, and asks for some outputs in JSON and the rest in
/// bytes; the outputs in the opposite order. Whatever way it went, each tensor must come back.
#[track_caller]
fn check(rows: &[Row], json_in: impl Fn(usize) -> bool, json_out: impl Fn(usize) -> bool) {
    let server = identity();
    let (mut inputs, mut blobs) = (Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate() {
        match row.in_json().filter(|_| json_in(index)) {
            Some(input) => inputs.push(input),
            None => {
                inputs.push(row.in_bytes());
                blobs.push(row.bytes.as_slice());
            }
        }
    }
    let is_text = |(index, row): &(usize, &Row)| row.json.is_some() && json_out(*index);
    let answered: Vec<(usize, &Row)> = rows.iter().enumerate().rev().collect();
    let wish = |item: &(usize, &Row)| json!({ "name": item.1.name(), "parameters": { "binary_data": !is_text(item) } });
    let outputs: Vec<Value> = answered.iter().map(wish).collect();
    let request = json!({ "inputs": inputs, "outputs": outputs });
    let response = server.infer_binary("identity", &request, &blobs).ok();

    let (text, mut rest) = response.body.split_at(
        response
            .header("inference-header-content-length")
            .map_or(response.body.len(), |length| length.parse().unwrap()),
    );
    let text = String::from_utf8(text.to_vec()).unwrap();
    for item in &answered {
        let row = item.1;
        let head = format!(
            r#"{{"name":"{}","datatype":"{}","shape":[{}],"#,
            row.name(),
            row.datatype,
            row.shape
        );
        if is_text(item) {
            let expected = format!(r#"{head}"data":{}}}"#, row.json.unwrap());
            assert!(text.contains(&expected), "{expected}\n{text}");
        } else {
            let expected = format!(
                r#"{head}"parameters":{{"binary_data_size":{}}}}}"#,
                row.bytes.len()
            );
            assert!(text.contains(&expected), "{expected}\n{text}");
            let (bytes, after) = rest.split_at(row.bytes.len());
            assert_eq!(bytes, row.bytes, "{}", row.datatype);
            rest = after;
        }
    }
    assert!(rest.is_empty());
    let names: Vec<String> = answered.iter().map(|(_, row)| row.name()).collect();
    let json: Value = serde_json::from_str(&text).unwrap();
    let got: Vec<&str> = json["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["name"].as_str().unwrap())
        .collect();
    assert_eq!(got, names);
}

#[test]
fn all_datatypes_come_back_from_bytes_as_bytes() {
    check(&extremes(), |_| false, |_| false);
}

#[test]
fn all_datatypes_come_back_from_json_as_bytes() {
    check(&extremes(), |_| true, |_| false);
}

#[test]
fn all_datatypes_come_back_from_bytes_as_json() {
    check(&extremes(), |_| false, |_| true);
}

#[test]
fn all_datatypes_come_back_from_json_as_json() {
    check(&extremes(), |_| true, |_| true);
}

#[test]
fn forms_may_be_mixed_in_one_request_and_its_answer() {
    check(&extremes(), |index| index % 2 == 0, |index| index % 3 == 0);
    check(&extremes(), |index| index % 2 == 1, |index| index % 3 == 1);
}

#[test]
fn empty_tensors_of_all_datatypes_come_back() {
    let empty = || {
        let rows = extremes().into_iter();
        let emptied = |row: Row| Row {
            shape: 0,
            bytes: Vec::new(),
            json: row.json.map(|_| "[]"),
            ..row
        };
        rows.map(emptied).collect::<Vec<_>>()
    };
    check(&empty(), |_| true, |_| true);
    check(&empty(), |_| false, |_| false);
    check(&empty(), |index| index % 2 == 0, |index| index % 2 == 1);
}

#[test]
fn what_is_no_number_and_no_text_goes_through_bytes_alone() {
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

/// The first input that is wrong is told, so the others need not be there.
#[test]
fn elements_that_do_not_fit_are_refused_one_by_one() {
    let server = identity();
    for (datatype, element, what) in [
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
    ] {
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
fn half_floats_are_refused_in_json_and_told_the_way() {
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
        let expected = format!("output `{name}`: {datatype} is nothing JSON can carry; {advice}");
        assert_eq!(server.infer("identity", &request).error(), expected);
    }
}

/// Whole numbers are whole however they are written, and 1 and 0 are true and false.
#[test]
fn numbers_may_be_written_in_any_way_that_means_them() {
    let server = Setup::of([pipeline("identity", [stage("preprocess", "identity_all")])]).start();
    let written = [
        ("INT32", "[3.0,30e-1,0.3E+1,-0]", "[3,3,3,0]"),
        ("BOOL", "[1,0,true,false]", "[true,false,true,false]"),
    ];
    for (datatype, given, answered) in written {
        let rows: Vec<Row> = extremes()
            .into_iter()
            .filter(|row| row.datatype != datatype)
            .collect();
        let blobs: Vec<&[u8]> = rows.iter().map(|row| row.bytes.as_slice()).collect();
        let mut inputs: Vec<String> = rows.iter().map(|row| row.in_bytes().to_string()).collect();
        let name = datatype.to_lowercase();
        inputs.push(format!(
            r#"{{"name":"{name}","datatype":"{datatype}","shape":[4],"data":{given}}}"#
        ));
        let json = format!(
            r#"{{"inputs":[{}],"outputs":[{{"name":"{name}"}}]}}"#,
            inputs.join(",")
        );
        let body = [json.as_bytes(), &blobs.concat()].concat();
        let request = crate::harness::http::Request::post("/v2/models/identity/infer", body)
            .header("inference-header-content-length", json.len());
        let answer = server.ask(&request).ok().text();
        assert!(
            answer.contains(&format!(r#""data":{answered}"#)),
            "{answer}"
        );
    }
}
