//! `hotstage infer`: rows of a CSV file, or a request file; a table for people, JSON for programs.

use std::fs;

use serde_json::{Value, json};

use crate::harness::command::{Ran, hotstage, run};
use crate::harness::manifest::{model, pipeline, version};
use crate::harness::server::{Server, Setup, program};
use crate::harness::state::Folder;
use crate::harness::{golden, root};

fn infer(server: &Server, arguments: &[&str]) -> Ran {
    let url = format!("http://{}", server.address);
    hotstage(
        ["infer", "--url", &url]
            .into_iter()
            .chain(arguments.iter().copied()),
    )
}

/// The example's first held-out rows, with their true labels.
fn rows(folder: &Folder, count: usize) -> String {
    let all = fs::read_to_string(root().join("examples/tumor/held-out.csv")).unwrap();
    let text: String = all
        .lines()
        .take(count + 1)
        .flat_map(|line| [line, "\n"])
        .collect();
    folder.write("rows.CSV", text).to_str().unwrap().to_owned()
}

#[test]
fn rows_are_answered_with_a_table_beside_what_was_not_sent() {
    let (server, folder) = (Setup::tumor().start(), Folder::new());
    let ran = infer(&server, &["tumor", &rows(&folder, 5)]).ended(0);
    golden::check(
        "infer/rows",
        &format!("{}\n--- stderr\n{}", ran.stdout, ran.stderr),
    );
}

#[test]
fn answers_for_machines_are_the_servers_own() {
    let (server, folder) = (Setup::tumor().start(), Folder::new());
    let rows = rows(&folder, 3);
    let ran = infer(&server, &["tumor", &rows, "-o", "json"]).ended(0);
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(answer["model_name"], "tumor");
    assert_eq!(answer["outputs"][0]["shape"], json!([3]));
    let request = root().join("examples/tumor/tests/row-batch.json");
    let text = infer(
        &server,
        &["tumor", request.to_str().unwrap(), "--output", "json"],
    )
    .ended(0)
    .stdout;
    let answer: Value = serde_json::from_str(&text).unwrap();
    crate::harness::tumor::check("batch", &answer);
}

#[test]
fn a_request_comes_from_a_file_or_from_standard_input() {
    let (server, folder) = (
        Setup::of([pipeline("echo", [model("echo")])]).start(),
        Folder::new(),
    );
    let request = crate::guests::numbers(&[1.5, -2.0]).to_string();
    let file = folder.write("request.json", &request);
    let shown = infer(&server, &["echo", file.to_str().unwrap()]).ended(0);
    golden::check("infer/request", &shown.stdout);
    let mut command = program();
    command.args([
        "infer",
        "echo",
        "-",
        "--url",
        &format!("http://{}", server.address),
    ]);
    assert_eq!(
        run(command, request.as_bytes()).ended(0).stdout,
        shown.stdout
    );
    // The address may come from the environment.
    let mut command = program();
    command
        .args(["infer", "echo", "-"])
        .env("HOTSTAGE_URL", format!("http://{}", server.address));
    assert_eq!(
        run(command, request.as_bytes()).ended(0).stdout,
        shown.stdout
    );
}

#[test]
fn more_rows_than_go_into_one_request_are_sent_in_several() {
    let (server, folder) = (
        Setup::of([pipeline("echo", [model("echo")])]).start(),
        Folder::new(),
    );
    let text: String = std::iter::once("x\n".to_owned())
        .chain((0..2500).map(|row| format!("{row}\n")))
        .collect();
    let file = folder.write("rows.csv", text);
    let ran = infer(&server, &["echo", file.to_str().unwrap()]).ended(0);
    let cells: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let found: Vec<&Vec<&str>> = cells.iter().filter(|cells| cells[0] != "row").collect();
    assert_eq!(found.len(), 2500);
    for (row, cells) in found.iter().enumerate() {
        assert_eq!(cells[..], [(row + 1).to_string(), row.to_string()]);
    }
    let lines = infer(&server, &["echo", file.to_str().unwrap(), "-o", "json"])
        .ended(0)
        .stdout;
    let shapes: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["outputs"][0]["shape"][0].clone())
        .collect();
    assert_eq!(shapes, [1000, 1000, 500]);
}

