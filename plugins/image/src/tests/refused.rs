//! The errors for clients and operators.

use hotstage_sdk::{Failure, Files, testing};
use serde_json::{Value, json};

use super::{open, pictures, sample};
use crate::Image;

#[track_caller]
fn check(settings: Value, files: &[Vec<u8>], text: &str) {
    let failure = open(settings).call(pictures(files)).unwrap_err();
    assert_eq!(failure, Failure::InvalidInput(text.to_owned()));
}

#[track_caller]
fn check_start(files: &[Vec<u8>], start: &str) {
    match open(json!({})).call(pictures(files)).unwrap_err() {
        Failure::InvalidInput(text) => assert!(text.starts_with(start), "{text}"),
        other => panic!("{other:?}"),
    }
}

/// A sample whose header has another size.
fn resized(name: &str, place: usize, sizes: &[u8]) -> Vec<u8> {
    let mut file = sample(name);
    file[place..place + sizes.len()].copy_from_slice(sizes);
    file
}

/// The checksum of a PNG's header.
fn with_checksum(mut file: Vec<u8>) -> Vec<u8> {
    let mut sum = u32::MAX;
    for byte in &file[12..29] {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            };
        }
    }
    file[29..33].copy_from_slice(&(!sum).to_be_bytes());
    file
}

#[test]
fn pictures_that_are_too_large_are_refused_by_their_header() {
    let large = 60_000_u32.to_be_bytes();
    let bomb = with_checksum(resized("colour.png", 16, &[large, large].concat()));
    let text = "input `image`: element 1 is 60000 × 60000 pixels; 12582912 in all are allowed (`max_pixels`)";
    check(json!({}), &[sample("colour.png"), bomb], text);
    let wide = with_checksum(resized("colour.png", 16, &70_000_u32.to_be_bytes()));
    check_start(
        &[wide],
        "input `image`: element 0 is 70000 × 24 pixels; a side of 65535 is allowed",
    );
    let jpeg = sample("full.jpg");
    let frame = jpeg
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    let bomb = resized("full.jpg", frame + 5, &[0xff; 4]);
    check_start(
        &[bomb],
        "input `image`: element 0 is 65535 × 65535 pixels; 12582912 in all",
    );
    let bmp = resized(
        "colour.bmp",
        18,
        &[60_000_u32.to_le_bytes(), 60_000_u32.to_le_bytes()].concat(),
    );
    check_start(
        &[bmp],
        "input `image`: element 0 is 60000 × 60000 pixels; 12582912 in all",
    );
    let text = "the body is 20 × 24 pixels; 479 in all are allowed (`max_pixels`)";
    let failure = open(json!({ "max_pixels": 479 }))
        .call_raw("image/webp", &sample("lossy.webp"))
        .unwrap_err();
    assert_eq!(failure, Failure::InvalidInput(text.to_owned()));
}

#[test]
fn other_files_are_refused_with_their_first_bytes() {
    check(
        json!({}),
        &[vec![]],
        "input `image`: element 0 is empty; send a JPEG, PNG, WebP or BMP file",
    );
    let text = "input `image`: element 0 is no JPEG, PNG, WebP or BMP file: it begins with \"GIF89a\\x01\\x00\"";
    check(json!({}), &[b"GIF89a\x01\0\x01\0".to_vec()], text);
}

#[test]
fn a_bmp_that_would_be_misread_is_refused() {
    let text = "input `image`: element 0 is a BMP file of 1 bits a pixel; 8, 24 and 32 can be read, so save it as PNG";
    check(json!({}), &[resized("grey.bmp", 28, &[1])], text);
    let text =
        "input `image`: element 0 is a compressed BMP file; save it without compression, or as PNG";
    check(json!({}), &[resized("grey.bmp", 30, &[1])], text);
}

#[test]
fn truncated_files_are_refused() {
    let cut = |name: &str| {
        let mut file = sample(name);
        file.truncate(file.len() * 3 / 4);
        vec![file]
    };
    check_start(
        &cut("full.jpg"),
        "input `image`: element 0 is a JPEG file without its end: 924 bytes came",
    );
    // Within its tables, before any pixel.
    let text = "input `image`: element 0 is a damaged JPEG file, or ends too early: I/O errors Not enough bytes, \
                expected 16 but found 10";
    check(json!({}), &[sample("baseline.jpg")[..441].to_vec()], text);
    check_start(
        &cut("noise.png"),
        "input `image`: element 0 is a damaged PNG file, or ends too early",
    );
    check_start(
        &cut("lossy.webp"),
        "input `image`: element 0 is a damaged WebP file, or ends too early",
    );
    check_start(
        &cut("colour.bmp"),
        "input `image`: element 0 is a BMP file of 1494 bytes, of which 1120 came",
    );
}

