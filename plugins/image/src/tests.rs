//! The reference's pictures, each error, and files with damage at every byte.

mod hostile;
mod refused;

use std::fs;
use std::path::PathBuf;

use hotstage_sdk::testing::{self, Bench};
use hotstage_sdk::{Files, Tensor};
use serde_json::{Value, json};

use super::Image;

fn open(settings: Value) -> Bench<Image> {
    testing::open_preprocessor(settings, Files::none()).unwrap()
}

fn reference(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("reference")
        .join(name)
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(reference("samples").join(name)).unwrap()
}

fn samples() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(reference("samples"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| (name.clone(), sample(&name)))
        .collect();
    files.sort();
    files
}

fn pictures<B: AsRef<[u8]>>(files: &[B]) -> [(&'static str, Tensor); 1] {
    [("image", Tensor::bytes(&[files.len()], files).unwrap())]
}

fn levels_of(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes().as_chunks::<2>().0;
    digits
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn every_case_agrees_with_the_reference() {
    let cases: Vec<Value> =
        serde_json::from_slice(&fs::read(reference("expected.json")).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let file = case["file"].as_str().unwrap();
        let answer = match open(case["settings"].clone()).call(pictures(&[sample(file)])) {
            Ok(answer) => answer,
            Err(failure) => {
                wrong.push(format!("{file} {}: {failure}", case["settings"]));
                continue;
            }
        };
        let pixels = answer.get("pixels").unwrap();
        assert_eq!(
            json!(pixels.shape()),
            case["shape"],
            "{file} {}",
            case["settings"]
        );
        let expected = levels_of(case["levels"].as_str().unwrap());
        let differences = pixels.slice::<u8>().unwrap().iter().zip(&expected);
        let most = differences
            .map(|(given, expected)| given.abs_diff(*expected))
            .max()
            .unwrap();
        if u64::from(most) > case["within"].as_u64().unwrap() {
            wrong.push(format!(
                "{file} {}: a level differs by {most}",
                case["settings"]
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn levels_are_scaled_and_normalised_in_the_order_of_the_output() {
    let settings = json!({
        "colour": "bgr", "crop": [1, 1], "mean": [0.5, 0.25, 0.0], "std": [0.5, 1.0, 2.0]
    });
    let answer = open(settings)
        .call(pictures(&[sample("colour.png")]))
        .unwrap();
    let levels = open(json!({ "colour": "bgr", "crop": [1, 1], "datatype": "uint8" }))
        .call(pictures(&[sample("colour.png")]))
        .unwrap();
    let (mean, std) = ([0.5, 0.25, 0.0], [0.5, 1.0, 2.0]);
    let levels = levels
        .get("pixels")
        .unwrap()
        .slice::<u8>()
        .unwrap()
        .to_vec();
    let pixels = answer.get("pixels").unwrap();
    assert_eq!(pixels.shape(), [1, 3, 1, 1]);
    for (channel, element) in pixels.slice::<f32>().unwrap().iter().enumerate() {
        let exact = (f64::from(levels[channel]) / 255.0 - mean[channel]) / std[channel];
        assert!((f64::from(*element) - exact).abs() < 1e-7);
    }
}

#[test]
fn a_raw_body_is_a_request_of_one_picture() {
    let mut bench = open(json!({ "resize": { "size": [8, 8] } }));
    let by_tensor = bench.call(pictures(&[sample("full.jpg")])).unwrap();
    for kind in ["image/jpeg", "application/octet-stream", "image/png"] {
        let by_body = bench.call_raw(kind, &sample("full.jpg")).unwrap();
        let [body, tensor] = [&by_body, &by_tensor].map(|answer| answer.get("pixels").unwrap());
        assert_eq!(body.slice::<f32>().unwrap(), tensor.slice::<f32>().unwrap());
    }
}

#[test]
fn several_pictures_are_answered_in_their_order() {
    let settings =
        json!({ "resize": { "size": [8, 6] }, "original_size": "size", "datatype": "uint8" });
    let files = ["turned-6.jpg", "noise.png", "alpha.webp"].map(sample);
    let together = open(settings.clone()).call(pictures(&files)).unwrap();
    assert_eq!(together.get("pixels").unwrap().shape(), [3, 3, 8, 6]);
    assert_eq!(together.get("size").unwrap().shape(), [3, 2]);
    assert_eq!(
        together.get("size").unwrap().slice::<i64>().unwrap(),
        [20, 24, 24, 20, 24, 20]
    );
    let alone: Vec<u8> = files
        .iter()
        .flat_map(|file| {
            let answer = open(settings.clone()).call(pictures(&[file])).unwrap();
            answer
                .get("pixels")
                .unwrap()
                .slice::<u8>()
                .unwrap()
                .to_vec()
        })
        .collect();
    assert_eq!(
        together.get("pixels").unwrap().slice::<u8>().unwrap(),
        alone
    );
}

#[test]
fn no_pictures_are_fine() {
    let none: [&[u8]; 0] = [];
    let answer = open(json!({ "crop": [8, 6], "original_size": "size" }))
        .call(pictures(&none))
        .unwrap();
    assert_eq!(answer.get("pixels").unwrap().shape(), [0, 3, 8, 6]);
    assert_eq!(answer.get("size").unwrap().shape(), [0, 2]);
    let answer = open(json!({ "layout": "nhwc", "colour": "grey" }))
        .call(pictures(&none))
        .unwrap();
    assert_eq!(answer.get("pixels").unwrap().shape(), [0, 0, 0, 1]);
}
