//! Random scores and files: an answer has no NaN, an error has the right kind, and nothing panics.

use hotstage_sdk::{Failure, Files, Tensor, testing};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Labels;

/// Settings of every kind; most of them are valid.
fn any_settings() -> impl Strategy<Value = Value> {
    let labels = prop::sample::select(vec![json!(["a", "b"]), json!(["a", "b", "c"])]);
    let activation = prop::sample::select(vec!["none", "softmax", "sigmoid"]);
    (labels, activation, any::<bool>(), any::<bool>(), 1..4_usize).prop_map(
        |(labels, activation, multi_label, is_open, top_k)| {
            let mut settings =
                json!({ "labels": labels, "activation": activation, "multi_label": multi_label });
            if is_open {
                settings["below"] = "other".into();
                settings["threshold"] = 0.6.into();
            }
            if top_k > 1 {
                settings["top_k"] = top_k.into();
            }
            settings
        },
    )
}

proptest! {
    #[test]
    fn no_scores_break_it(settings in any_settings(), columns in 1..4_usize, bits: Vec<u32>) {
        let opened = testing::open_postprocessor::<Labels>(settings, Files::none());
        let Ok(mut bench) = opened else {
            return Ok(());
        };
        let rows = bits.len() / columns;
        let bits = bits[..rows * columns].iter();
        let scores: Vec<f32> = bits.map(|bits| f32::from_bits(*bits)).collect();
        match bench.call([("scores", Tensor::f32(&[rows, columns], scores).unwrap())]) {
            Ok(answer) => {
                let scores = answer.get("score").unwrap();
                let scores = scores.slice::<f32>().unwrap().to_vec();
                prop_assert!(scores.iter().all(|score| !score.is_nan()), "{scores:?}");
            }
            Err(Failure::Internal(_) | Failure::InvalidInput(_)) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn no_file_breaks_it(file: Vec<u8>) {
        let files = Files::from_map([("names", file)]);
        drop(testing::open_postprocessor::<Labels>(json!({ "labels_file": "names" }), files));
    }
}