#[test]
fn the_newest_version_is_asked_unless_another_is_named() {
    let versions = ["1", "2"].map(|number| version("p", number, [model("echo")]));
    let (server, folder) = (Setup::of(versions).start(), Folder::new());
    let file = folder.write("request.json", crate::guests::numbers(&[1.0]).to_string());
    let file = file.to_str().unwrap();
    for (arguments, version) in [
        (&["p", file, "-o", "json"][..], "2"),
        (&["p", file, "-o", "json", "--model-version", "1"], "1"),
    ] {
        let answer: Value =
            serde_json::from_str(&infer(&server, arguments).ended(0).stdout).unwrap();
        assert_eq!(answer["model_version"], version);
    }
    let ran = infer(&server, &["p", file, "--model-version", "3"]).ended(8);
    assert!(
        ran.stderr
            .contains("model `p` has no version `3`; it has 1, 2"),
        "{}",
        ran.stderr
    );
}

/// A CSV file that does not match the model, and its error.
const MISFITS: [(&str, &str, &str); 6] = [
    (
        "tumor",
        "a,b\n1,2\n",
        "input `features` takes 30 numbers a row; the file has 2 numeric columns",
    ),
    (
        "echo",
        "a,b\n1,2\n",
        "there is no column `x`; the columns are: a, b",
    ),
    (
        "echo",
        "x\n1\ntwo\n",
        "row 2, column `x`: `two` is not a number",
    ),
    ("echo", "x\n", "there are no rows below the header"),
    ("echo", "", "there are no rows below the header"),
    ("echo", "x,y\n1\n", "found record with 1 fields"),
];

#[test]
fn rows_that_do_not_fit_end_with_3_before_anything_is_sent() {
    let tumor = root().join("examples/tumor/tumor-v1.yaml");
    let folder = Folder::new();
    let echo = folder.write("echo.yaml", pipeline("echo", [model("echo")]).to_string());
    let server = Setup::files([tumor, echo]).start();
    for (model, text, says) in MISFITS {
        let file = folder.write("rows.csv", text);
        let ran = infer(&server, &[model, file.to_str().unwrap()]).ended(3);
        assert_eq!(ran.stdout, "", "{text:?}");
        assert!(
            ran.stderr.lines().last().unwrap().contains(says),
            "{text:?}: {}",
            ran.stderr
        );
    }
    assert_eq!(
        server
            .metrics()
            .value(&crate::guests::outcomes("echo", "answered")),
        0.0
    );
}

/// `hotstage run` gives the same answers for the same file, without a server.
#[test]
fn a_run_takes_the_rows_of_a_file_as_well() {
    let (server, folder) = (Setup::tumor().start(), Folder::new());
    let rows = rows(&folder, 3);
    let answer = infer(&server, &["tumor", &rows, "-o", "json"])
        .ended(0)
        .stdout;
    let state = crate::harness::state::warm();
    let manifest = root().join("examples/tumor/tumor-v1.yaml");
    let run_with = |file: &str| {
        let mut command = program();
        command.args([
            "run",
            manifest.to_str().unwrap(),
            "--input",
            file,
            "-o",
            "json",
        ]);
        command
            .arg("--state")
            .arg(state.path())
            .arg("--components")
            .arg(crate::harness::components());
        run(command, b"")
    };
    let ran = run_with(&rows).ended(0);
    let (answer, ran_answer): (Value, Value) = (
        serde_json::from_str(&answer).unwrap(),
        serde_json::from_str(&ran.stdout).unwrap(),
    );
    assert_eq!(ran_answer["answer"]["outputs"], answer["outputs"]);
    assert!(
        ran.stderr.contains("not sent, only shown: diagnosis"),
        "{}",
        ran.stderr
    );
    let wrong = folder.write("wrong.csv", "a,b\n1,2\n");
    let ran = run_with(wrong.to_str().unwrap()).ended(3);
    assert!(
        ran.stderr
            .contains("takes 30 numbers a row; the file has 2 numeric columns"),
        "{}",
        ran.stderr
    );
}
