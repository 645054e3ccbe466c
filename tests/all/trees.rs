//! The example's tree version, exported from scikit-learn: every held-out row gets scikit-learn's
//! score, on tract here, on ONNX Runtime in `clients`.

use std::fs;

use serde_json::json;

use crate::harness::admin::Admin;
use crate::harness::server::Setup;
use crate::harness::state::Folder;
use crate::harness::{root, tumor};

/// Serves that version on an engine, golden tests included, and requests all held-out rows.
#[track_caller]
pub(crate) fn check(engine: &str, arguments: &str) {
    let folder = Folder::new();
    let example = root().join("examples/tumor").to_str().unwrap().to_owned();
    let manifest =
        fs::read_to_string(root().join("examples/tumor/trees/tumor-trees.yaml")).unwrap();
    assert!(manifest.contains("engine: auto"));
    let manifest = manifest
        .replace("engine: auto", &format!("engine: {engine}"))
        .replace(": ./", &format!(": {example}/trees/"))
        .replace(": ../", &format!(": {example}/"));
    let server = Setup::files([folder.write("trees.yaml", manifest)])
        .args(arguments)
        .start();
    let described = Admin::of(&server).get("/v1/models/tumor/versions/3");
    assert!(
        described["stages"][0]["engines"][0]
            .as_str()
            .unwrap()
            .starts_with(engine),
        "{described}"
    );
    let about = server.get("/v2/models/tumor").ok().json();
    assert_eq!(
        about["inputs"],
        json!([{ "name": "features", "datatype": "FP32", "shape": [-1, 30] }])
    );

    let answer = server.infer("tumor", &tumor::held_out()).ok().json();
    let output = |index: usize| answer["outputs"][index]["data"].as_array().unwrap();
    let expected = tumor::scores("trees/scores.csv");
    assert_eq!(
        (output(0).len(), output(1).len(), expected.len()),
        (143, 143, 143)
    );
    for (row, ((label, score), expected)) in
        output(0).iter().zip(output(1)).zip(expected).enumerate()
    {
        let score = score.as_f64().unwrap();
        assert!(
            (score - expected).abs() <= 1e-5,
            "row {row}: {score}, expected {expected}"
        );
        assert_eq!(
            label,
            if expected >= 0.5 {
                "malignant"
            } else {
                "benign"
            },
            "row {row}"
        );
    }
    let right = output(0)
        .iter()
        .zip(tumor::diagnoses())
        .filter(|(label, truth)| *label == truth)
        .count();
    assert!(right >= 138, "{right} of 143 right");
}

#[test]
fn tract_answers_as_scikit_learn_does() {
    check("tract", "");
}
