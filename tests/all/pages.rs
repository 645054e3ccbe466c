//! Reading text as in `examples/ocr`: its manifest unchanged, with small networks that are written
//! here. They read coloured blocks, so the page is drawn here as well, and nothing must be fetched.
//!
//! `examples/ocr/compare.py` checks that the real networks read real pages as the package does.

use std::fs;

use serde_json::{Value, json};

use crate::harness::http::{Request, Response};
use crate::harness::onnx::{Model, Type};
use crate::harness::root;
use crate::harness::server::{Server, Setup};
use crate::harness::state::Folder;

/// A line is a bar with this many pixels; its upper rows are symbols and its lower rows are grey.
const BAR: [usize; 2] = [300, 40];
const SYMBOL_ROWS: usize = 30;
/// The bar's width: a block for each symbol, and a black end.
const BLOCK: usize = 24;
const GAP: usize = 12;
/// The boxes grow by area × 1.6 ÷ circumference.
const GROWN: f64 = 300.0 * 40.0 * 1.6 / 680.0;

const WHITE: [u8; 3] = [255; 3];
const GREY: [u8; 3] = [128; 3];
const BLACK: [u8; 3] = [0; 3];

/// `a` is red, `b` green, `c` blue.
fn colour(symbol: char) -> [u8; 3] {
    let mut colour = BLACK;
    colour["abc".find(symbol).unwrap()] = 255;
    colour
}

/// Red, green and blue of each pixel, row by row.
struct Picture {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn white(width: usize, height: usize) -> Self {
        Self {
            width,
            pixels: vec![WHITE; width * height],
        }
    }

    fn line(text: &str) -> Self {
        let mut bar = Self {
            width: BAR[0],
            pixels: vec![BLACK; BAR[0] * BAR[1]],
        };
        bar.pixels[BAR[0] * SYMBOL_ROWS..].fill(GREY);
        for (place, symbol) in text.chars().enumerate() {
            let from = GAP + place * (BLOCK + GAP);
            bar.pixels
                .chunks_mut(BAR[0])
                .take(SYMBOL_ROWS)
                .for_each(|row| row[from..][..BLOCK].fill(colour(symbol)));
        }
        bar
    }

    fn upside_down(mut self) -> Self {
        self.pixels.reverse();
        self
    }

    fn put(&mut self, other: &Self, x: usize, y: usize) {
        let rows = self.pixels.chunks_mut(self.width).skip(y);
        for (row, from) in rows.zip(other.pixels.chunks(other.width)) {
            row[x..][..other.width].copy_from_slice(from);
        }
    }

    /// As a BMP file with 24 bits per pixel: the last row first, blue first. All widths are
    /// multiples of four here, so rows need no padding.
    fn bmp(&self) -> Vec<u8> {
        const HEADERS: usize = 54;
        let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        let height = self.pixels.len() / self.width;
        let mut file = b"BM".to_vec();
        file.extend(
            [
                number(HEADERS + 3 * self.pixels.len()),
                number(0),
                number(HEADERS),
                number(40),
            ]
            .concat(),
        );
        file.extend([number(self.width), number(height), [1, 0, 24, 0]].concat());
        file.extend([0; 24]);
        for row in self.pixels.chunks(self.width).rev() {
            file.extend(row.iter().flat_map(|[red, green, blue]| [blue, green, red]));
        }
        file
    }
}

/// Everything except white is likely to be text.
fn detector() -> Vec<u8> {
    Model::default()
        .input("x", Type::Float, &[None, Some(3), None, None])
        .weights("dark", &[1, 3, 1, 1], &[-4.0; 3])
        .weights("from", &[1], &[4.0])
        .node("Conv", &["x", "dark", "from"], &["likely"])
        .node("Sigmoid", &["likely"], &["sigmoid_0.tmp_0"])
        .output("sigmoid_0.tmp_0", Type::Float, &[None, Some(1), None, None])
        .bytes()
}

/// A bar that is brighter above than below is upside down.
fn direction() -> Vec<u8> {
    const HALF: usize = 24 * 192;
    let half = |weight: f32| std::iter::repeat_n(weight, HALF);
    let brighter = || (0..3).flat_map(|_| half(0.01).chain(half(-0.01)));
    let weights: Vec<f32> = brighter().map(|weight| -weight).chain(brighter()).collect();
    Model::default()
        .input("x", Type::Float, &[None, Some(3), Some(48), Some(192)])
        .weights("above", &[2, 3, 48, 192], &weights)
        .integers("rows", &[-1, 2])
        .node("Conv", &["x", "above"], &["scores"])
        .node("Reshape", &["scores", "rows"], &["two"])
        .node("Softmax", &["two"], &["y"])
        .output("y", Type::Float, &[None, Some(2)])
        .bytes()
}

