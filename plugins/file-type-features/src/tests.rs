//! Each rule compared with the reference implementation, and each error.

use hotstage_sdk::{Failure, Files, Tensor, testing};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Features;

/// The output of `reference/features.py`.
const REFERENCE: &str = include_str!("../reference/features.json");

#[derive(Deserialize)]
struct Case {
    name: String,
    parts: Vec<(String, usize)>,
    known: String,
    sha256: String,
}

impl Case {
    fn file(&self) -> Vec<u8> {
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        let bytes = |text: &str| text.as_bytes().chunks(2).map(byte).collect::<Vec<_>>();
        self.parts
            .iter()
            .flat_map(|(text, times)| bytes(text).repeat(*times))
            .collect()
    }
}

/// The window sizes of the reference's model.
fn config() -> Value {
    json!({
        "beg_size": 1024, "mid_size": 0, "end_size": 1024, "use_inputs_at_offsets": false, "min_file_size_for_dl": 8,
        "padding_token": 256, "block_size": 4096, "target_labels_space": ["not", "read", "here"]
    })
}

fn open(settings: Value, config: &Value) -> Result<testing::Bench<Features>, String> {
    let files = Files::from_map([("config", config.to_string())]);
    testing::open_preprocessor(settings, files).map_err(|error| error.to_string())
}

