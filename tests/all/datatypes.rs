//! Every datatype through an identity pipeline: JSON and binary, for inputs and outputs, and mixed.

mod refused;
mod rows;

use serde_json::{Value, json};

use self::rows::{Row, extremes};
use crate::harness::manifest::{pipeline, stage};
use crate::harness::server::{Server, Setup};

fn identity() -> Server {
    Setup::of([pipeline("identity", [stage("preprocess", "identity_all")])]).start()
}

/// Sends some rows as JSON and the rest as binary, and requests some outputs as JSON and the rest
/// as binary, in the opposite order. Each tensor must return unchanged.
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
    let requested = |item: &(usize, &Row)| json!({ "name": item.1.name(), "parameters": { "binary_data": !is_text(item) } });
    let outputs: Vec<Value> = answered.iter().map(requested).collect();
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

/// Whole numbers may be written in any notation, and 1 and 0 mean true and false.
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
