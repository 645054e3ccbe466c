//! The outputs, and each error.

use hotstage_sdk::{Failure, Files, Tensor, testing};
use serde_json::{Value, json};

use super::Page;

fn open(settings: Value) -> testing::Bench<Page> {
    testing::open_preprocessor(settings, Files::none()).unwrap()
}

fn grey(height: usize, width: usize) -> Tensor {
    Tensor::u8(&[1, height, width, 3], vec![51; height * width * 3]).unwrap()
}

#[test]
fn a_page_that_fits_stays_and_the_network_gets_a_larger_one() {
    let mut bench = open(json!({ "network_shortest": 128 }));
    let answer = bench.call([("pixels", grey(100, 120))]).unwrap();
    assert_eq!(answer.get("page").unwrap().shape(), [1, 100, 120, 3]);
    assert_eq!(
        answer.get("frame").unwrap().slice::<i64>().unwrap(),
        [100, 120, 100, 120, 0]
    );
    let network = answer.get("network").unwrap();
    assert_eq!(network.shape(), [1, 3, 128, 160]);
    assert!(
        network
            .slice::<f32>()
            .unwrap()
            .iter()
            .all(|level| (level + 0.6).abs() < 1e-6)
    );
}

#[test]
fn a_flat_page_gets_black_above_and_below() {
    let mut bench = open(json!({ "network_shortest": 64 }));
    let answer = bench.call([("pixels", grey(20, 40))]).unwrap();
    // 20 rows become 30, and those the nearest multiple of 32.
    assert_eq!(
        answer.get("frame").unwrap().slice::<i64>().unwrap(),
        [20, 40, 32, 64, 0]
    );
    let answer = bench.call([("pixels", grey(40, 400))]).unwrap();
    assert_eq!(
        answer.get("frame").unwrap().slice::<i64>().unwrap(),
        [40, 400, 40, 400, 30]
    );
    let page = answer.get("page").unwrap();
    assert_eq!(page.shape(), [1, 100, 400, 3]);
    let levels = page.slice::<u8>().unwrap();
    let row = |row: usize| levels[row * 1200];
    assert_eq!(
        [row(0), row(29), row(30), row(69), row(70), row(99)],
        [0, 0, 51, 51, 0, 0]
    );
}

#[test]
fn several_pages_and_pages_that_are_too_long_are_refused() {
    let mut bench = open(json!({ "max_network_pixels": 1_000_000 }));
    let two = Tensor::u8(&[2, 40, 40, 3], vec![0; 2 * 40 * 40 * 3]).unwrap();
    let refused = bench.call([("pixels", two)]).unwrap_err();
    assert_eq!(
        refused,
        Failure::invalid_input("2 pages in a request; send each by itself")
    );
    let Failure::InvalidInput(text) = bench.call([("pixels", grey(400, 40))]).unwrap_err() else {
        panic!()
    };
    assert!(
        text.contains("736 × 7360 for the network; 1000000 pixels are allowed"),
        "{text}"
    );
    bench.call([("pixels", grey(0, 40))]).unwrap_err();
}

#[test]
fn invalid_settings_are_refused() {
    let check = |settings: Value, text: &str| {
        let refusal = testing::open_preprocessor::<Page>(settings, Files::none())
            .unwrap_err()
            .to_string();
        assert_eq!(refusal, text);
    };
    check(
        json!({ "multiple_of": 0 }),
        "settings.multiple_of: is 0; 1 to 67108864 is needed",
    );
    check(
        json!({ "shortest_min": 3000 }),
        "settings.shortest_min: is more than `longest_max`",
    );
    check(
        json!({ "aspect_max": 0.5 }),
        "settings.aspect_max: is 0.5; 1 or more is needed",
    );
    check(
        json!({ "std": [1.0, 0.0, 1.0] }),
        "settings.std[1]: is 0; a number other than 0 is needed",
    );
}
