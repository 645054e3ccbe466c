//! Refused rows and values, and their messages.

use hotstage_sdk::{Failure, Tensor, testing};
use serde_json::{Value, json};

use super::open;

#[track_caller]
fn check(answer: Result<testing::Answer, Failure>, expected: &str) {
    assert_eq!(
        answer.unwrap_err(),
        Failure::InvalidInput(expected.to_owned())
    );
}

fn people() -> Value {
    let one_hot = json!({ "categories": ["Cherbourg", "Southampton"] });
    json!({ "columns": [{ "name": "age" }, { "name": "port", "one_hot": one_hot }] })
}

#[track_caller]
fn check_csv(body: &str, expected: &str) {
    check(
        open(people()).call_raw("text/csv", body.as_bytes()),
        expected,
    );
}

#[track_caller]
fn check_json(body: &str, expected: &str) {
    check(
        open(people()).call_raw("application/x-ndjson", body.as_bytes()),
        expected,
    );
}

#[test]
fn a_bad_value_is_named_with_its_row_column_and_what_is_allowed() {
    let number = "row 2 (line 3), column `age`: is `abc`; a finite number is needed";
    check_csv("age,port\n1,Cherbourg\nabc,Cherbourg\n", number);
    check_csv(
        "age,port\n1,\"\"\n",
        "row 1 (line 2), column `port`: is missing; a text is needed, one of `Cherbourg`, \
                                     `Southampton`",
    );
    check_csv(
        "age,port\ninf,Cherbourg\n",
        "row 1 (line 2), column `age`: is `inf`; a finite number is needed",
    );
    check_csv(
        "age,port\nNaN,Cherbourg\n",
        "row 1 (line 2), column `age`: is missing; a number is needed",
    );
    check_csv(
        "age,port\n1e300,Cherbourg\n",
        "row 1 (line 2), column `age`: is 1e300, which becomes 1e300; numbers up \
                                              to 3.4028235e38 are possible",
    );
    check_csv(
        "\n\"x\ny\",age,port\r\n\r\n,1,southamton\r\n",
        "row 1 (line 5), column `port`: is `southamton`; a text \
                                                              is needed, one of `Cherbourg`, `Southampton`; did you \
                                                              mean `Southampton`?",
    );
    let long = format!("age,port\n{},Cherbourg\n", "é\u{7}".repeat(100));
    let shown = "é\\u{7}".repeat(20);
    check_csv(
        &long,
        &format!("row 1 (line 2), column `age`: is `{shown}…`; a finite number is needed"),
    );
}

#[test]
fn a_bad_file_is_named_with_its_line() {
    check_csv(
        "",
        "the body is empty; its first line must name the columns",
    );
    check_csv(
        "Age ,prt\n",
        "the header has no column `age`, but `Age `; rename it",
    );
    check_csv(
        "age,harbour\n",
        "the header has no column `port`; it has `age`, `harbour`",
    );
    check_csv(
        "age,port,age\n",
        "the header has the column `age` twice, as columns 1 and 3; rename one of them",
    );
    check_csv(
        "age,port\n1,Cherbourg,\n",
        "row 1 (line 2): has 3 values; the header has 2 columns; a value with a \
                                           delimiter in it needs quotes",
    );
    check_csv(
        "age,port\n1,\"Cherbourg\n2,Cherbourg\n",
        "row 1 (line 2): a quote is opened and never closed; close \
                                                          it, and double quotes in a quoted field",
    );
    let mut bench = open(json!({ "columns": [{ "name": "a" }], "rows_max": 2 }));
    check(
        bench.call_raw("text/csv", b"a\n1\n2\n3\n"),
        "more than 2 rows; send at most that many in a request",
    );
    check(
        bench.call_raw("application/jsonl", b"[1]\n[2]\nx"),
        "more than 2 rows; send at most that many in a request",
    );
}