/// For each column: blank, red, green, blue, or the symbol that the manifest appends, which no
/// column has.
fn reader() -> Vec<u8> {
    const SURE: f32 = 60.0;
    const ROWS: usize = 48;
    // The networks' channel order: blue first.
    let weights: Vec<f32> = [None, Some(2), Some(1), Some(0), None]
        .into_iter()
        .flat_map(|own| {
            (0..3).flat_map(move |channel| {
                let weight = own.map_or(0.0, |own| if own == channel { SURE } else { -SURE });
                [weight / 48.0; ROWS]
            })
        })
        .collect();
    Model::default()
        .input("x", Type::Float, &[None, Some(3), Some(48), None])
        .weights("colours", &[5, 3, 48, 1], &weights)
        .weights("at_least", &[5], &[SURE * 0.18, 0.0, 0.0, 0.0, -SURE])
        .integers("columns", &[0, -1, 5])
        .node("Conv", &["x", "colours", "at_least"], &["scores"])
        .node_of(
            "Transpose",
            &["scores"],
            &["turned"],
            &[("perm", &[0, 3, 1, 2])],
        )
        .node("Reshape", &["turned", "columns"], &["flat"])
        .node("Softmax", &["flat"], &["y"])
        .output("y", Type::Float, &[None, None, Some(5)])
        .bytes()
}

fn served() -> (Server, Folder) {
    let folder = Folder::new();
    fs::create_dir(folder.path().join("fetched")).unwrap();
    folder.write("fetched/detector.onnx", detector());
    folder.write("fetched/direction.onnx", direction());
    folder.write("fetched/reader.onnx", reader());
    folder.write("fetched/alphabet.txt", "a\nb\nc\n");
    let manifest = folder.write(
        "ocr.yaml",
        fs::read(root().join("examples/ocr/ocr.yaml")).unwrap(),
    );
    (Setup::files([manifest]).start(), folder)
}

fn read(server: &Server, page: &Picture) -> Response {
    server
        .ask(&Request::post("/v2/models/ocr/infer", page.bmp()).header("content-type", "image/bmp"))
}

/// Name, datatype, shape and data of each output, in order.
fn outputs(answer: &Response) -> Vec<Value> {
    answer.json()["outputs"].as_array().unwrap().clone()
}

#[test]
fn lines_are_found_turned_and_read() {
    let (server, _folder) = served();
    let mut page = Picture::white(480, 400);
    let lines = [
        ("abca", [80, 60]),
        ("cabbac", [100, 180]),
        ("bb", [60, 300]),
    ];
    for (text, [x, y]) in lines {
        let line = Picture::line(text);
        // The second bar is upside down.
        page.put(&if y == 180 { line.upside_down() } else { line }, x, y);
    }
    let answer = read(&server, &page).ok();
    let [text, score, corners] = outputs(&answer).try_into().unwrap();
    assert_eq!(
        (&text["name"], &text["datatype"]),
        (&json!("text"), &json!("BYTES"))
    );
    assert_eq!(text["data"], json!(lines.map(|(text, _)| text)));
    let scores: Vec<f64> = serde_json::from_value(score["data"].clone()).unwrap();
    assert!(scores.iter().all(|score| *score > 0.9), "{scores:?}");
    assert_eq!(corners["shape"], json!([3, 4, 2]));
    let corners: Vec<f64> = serde_json::from_value(corners["data"].clone()).unwrap();
    for (corners, (text, place)) in corners.chunks(8).zip(lines) {
        let sides = [0, 1].map(|axis| {
            [
                place[axis] as f64 - GROWN,
                (place[axis] + BAR[axis]) as f64 + GROWN,
            ]
        });
        let [[left, right], [above, below]] = sides;
        let expected = [left, above, right, above, right, below, left, below];
        let apart = corners
            .iter()
            .zip(expected)
            .map(|(corner, expected)| (corner - expected).abs());
        assert!(
            apart.fold(0.0, f64::max) <= 3.0,
            "{text}: {corners:?}, expected about {expected:?}"
        );
    }
}

#[test]
fn a_page_without_text_has_no_lines_and_one_that_is_too_long_is_refused() {
    let (server, _folder) = served();
    let answer = read(&server, &Picture::white(80, 60)).ok();
    let shapes: Vec<Value> = outputs(&answer)
        .iter()
        .map(|output| output["shape"].clone())
        .collect();
    assert_eq!(shapes, [json!([0]), json!([0]), json!([0, 4, 2])]);
    let long = read(&server, &Picture::white(40, 2000));
    assert_eq!(long.status, 400);
    assert!(
        long.error()
            .starts_with("a page of 40 × 2000 pixels would be 736 × 36800"),
        "{}",
        long.error()
    );
}