fn files(files: &[&[u8]]) -> [(&'static str, Tensor); 1] {
    [("bytes", Tensor::bytes(&[files.len()], files).unwrap())]
}

#[test]
fn windows_and_known_types_agree_with_the_reference() {
    let cases: Vec<Case> = serde_json::from_str(REFERENCE).unwrap();
    assert!(cases.len() >= 20);
    let mut bench = open(json!({}), &config()).unwrap();
    for case in &cases {
        let answer = bench.call(files(&[&case.file()])).unwrap();
        let known = answer
            .get("known")
            .unwrap()
            .bytes_elements()
            .unwrap()
            .next()
            .unwrap();
        assert_eq!(str::from_utf8(known).unwrap(), case.known, "{}", case.name);
        // The reference has no numbers if the model is not used.
        if known.is_empty() {
            let sum = Sha256::digest(answer.get("features").unwrap().as_bytes());
            let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(sum, case.sha256, "{}", case.name);
        }
    }
}

#[test]
fn a_batch_is_its_files_one_after_the_other() {
    let cases: Vec<Case> = serde_json::from_str(REFERENCE).unwrap();
    let contents: Vec<Vec<u8>> = cases.iter().map(Case::file).collect();
    let contents: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    let mut bench = open(json!({}), &config()).unwrap();
    let batch = bench.call(files(&contents)).unwrap();
    let rows = batch
        .get("features")
        .unwrap()
        .slice::<i32>()
        .unwrap()
        .chunks(2048);
    for ((content, row), case) in contents.iter().zip(rows).zip(&cases) {
        let alone = bench.call(files(&[content])).unwrap();
        assert_eq!(
            alone.get("features").unwrap().slice::<i32>().unwrap(),
            row,
            "{}",
            case.name
        );
    }
    let known: Vec<&[u8]> = batch
        .get("known")
        .unwrap()
        .bytes_elements()
        .unwrap()
        .collect();
    assert!(
        known
            .iter()
            .zip(&cases)
            .all(|(known, case)| *known == case.known.as_bytes())
    );
}

#[test]
fn a_raw_body_is_one_file() {
    let mut bench = open(json!({}), &config()).unwrap();
    let body = b"#!/bin/sh\necho hello\n";
    let raw = bench.call_raw("application/octet-stream", body).unwrap();
    let element = bench.call(files(&[body])).unwrap();
    for name in ["features", "known"] {
        assert_eq!(
            raw.get(name).unwrap().as_bytes(),
            element.get(name).unwrap().as_bytes()
        );
    }
    let nothing = bench.call_raw("application/octet-stream", b"").unwrap();
    assert_eq!(
        nothing
            .get("known")
            .unwrap()
            .bytes_elements()
            .unwrap()
            .next(),
        Some(&b"empty"[..])
    );
}

#[test]
fn the_ends_of_a_file_give_the_same_as_the_whole() {
    let whole: Vec<u8> = (0..50_000_u32)
        .map(|index| index.to_le_bytes()[1] ^ index.to_le_bytes()[0])
        .collect();
    let ends = [&whole[..4096], &whole[whole.len() - 4096..]].concat();
    let answer = open(json!({}), &config())
        .unwrap()
        .call(files(&[&whole, &ends]))
        .unwrap();
    let numbers = answer.get("features").unwrap().slice::<i32>().unwrap();
    assert_eq!(numbers[..2048], numbers[2048..]);
}

#[test]
fn inputs_over_a_bound_are_refused() {
    let mut bench = open(json!({ "files_max": 2, "file_bytes_max": 8192 }), &config()).unwrap();
    let mut refusal = |contents: &[&[u8]]| bench.call(files(contents)).unwrap_err();
    let text = |text: &str| Failure::InvalidInput(text.to_owned());
    assert_eq!(
        refusal(&[]),
        text("input `bytes`: 0 files; a request holds from 1 to 2")
    );
    assert_eq!(
        refusal(&[b"a", b"b", b"c"]),
        text("input `bytes`: 3 files; a request holds from 1 to 2")
    );
    let long = "has 8193 bytes; at most 8192 are taken. The first 4096 bytes of a file and its last 4096, one after \
                the other, get the same answer as the whole file";
    assert_eq!(
        refusal(&[b"a", &[b'a'; 8193]]),
        text(&format!("input `bytes`: element 1 {long}"))
    );
    let raw = bench
        .call_raw("application/octet-stream", &[b'a'; 8193])
        .unwrap_err();
    assert_eq!(raw, text(&format!("the body {long}")));
}

#[test]
fn invalid_settings_are_refused() {
    let refusal = |settings: Value| open(settings, &config()).unwrap_err();
    assert_eq!(
        refusal(json!({ "files_max": 0 })),
        "settings.files_max: is 0; it must be from 1 to 4096"
    );
    assert_eq!(
        refusal(json!({ "files_max": 5000 })),
        "settings.files_max: is 5000; it must be from 1 to 4096"
    );
    let text =
        "settings.file_bytes_max: is 8191; it must be at least 8192, two blocks of the model";
    assert_eq!(refusal(json!({ "file_bytes_max": 8191 })), text);
    assert!(refusal(json!({ "files": 1 })).starts_with("settings.files: unknown field"));
}

#[test]
fn an_invalid_configuration_is_refused() {
    let check = |key: &str, value: Value, text: &str| {
        let mut config = config();
        config[key] = value;
        let refusal = open(json!({}), &config).unwrap_err();
        assert!(refusal.starts_with(text), "{refusal}");
    };
    check(
        "mid_size",
        json!(512),
        "file `config`: mid_size: is 512; only models without a window in the middle fit",
    );
    check(
        "use_inputs_at_offsets",
        json!(true),
        "file `config`: use_inputs_at_offsets: is true",
    );
    check(
        "beg_size",
        json!(4096),
        "file `config`: beg_size and end_size: are 4096 and 1024; less than block_size 4096",
    );
    check(
        "block_size",
        json!(1 << 21),
        "file `config`: block_size: is 2097152; at most 1048576 is taken",
    );
    check(
        "min_file_size_for_dl",
        json!(0),
        "file `config`: min_file_size_for_dl: is 0; 1 to beg_size 1024 is needed",
    );
    check(
        "padding_token",
        json!("x"),
        "file `config`: invalid type: string \"x\", expected i32",
    );
    let refusal = testing::open_preprocessor::<Features>(json!({}), Files::none())
        .unwrap_err()
        .to_string();
    assert!(refusal.starts_with("no file `config`: add it"), "{refusal}");
}
