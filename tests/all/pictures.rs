//! The component `image` through the server: pictures as raw bodies and as tensor elements, and the
//! errors for files that are damaged, too large or not pictures. Unit tests beside its code check
//! its numbers.

use std::fs;

use serde_json::{Value, json};

use crate::harness::http::{Request, Response};
use crate::harness::manifest::pipeline;
use crate::harness::root;
use crate::harness::server::{Server, Setup};

const INFER: &str = "/v2/models/pictures/infer";

/// Decoded pixels: UINT8 `[-1,3,h,w]`.
fn served() -> Server {
    let settings = json!({ "datatype": "uint8" });
    let stage = json!({ "name": "image", "role": "preprocess", "component": "image", "settings": settings });
    Setup::of([pipeline("pictures", [stage])]).start()
}

fn reference(name: &str) -> Vec<u8> {
    fs::read(root().join("plugins/image/reference").join(name)).unwrap()
}

fn sample(name: &str) -> Vec<u8> {
    reference(&format!("samples/{name}"))
}

fn raw(server: &Server, content_type: &str, file: &[u8]) -> Response {
    server.ask(&Request::post(INFER, file).header("content-type", content_type))
}

/// The files as elements of one binary tensor.
fn tensor(server: &Server, files: &[&[u8]]) -> Response {
    let length = |file: &[u8]| u32::try_from(file.len()).unwrap().to_le_bytes();
    let data: Vec<u8> = files
        .iter()
        .flat_map(|file| [&length(file), *file].concat())
        .collect();
    let parameters = json!({ "binary_data_size": data.len() });
    let input = json!({ "name": "image", "datatype": "BYTES", "shape": [files.len()], "parameters": parameters });
    server.infer_binary("pictures", &json!({ "inputs": [input] }), &[&data])
}

/// Shape and levels of an answer.
#[track_caller]
fn pixels(response: Response) -> (Value, Vec<u8>) {
    let answer = response.ok().json();
    let output = &answer["outputs"][0];
    assert_eq!(
        (output["name"].as_str(), output["datatype"].as_str()),
        (Some("pixels"), Some("UINT8"))
    );
    (
        output["shape"].clone(),
        serde_json::from_value(output["data"].clone()).unwrap(),
    )
}

/// Pillow's result for a sample.
fn expected(name: &str) -> Vec<u8> {
    let cases: Vec<Value> = serde_json::from_slice(&reference("expected.json")).unwrap();
    let is_it =
        |case: &&Value| case["file"] == name && case["settings"] == json!({ "datatype": "uint8" });
    let levels = cases.iter().find(is_it).unwrap()["levels"]
        .as_str()
        .unwrap();
    let digits = levels.as_bytes().as_chunks::<2>().0;
    digits
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A sample whose header, with a valid checksum, has another width and height.
fn says_size(width: u32, height: u32) -> Vec<u8> {
    let mut file = sample("colour.png");
    file[16..24].copy_from_slice(&[width.to_be_bytes(), height.to_be_bytes()].concat());
    let mut sum = flate2::Crc::new();
    sum.update(&file[12..29]);
    file[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    file
}

#[test]
fn a_picture_is_the_same_as_a_body_and_as_an_element() {
    let server = served();
    let about = server.get("/v2/models/pictures").ok().json();
    assert_eq!(
        about["inputs"],
        json!([{ "name": "image", "datatype": "BYTES", "shape": [-1] }])
    );
    for (name, content_type, tolerance) in [
        ("colour.png", "image/png", 0),
        ("full.jpg", "image/jpeg", 3),
    ] {
        let file = sample(name);
        let (shape, levels) = pixels(raw(&server, content_type, &file));
        assert_eq!(shape, json!([1, 3, 24, 20]), "{name}");
        let pillow = expected(name);
        assert_eq!(levels.len(), pillow.len(), "{name}");
        let furthest = levels
            .iter()
            .zip(&pillow)
            .map(|(level, pillow)| level.abs_diff(*pillow))
            .max();
        assert!(furthest <= Some(tolerance), "{name}: {furthest:?}");
        assert_eq!(
            pixels(raw(&server, "application/octet-stream", &file)).1,
            levels,
            "the first bytes say what it is"
        );
        let (shape, both) = pixels(tensor(&server, &[&file, &file]));
        assert_eq!(
            (shape, both),
            (json!([2, 3, 24, 20]), levels.repeat(2)),
            "{name}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_is_the_clients_error_and_the_server_goes_on() {
    let server = served();
    let (png, jpeg) = (sample("colour.png"), sample("full.jpg"));
    let right = pixels(raw(&server, "image/png", &png));
    let pixels_left_out =
        "a JPEG file without its end: 924 bytes came, and no end marker; send all of it";
    let large = "60000 × 60000 pixels; 12582912 in all are allowed (`max_pixels`)";
    let other = "no JPEG, PNG, WebP or BMP file: it begins with \"%PDF-1.7\"";
    let table: [(&str, Vec<u8>, &str); 4] = [
        ("image/jpeg", jpeg[..924].to_vec(), pixels_left_out),
        ("image/png", says_size(60_000, 60_000), large),
        ("image/png", b"%PDF-1.7\n".to_vec(), other),
        ("application/octet-stream", b"%PDF-1.7\n".to_vec(), other),
    ];
    for (content_type, file, text) in table {
        let refused = raw(&server, content_type, &file);
        assert_eq!(
            (refused.status, refused.error()),
            (400, format!("the body is {text}"))
        );
        // After a valid file: the message names the wrong element.
        let refused = tensor(&server, &[&png, &file]);
        assert_eq!(
            (refused.status, refused.error()),
            (400, format!("input `image`: element 1 is {text}"))
        );
        assert_eq!(pixels(raw(&server, "image/png", &png)), right);
    }
    let refused = raw(&server, "image/jpeg", &jpeg[..300]);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(
        refused
            .error()
            .starts_with("the body is a damaged JPEG file, or ends too early: "),
        "{}",
        refused.error()
    );
    let refused = tensor(&server, &[&png, &sample("turned-6.jpg")]);
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(
        refused.error().starts_with("input `image`: element 1 "),
        "{}",
        refused.error()
    );
    // No trap and no restart: the instance of the warm-up answered everything.
    let labels = r#"{pipeline="pictures",version="1",stage="image"}"#;
    assert_eq!(
        server
            .metrics()
            .value(&format!("hotstage_stage_instances_created_total{labels}")),
        1.0
    );
}
