//! Decoding of scores and of paths, and each error.

use hotstage_sdk::{Failure, Files, Tensor, testing};
use serde_json::{Value, json};

use super::Ctc;

fn open(settings: Value, alphabet: &str) -> Result<testing::Bench<Ctc>, String> {
    testing::open_postprocessor(settings, Files::from_map([("alphabet", alphabet)]))
        .map_err(|error| error.to_string())
}

/// `path` mode, with a score of 0.1 at each position.
fn read(settings: Value, rows: &[&[i64]]) -> Result<(Vec<String>, Vec<f32>), Failure> {
    let shape = [rows.len(), rows[0].len()];
    let mut bench = open(settings, "a\nb\n字\n").unwrap();
    let scores: Vec<f32> = rows
        .iter()
        .flat_map(|row| (1_u8..).zip(*row).map(|(place, _)| f32::from(place) / 10.0))
        .collect();
    let inputs = [
        ("classes", Tensor::i64(&shape, rows.concat())?),
        ("scores", Tensor::f32(&shape, scores)?),
    ];
    let answer = bench.call(inputs)?;
    let texts = answer
        .get("text")?
        .bytes_elements()?
        .map(|text| String::from_utf8(text.to_vec()).unwrap());
    Ok((
        texts.collect(),
        answer.get("score")?.slice::<f32>()?.to_vec(),
    ))
}

#[test]
fn repetitions_count_once_and_blanks_are_removed() {
    let path = json!({ "input": "path", "append": [" "] });
    let (texts, scores) = read(
        path,
        &[
            &[1, 1, 0, 1, 4, 3],
            &[0, 0, 0, 0, 0, 0],
            &[2, 1, 2, 2, 0, 0],
        ],
    )
    .unwrap();
    assert_eq!(texts, ["aa 字", "", "bab"]);
    assert_eq!(scores, [0.4, 0.0, 0.2]);
}

#[test]
fn the_blank_may_be_any_class() {
    assert_eq!(
        read(json!({ "input": "path", "blank": 3 }), &[&[0, 3, 0, 2]])
            .unwrap()
            .0,
        ["aa字"]
    );
    assert_eq!(
        read(json!({ "input": "path", "blank": 1 }), &[&[0, 1, 2, 3]])
            .unwrap()
            .0,
        ["ab字"]
    );
}

#[test]
fn of_scores_the_first_of_the_largest_counts() {
    let mut bench = open(json!({}), "a\r\nb").unwrap();
    let scores = [
        [0.2, 0.4, 0.4],
        [0.9, 0.0, 0.1],
        [0.1, 0.3, 0.6],
        [f32::NAN, 0.1, 0.2],
    ];
    let tensor = Tensor::f32(&[1, 4, 3], scores.as_flattened()).unwrap();
    let answer = bench.call([("scores", tensor)]).unwrap();
    assert_eq!(
        answer
            .get("text")
            .unwrap()
            .bytes_elements()
            .unwrap()
            .next()
            .unwrap(),
        b"ab"
    );
    assert_eq!(answer.get("score").unwrap().slice::<f32>().unwrap(), [0.5]);
    let none = bench
        .call([("scores", Tensor::f32(&[0, 4, 3], []).unwrap())])
        .unwrap();
    assert_eq!(none.get("text").unwrap().shape(), [0]);
    let none = bench
        .call([("scores", Tensor::f32(&[2, 0, 3], []).unwrap())])
        .unwrap();
    assert_eq!(
        none.get("score").unwrap().slice::<f32>().unwrap(),
        [0.0, 0.0]
    );
    let nan = Tensor::f32(&[1, 1, 3], [f32::NAN; 3]).unwrap();
    let text = "input `scores`: NaN at place 0 of all rows";
    assert_eq!(
        bench.call([("scores", nan)]).unwrap_err(),
        Failure::internal(text)
    );
}

#[test]
fn unknown_classes_are_refused() {
    let text = "input `classes`: class 4; the alphabet has 4, counted from 0";
    assert_eq!(
        read(json!({ "input": "path" }), &[&[0, 4]]).unwrap_err(),
        Failure::internal(text)
    );
    read(json!({ "input": "path" }), &[&[-1, 0]]).unwrap_err();
}

#[test]
fn invalid_alphabets_are_refused() {
    assert_eq!(
        open(json!({}), "a\n\nb").unwrap_err(),
        "`alphabet`: line 2 is empty; each has a symbol"
    );
    let text = "settings.blank: is 3; 0 to 2 is needed, as there are 2 symbols";
    assert_eq!(open(json!({ "blank": 3 }), "a\nb").unwrap_err(), text);
    let files = Files::from_map([("alphabet", vec![0xff])]);
    let refusal = testing::open_postprocessor::<Ctc>(json!({}), files)
        .unwrap_err()
        .to_string();
    assert!(refusal.starts_with("`alphabet`: is no UTF-8"), "{refusal}");
}
