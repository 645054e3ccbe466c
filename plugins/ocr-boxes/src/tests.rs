//! Comparison with the Python package, and each error.

use hotstage_sdk::{Failure, Files, Tensor, testing};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Boxes;

const MAP: [usize; 4] = [1, 1, 96, 128];
const PAGE: [usize; 4] = [1, 72, 100, 3];

/// The output of `reference/make.py`.
#[derive(Deserialize)]
struct Case {
    map: Vec<u32>,
    boxes: Vec<[f32; 8]>,
    sizes: Vec<[i64; 2]>,
    #[serde(default)]
    page: Vec<u8>,
    #[serde(default)]
    crops: Vec<u8>,
}

fn open(settings: Value) -> testing::Bench<Boxes> {
    testing::open_model(settings, Files::none()).unwrap()
}

fn unpacked(runs: &[u32]) -> Vec<f32> {
    let runs = runs
        .chunks_exact(2)
        .map(|run| (run[0], usize::try_from(run[1]).unwrap()));
    let level = |level: u32| f32::from(u8::try_from(level).unwrap()) / 255.0;
    runs.flat_map(|(run, times)| std::iter::repeat_n(level(run), times))
        .collect()
}

#[test]
fn boxes_and_crops_agree_with_the_package() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../reference/boxes.json")).unwrap();
    let mut bench = open(json!({}));
    for (
        index,
        Case {
            map,
            boxes,
            sizes,
            page,
            crops,
        },
    ) in cases.into_iter().enumerate()
    {
        let levels = if page.is_empty() {
            vec![0; PAGE.iter().product()]
        } else {
            page
        };
        let map = Tensor::f32(&MAP, unpacked(&map)).unwrap();
        let answer = bench
            .call([("map", map), ("page", Tensor::u8(&PAGE, levels).unwrap())])
            .unwrap();
        let given = answer.get("corners").unwrap().slice::<f32>().unwrap();
        assert_eq!(given, boxes.as_flattened(), "case {index}");
        assert_eq!(
            answer.get("crop_sizes").unwrap().slice::<i64>().unwrap(),
            sizes.as_flattened(),
            "case {index}"
        );
        let given = answer.get("crops").unwrap().slice::<u8>().unwrap();
        if !crops.is_empty() {
            assert_eq!(given.len(), crops.len());
            let apart = given
                .iter()
                .zip(&crops)
                .map(|(given, expected)| given.abs_diff(*expected));
            assert!(
                apart.clone().max() <= Some(1),
                "{:?} levels apart",
                apart.max()
            );
        }
    }
}

#[test]
fn a_page_without_text_has_no_lines() {
    let map = Tensor::f32(&MAP, vec![0.1; 96 * 128]).unwrap();
    let page = Tensor::u8(&PAGE, vec![0; 72 * 100 * 3]).unwrap();
    let answer = open(json!({}))
        .call([("map", map), ("page", page)])
        .unwrap();
    assert_eq!(answer.get("corners").unwrap().shape(), [0, 4, 2]);
    assert_eq!(answer.get("crops").unwrap().shape(), [0]);
    assert_eq!(answer.get("crop_sizes").unwrap().shape(), [0, 2]);
}

#[test]
fn any_map_gets_an_answer() {
    let page = || Tensor::u8(&PAGE, vec![0; 72 * 100 * 3]).unwrap();
    for level in [f32::NAN, f32::INFINITY, 1.0, -1.0] {
        let map = Tensor::f32(&MAP, vec![level; 96 * 128]).unwrap();
        open(json!({}))
            .call([("map", map), ("page", page())])
            .unwrap();
    }
    let mut noise = 1_u32;
    let mut next = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u8::try_from(noise >> 24).unwrap()) / 255.0
    };
    let map = Tensor::f32(&MAP, (0..96 * 128).map(|_| next()).collect::<Vec<f32>>()).unwrap();
    open(json!({ "threshold": 0.8, "box_threshold": 0.0 }))
        .call([("map", map), ("page", page())])
        .unwrap();
    let map = Tensor::f32(&[1, 1, 0, 0], []).unwrap();
    open(json!({}))
        .call([("map", map), ("page", page())])
        .unwrap();
}

#[test]
fn results_over_a_bound_are_refused() {
    let map = Tensor::f32(&MAP, vec![0.9; 96 * 128]).unwrap();
    let page = Tensor::u8(&PAGE, vec![0; 72 * 100 * 3]).unwrap();
    let refused = open(json!({ "max_crop_pixels": 100 }))
        .call([("map", map), ("page", page)])
        .unwrap_err();
    let text = "the page's 1 lines have 7029 pixels; 100 are allowed (`max_crop_pixels`): cut the page into parts, or \
        make it smaller";
    assert_eq!(refused, Failure::invalid_input(text));
    let two = Tensor::f32(&[2, 1, 2, 2], vec![0.9; 8]).unwrap();
    let page = Tensor::u8(&PAGE, vec![0; 72 * 100 * 3]).unwrap();
    assert!(matches!(
        open(json!({})).call([("map", two), ("page", page)]),
        Err(Failure::Internal(_))
    ));
}

#[test]
fn invalid_settings_are_refused() {
    let check = |settings: Value, text: &str| {
        let refusal = testing::open_model::<Boxes>(settings, Files::none())
            .unwrap_err()
            .to_string();
        assert_eq!(refusal, text);
    };
    check(
        json!({ "threshold": 2.0 }),
        "settings.threshold: is 2; 0 to 1 is needed",
    );
    check(
        json!({ "grow": -1.0 }),
        "settings.grow: is -1; 0 to 100 is needed",
    );
    check(
        json!({ "max_boxes": 0 }),
        "settings.max_boxes: is 0; 1 to 100000 is needed",
    );
}
