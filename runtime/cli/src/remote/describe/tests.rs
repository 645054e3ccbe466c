//! Tests of the text that `describe` prints.

use super::*;
use hotstage_client::{LabelInfo, MemberInfo};

#[test]
fn a_word_is_a_version_or_a_label() {
    let about = |version: &str| VersionInfo {
        version: version.to_owned(),
        ..VersionInfo::default()
    };
    let model = ModelInfo {
        name: "tumor".to_owned(),
        answers: Some("2".to_owned()),
        versions: vec![about("1"), about("2")],
        labels: vec![LabelInfo {
            label: "stable".to_owned(),
            version: "1".to_owned(),
        }],
        ..ModelInfo::default()
    };
    for (word, expect) in [(None, "2"), (Some("1"), "1"), (Some("stable"), "1")] {
        assert_eq!(version(&model, word), Ok(expect));
    }
    let error = version(&model, Some("3")).unwrap_err();
    assert_eq!(
        error,
        "tumor has no version or label `3`; it has: 1, 2, stable"
    );
}

#[test]
fn a_version_out_of_service_cannot_be_named() {
    let about = |version: &str, condition| VersionInfo {
        version: version.to_owned(),
        condition,
        ..VersionInfo::default()
    };
    let versions = vec![
        about("1", Condition::Ready),
        about("2", Condition::Kept),
        about("3", Condition::Draining),
    ];
    let model = ModelInfo {
        name: "tumor".to_owned(),
        versions,
        ..ModelInfo::default()
    };
    assert_eq!(version(&model, None), Ok("1"));
    assert_eq!(
        version(&model, Some("2")).unwrap_err(),
        "tumor has no version or label `2`; it has: 1"
    );
}

#[test]
fn a_graph_lists_each_members_role() {
    let member = |version: &str| MemberInfo {
        pipeline: "tumor".to_owned(),
        version: version.to_owned(),
        ..MemberInfo::default()
    };
    let ensemble = NodeInfo {
        name: "panel".to_owned(),
        kind: "ensemble".to_owned(),
        members: vec![
            member("1"),
            MemberInfo {
                soft: true,
                timeout_ms: Some(50.0),
                ..member("2")
            },
        ],
        merge: [
            ("label".to_owned(), "vote".to_owned()),
            ("score".to_owned(), "mean".to_owned()),
        ]
        .into(),
        ..NodeInfo::default()
    };
    let weighed = |version: &str, weight| MemberInfo {
        weight: Some(weight),
        ..member(version)
    };
    let splitter = NodeInfo {
        name: "arm".to_owned(),
        kind: "splitter".to_owned(),
        members: vec![weighed("1", 3.0), weighed("2", 1.0)],
        sticky: Some("features".to_owned()),
        ..NodeInfo::default()
    };
    let text = text(&PipelineInfo {
        nodes: vec![ensemble, splitter],
        ..PipelineInfo::default()
    });
    for part in [
        "hard",
        "soft, within 50.0 ms",
        "label vote",
        "score mean",
        "weight 3, 75%, sticky by features",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_description_has_its_parts() {
    let about = PipelineInfo {
        name: "tumor".to_owned(),
        revision: Some(3),
        inputs: vec![PortInfo {
            name: "x".to_owned(),
            datatype: "FP32".to_owned(),
            shape: vec![-1, 30],
        }],
        stages: vec![StageInfo {
            name: "scale".to_owned(),
            ..StageInfo::default()
        }],
        ..PipelineInfo::default()
    };
    let text = text(&about);
    for part in ["tumor", "by revision 3", "[-1, 30]", "scale"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
