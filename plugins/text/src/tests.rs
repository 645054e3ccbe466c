//! Tokens compared with the Python package, and each error.

use hotstage_sdk::{Failure, Files, OpenError, Tensor, testing};
use serde_json::{Value, json};

use super::Text;

const KINDS: [(&str, &str); 3] = [
    ("wordpiece", include_str!("../reference/wordpiece.json")),
    ("bpe", include_str!("../reference/bpe.json")),
    ("unigram", include_str!("../reference/unigram.json")),
];

/// The output of `reference/make.py`, and its texts after unescaping.
fn golden() -> (Value, Vec<String>) {
    let golden: Value = serde_json::from_str(include_str!("../reference/golden.json")).unwrap();
    let texts: Vec<(String, usize)> = serde_json::from_value(golden["texts"].clone()).unwrap();
    (
        golden,
        texts
            .into_iter()
            .map(|(text, times)| text.repeat(times))
            .collect(),
    )
}

fn file(kind: &str) -> &'static str {
    KINDS.iter().find(|(name, _)| *name == kind).unwrap().1
}

fn open_file(settings: Value, file: &str) -> Result<testing::Bench<Text>, OpenError> {
    testing::open_preprocessor(settings, Files::from_map([("tokenizer", file)]))
}

fn open(settings: Value, kind: &str) -> testing::Bench<Text> {
    open_file(settings, file(kind)).unwrap()
}

fn texts<T: AsRef<[u8]>>(texts: &[T]) -> Tensor {
    Tensor::bytes(&[texts.len()], texts).unwrap()
}

fn rows(tensor: &Tensor) -> Vec<Vec<i64>> {
    let width = usize::try_from(tensor.shape()[1]).unwrap();
    tensor
        .slice::<i64>()
        .unwrap()
        .chunks_exact(width.max(1))
        .map(<[i64]>::to_vec)
        .collect()
}

/// The client's error.
fn refused<T: AsRef<[u8]>>(settings: Value, given: &[T]) -> String {
    match open(settings, "wordpiece")
        .call([("text", texts(given))])
        .unwrap_err()
    {
        Failure::InvalidInput(text) => text,
        failure => panic!("{failure:?}"),
    }
}

fn refusal(settings: Value, file: &str) -> String {
    open_file(settings, file).unwrap_err().to_string()
}

#[test]
fn every_text_has_the_tokens_of_the_python_package() {
    let (golden, given) = golden();
    assert!(50 <= given.len());
    for (kind, _) in KINDS {
        let mut bench = open(json!({}), kind);
        let expected: Vec<Vec<i64>> =
            serde_json::from_value(golden["alone"][kind].clone()).unwrap();
        for (text, expected) in given.iter().zip(expected) {
            let answer = bench.call([("text", texts(&[text]))]);
            if expected.is_empty() {
                let text =
                    "input `text`: element 0 makes no tokens; at least one is needed".to_owned();
                assert_eq!(answer.unwrap_err(), Failure::InvalidInput(text));
                continue;
            }
            let answer = answer.unwrap();
            assert_eq!(
                rows(answer.get("input_ids").unwrap()),
                std::slice::from_ref(&expected),
                "{kind}: {text:?}"
            );
            let mask = answer
                .get("attention_mask")
                .unwrap()
                .slice::<i64>()
                .unwrap();
            assert!(mask.len() == expected.len() && mask.iter().all(|element| *element == 1));
        }
    }
}

#[test]
fn every_batch_is_truncated_joined_and_padded_as_in_the_python_package() {
    let (golden, given) = golden();
    for batch in golden["batches"].as_array().unwrap() {
        let pick = |key: &str| -> Option<Tensor> {
            let indices: Option<Vec<usize>> = serde_json::from_value(batch[key].clone()).unwrap();
            indices.map(|indices| {
                texts(
                    &indices
                        .iter()
                        .map(|&index| &given[index])
                        .collect::<Vec<_>>(),
                )
            })
        };
        let mut settings = batch["settings"].clone();
        let mut inputs = vec![("text", pick("first").unwrap())];
        if let Some(second) = pick("second") {
            settings["text_pair"] = json!("text_pair");
            inputs.push(("text_pair", second));
        }
        let answer = open(settings, batch["tokenizer"].as_str().unwrap())
            .call(inputs)
            .unwrap();
        for name in ["input_ids", "attention_mask", "token_type_ids"] {
            let tensor = answer.get(name).unwrap();
            assert_eq!(json!(tensor.shape()), batch["shape"]);
            assert_eq!(
                json!(rows(tensor)),
                batch[name],
                "{name} of {} {}",
                batch["tokenizer"],
                batch["settings"]
            );
        }
    }
}