#[test]
fn a_bad_row_of_json_is_named_with_its_line() {
    let good = r#"{"age": 1, "port": "Cherbourg"}"#;
    check_json(
        &format!("{good}\n\n{{\"age\": 1"),
        "row 2 (line 3), character 9: EOF while parsing an object",
    );
    check_json(
        "3",
        "row 1 (line 1), character 1: invalid type: integer `3`, expected an object or an array of a row's \
                     values",
    );
    check_json(
        "[1]",
        "row 1 (line 1), character 3: an array of 1 values; 2 are needed",
    );
    check_json(
        "[1, \"a\", 2]",
        "row 1 (line 1), character 11: an array of more than 2 values; 2 are needed",
    );
    check_json(
        r#"{"age": 1, "Port": "Q"}"#,
        "row 1 (line 1): has no key `port`, but `Port`; rename it",
    );
    check_json(
        r#"{"age": 1}"#,
        "row 1 (line 1): has no key `port`; add it, or null if its value is missing",
    );
    check_json(
        r#"{"age": 1, "age": 1}"#,
        "row 1 (line 1), character 16: the key `age` comes twice",
    );
    check_json(
        r#"{"age": [1], "port": "Q"}"#,
        "row 1 (line 1), column `age`: is an array; a finite number is needed",
    );
    check_json(
        r#"{"age": true, "port": "Q"}"#,
        "row 1 (line 1), column `age`: is true; a finite number is needed",
    );
    check_json(
        r#"{"age": 1, "port": 3}"#,
        "row 1 (line 1), column `port`: is 3.0; a text is needed, one of \
                                            `Cherbourg`, `Southampton`",
    );
    // At any depth: nested values are skipped without recursion.
    let deep = format!(r#"{{"age": {}, "port": "Q"}}"#, "[".repeat(1000));
    check_json(&deep, "row 1 (line 1), character 1009: expected value");
}

#[test]
fn a_bad_element_is_named_with_its_input() {
    let columns = |ages: &[f64], ports: &[&str]| {
        let tensors = [
            Tensor::f64(&[ages.len()], ages),
            Tensor::bytes(&[ports.len()], ports),
        ]
        .map(Result::unwrap);
        open(people()).call(["age", "port"].into_iter().zip(tensors))
    };
    check(
        columns(&[1.0], &[]),
        "input `port`: has 0 elements, and input `age` has 1; there must be as many",
    );
    let infinite = columns(&[1.0, f64::INFINITY], &["Cherbourg"; 2]);
    check(
        infinite,
        "input `age`: element 1 is inf; a finite number is needed",
    );
    let mut settings = people();
    settings["tensors"] = "rows".into();
    let rows =
        |text: &str| open(settings.clone()).call([("rows", Tensor::bytes(&[1], [text]).unwrap())]);
    check(
        rows("{}"),
        "input `rows`: element 0: has no key `age`; add it, or null if its value is missing",
    );
    check(
        rows("["),
        "input `rows`: element 0, character 1: EOF while parsing a list",
    );
    check(
        rows("[null, 1]"),
        "input `rows`: element 0, column `age`: is missing; a number is needed",
    );
    let mut bench = open(
        json!({ "columns": [{ "name": "b", "log": "log" }], "header": ["a", "b"], "tensors": "table" }),
    );
    let table = bench.call([(
        "features",
        Tensor::f32(&[2, 2], [0.0, 1.0, 0.0, -2.5]).unwrap(),
    )]);
    let text = "input `features`: row 1, column 1 (`b`) is -2.5; a number above 0 is needed, for its logarithm";
    check(table, text);
    let mut bench = open(json!({ "columns": [{ "name": "a", "log": "log1p" }], "rows_max": 1 }));
    let text =
        "input `a`: element 0 is -1.0; a number above -1 is needed, for the logarithm of it plus 1";
    check(
        bench.call([("a", Tensor::f64(&[1], [-1.0]).unwrap())]),
        text,
    );
    let text = "more than 1 rows; send at most that many in a request";
    check(
        bench.call([("a", Tensor::f64(&[2], [1.0; 2]).unwrap())]),
        text,
    );
}