#[test]
fn results_that_are_too_small_too_long_or_too_different_are_refused() {
    let text = "input `image`: element 0 is 20 × 24 pixels when it is cropped; 30 × 10 are cut out of it, so send a \
                larger one";
    check(json!({ "crop": [10, 30] }), &[sample("colour.png")], text);
    let text = "input `image`: element 0 would be resized to what is 60000 × 72000 pixels; a side of 65535 is allowed; \
                it is too elongated";
    check(
        json!({ "resize": { "shortest": 60_000 } }),
        &[sample("colour.png")],
        text,
    );
    let text = "input `image`: element 1 becomes 24 × 20 pixels, and element 0 became 20 × 24; the pictures of a \
                request must end with one size, so set `resize.size` or `crop`, or send them one by one";
    check(
        json!({}),
        &[sample("colour.png"), sample("turned-6.jpg")],
        text,
    );
    let text = "input `image`: has 3 pictures; 2 are allowed (`max_images`)";
    check(
        json!({ "max_images": 2 }),
        &vec![sample("colour.png"); 3],
        text,
    );
    let text = "input `image`: element 0 becomes 20 × 24 pixels, so that the 2 of the request take 11520 bytes; 11519 \
                are allowed (`max_output_bytes`)";
    check(
        json!({ "max_output_bytes": 11_519 }),
        &vec![sample("colour.png"); 2],
        text,
    );
}

#[track_caller]
fn check_settings(settings: Value, start: &str) {
    let refusal = testing::open_preprocessor::<Image>(settings, Files::none())
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(refusal.starts_with(start), "{refusal}");
}

#[test]
fn invalid_resize_settings_are_refused() {
    let check = |resize: Value, start: &str| check_settings(json!({ "resize": resize }), start);
    check(
        json!({}),
        "settings.resize: needs exactly one of `size`, `shortest` and `longest`",
    );
    check(
        json!({ "size": [1, 1], "longest": 1 }),
        "settings.resize: needs exactly one of",
    );
    check(
        json!({ "size": [1, 0] }),
        "settings.resize.size[1]: is 0; 1 to 65535 are allowed",
    );
    check(
        json!({ "size": [60_000, 60_000] }),
        "settings.resize.size: is 60000 × 60000; settings.max_pixels",
    );
    check(
        json!({ "shortest": 0 }),
        "settings.resize.shortest: is 0; 1 to 65535",
    );
    check(
        json!({ "shortest": 9, "fit": "cover" }),
        "settings.resize.fit: has an effect with `size` only",
    );
    check(
        json!({ "size": [9, 9], "multiple_of": 2 }),
        "settings.resize.multiple_of: has an effect with `shor",
    );
    check(
        json!({ "size": [9, 9], "pad": [1, 2, 3] }),
        "settings.resize.pad: has an effect with `fit: contain`",
    );
    let hamming = json!({ "size": [9, 9], "filter": "hamming", "convention": "opencv" });
    check(hamming, "settings.resize.filter: OpenCV has no `hamming`");
    check(
        json!({ "size": [9, 9], "filter": "cubic" }),
        "settings.resize.filter: unknown variant `cubic`",
    );
}

#[test]
fn invalid_settings_are_refused() {
    check_settings(
        json!({ "crop": [9, 9], "resize": { "size": [8, 9] } }),
        "settings.crop: is 9 × 9, and settings.resize.size",
    );
    check_settings(
        json!({ "mean": [1.0] }),
        "settings.mean: has 1 elements; it needs one for each of 3 channels",
    );
    check_settings(
        json!({ "colour": "grey", "std": [0.0] }),
        "settings.std[0]: is not more than 0",
    );
    check_settings(
        json!({ "scale": 0.0 }),
        "settings.scale: is 0; a finite number other than 0",
    );
    check_settings(
        json!({ "datatype": "uint8", "scale": 1.0 }),
        "settings.scale: has no effect on UINT8",
    );
    check_settings(
        json!({ "max_pixels": 0 }),
        "settings.max_pixels: is 0; it must be at least 1",
    );
    check_settings(
        json!({ "background": [0, 0, 256] }),
        "settings.background[2]: expected u8, found integer `256`",
    );
    check_settings(
        json!({ "color": "rgb" }),
        "settings.color: unknown field `color`",
    );
}