#[test]
fn a_body_is_one_text() {
    let mut bench = open(json!({}), "wordpiece");
    let body = bench
        .call_raw("text/plain", "Hello, world!".as_bytes())
        .unwrap();
    let tensor = bench.call([("text", texts(&["Hello, world!"]))]).unwrap();
    assert_eq!(
        rows(body.get("input_ids").unwrap()),
        rows(tensor.get("input_ids").unwrap())
    );
    let failure = bench
        .call_raw("text/plain", b"caf\xe9.")
        .unwrap_err()
        .to_string();
    assert_eq!(
        failure,
        "the body is not UTF-8: byte 3 is 0xe9, which continues nothing"
    );
    for settings in [
        json!({ "text_pair": "passage" }),
        json!({ "raw_body": false }),
    ] {
        let failure = open(settings, "wordpiece")
            .call_raw("text/plain", b"a")
            .unwrap_err();
        assert!(matches!(failure, Failure::InvalidInput(_)));
    }
}

#[test]
fn outputs_are_those_that_have_a_name() {
    let bench = open(
        json!({ "text": "question", "outputs": { "input_ids": "ids" } }),
        "bpe",
    );
    let names = |ports: &[hotstage_sdk::Port]| {
        ports
            .iter()
            .map(|port| port.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&bench.signature().inputs), ["question"]);
    assert_eq!(names(&bench.signature().outputs), ["ids"]);
}

#[test]
fn no_texts_are_fine() {
    let none: [&str; 0] = [];
    let answer = open(json!({}), "wordpiece")
        .call([("text", texts(&none))])
        .unwrap();
    assert_eq!(answer.get("input_ids").unwrap().shape(), [0, 0]);
    let answer = open(json!({ "padding": "max_length" }), "wordpiece")
        .call([("text", texts(&none))])
        .unwrap();
    assert_eq!(answer.get("input_ids").unwrap().shape(), [0, 48]);
}

#[test]
fn an_error_names_the_text_and_what_is_wrong() {
    let text = "input `text`: element 1 is not UTF-8: byte 2 is 0xff, which continues nothing";
    assert_eq!(refused(json!({}), &[&b"fine"[..], b"ab\xff"]), text);
    let text = "input `text`: element 0 is not UTF-8: byte 1 is 0xe2, and the end is missing";
    assert_eq!(refused(json!({}), &[&b"a\xe2\x82"[..]]), text);
    let text = "input `text`: element 1 has 11 bytes; at most 10 fit";
    assert_eq!(
        refused(
            json!({ "text_bytes_max": 10 }),
            &["0123456789", "01234567890"]
        ),
        text
    );
    assert_eq!(
        refused(json!({ "texts_max": 1 }), &["a", "b"]),
        "input `text`: has 2 elements; at most 1 fit"
    );
    let settings = json!({ "on_too_long": "error", "max_length": 4 });
    assert_eq!(
        refused(settings, &["a", "a a a"]),
        "input `text`: element 1 makes 5 tokens; at most 4 fit"
    );
    let settings = json!({ "add_special_tokens": false });
    assert_eq!(
        refused(settings, &["a", ""]),
        "input `text`: element 1 makes no tokens; at least one is needed"
    );
}

#[test]
fn pairs_must_be_pairs() {
    let mut bench = open(json!({ "text_pair": "passage" }), "wordpiece");
    let failure = bench
        .call([("text", texts(&["a", "b"])), ("passage", texts(&["c"]))])
        .unwrap_err();
    let text = "input `passage`: has 1 elements, and `text` has 2; give one for each".to_owned();
    assert_eq!(failure, Failure::InvalidInput(text));
    // A strategy that truncates one text only can't fix a pair whose other text is too long.
    let file = file("wordpiece").replace("LongestFirst", "OnlySecond");
    let mut bench = open_file(json!({ "text_pair": "passage" }), &file).unwrap();
    let failure = bench
        .call([
            ("text", texts(&["a ".repeat(99)])),
            ("passage", texts(&["c"])),
        ])
        .unwrap_err();
    let text = "input `text`: element 0: the text of the pair that is never cut makes too many tokens; at most 45 fit";
    assert_eq!(failure, Failure::InvalidInput(text.to_owned()));
    assert!(
        refusal(json!({}), &file)
            .starts_with("file `tokenizer`: truncation.strategy is `OnlySecond`, and")
    );
}

#[test]
fn invalid_settings_are_refused() {
    let check = |settings: Value, start: &str| {
        let refusal = refusal(settings, file("wordpiece"));
        assert!(refusal.starts_with(start), "{refusal}");
    };
    check(
        json!({ "outputs": {} }),
        "settings.outputs: names no output; give a name to `input_ids`",
    );
    check(
        json!({ "outputs": { "ids": "x" } }),
        "settings.outputs.ids: unknown field `ids`",
    );
    check(
        json!({ "max_length": 0 }),
        "settings.max_length: is 0; it must be at least 1",
    );
    check(
        json!({ "max_length": 2 }),
        "settings.max_length: is 2, and the tokenizer itself adds 2 tokens; it must",
    );
    check(
        json!({ "max_length": 2_000_000 }),
        "settings.max_length: is 2000000; at most 1048576 is allowed",
    );
    check(json!({ "texts_max": 0 }), "settings.texts_max: is 0");
    check(
        json!({ "pad_token": "<p>" }),
        "settings.pad_token: the tokenizer has no token `<p>`; give one of its own",
    );
    let text =
        "settings.padding.multiple_of: is 7; max_length, which is 48, must be a multiple of it";
    check(json!({ "padding": { "multiple_of": 7 } }), text);
    check(
        json!({ "padding": "longst" }),
        "settings.padding: unknown variant `longst`, expected one of `longest`",
    );
    check(
        json!({ "lowercase": true }),
        "settings.lowercase: unknown field `lowercase`",
    );
}

#[test]
fn a_damaged_file_is_refused() {
    let refusal_of = |file: &str| refusal(json!({}), file);
    let whole = file("wordpiece");
    let text = refusal_of(&whole[..whole.len() / 2]);
    assert!(
        text.starts_with("file `tokenizer`: is no tokenizer.json: EOF while parsing"),
        "{text}"
    );
    let text = refusal_of("{}");
    assert!(
        text.starts_with("file `tokenizer`: is no tokenizer.json: "),
        "{text}"
    );
    let text = refusal_of(&whole.replace(r#""unk_token":"[UNK]""#, r#""unk_token":"[NONE]""#));
    assert!(
        text.starts_with("file `tokenizer`: can't encode a text: the tokenizer failed: "),
        "{text}"
    );
    let text = refusal_of(&file("bpe").replace(r#""dropout":null"#, r#""dropout":0.1"#));
    assert_eq!(
        text,
        "file `tokenizer`: model.dropout is 0.1, which answers by chance; set it to null"
    );
    let text = refusal_of(&whole.replace(
        r#""SpecialToken":{"id":"[CLS]""#,
        r#""SpecialToken":{"id":"[BOS]""#,
    ));
    let start = "file `tokenizer`: is no tokenizer.json: Missing SpecialToken";
    assert!(text.starts_with(start) || text.contains("[BOS]"), "{text}");
    let text =
        refusal_of(&whole.replacen(r#"{"Sequence":{"id":"A""#, r#"{"Sequence":{"id":"B""#, 1));
    assert_eq!(
        text,
        "file `tokenizer`: post_processor.single: names the second text `B`; one text alone has none"
    );
    let refusal = testing::open_preprocessor::<Text>(json!({}), Files::none())
        .unwrap_err()
        .to_string();
    assert!(refusal.starts_with("no file `tokenizer`"), "{refusal}");
}

/// Every position of a value, except those of the vocabulary.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| (key.replace('/', "~1"), value))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| (index.to_string(), item))
            .collect(),
        _ => Vec::new(),
    };
    for (key, value) in inner
        .into_iter()
        .filter(|_| at != "/model/vocab" && at != "/model/merges")
    {
        let at = format!("{at}/{key}");
        places(value, &at, found);
        found.push(at);
    }
}

#[test]
fn no_damage_to_a_file_is_a_panic() {
    let mut opened = 0;
    for (kind, file) in KINDS {
        let whole: Value = serde_json::from_str(file).unwrap();
        let mut found = Vec::new();
        places(&whole, "", &mut found);
        assert!(30 < found.len(), "{kind}: {found:?}");
        for (place, damage) in found.iter().flat_map(|place| {
            [json!(null), json!(-1), json!("B"), json!([])].map(|damage| (place, damage))
        }) {
            let mut damaged = whole.clone();
            *damaged.pointer_mut(place).unwrap() = damage;
            for pair in [json!(null), json!("pair")] {
                let Ok(mut bench) = open_file(json!({ "text_pair": pair }), &damaged.to_string())
                else {
                    continue;
                };
                opened += 1;
                let mut inputs = vec![("text", texts(&["Hello, world! 港 🙂"]))];
                if bench.signature().inputs.len() == 2 {
                    inputs.push(("pair", texts(&["a ".repeat(99)])));
                }
                let _ = bench.call(inputs);
            }
        }
    }
    assert!(100 < opened, "{opened}");
}
