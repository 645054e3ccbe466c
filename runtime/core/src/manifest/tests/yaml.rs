//! YAML without its pitfalls, and arbitrary texts: each is accepted or refused, and none makes the
//! parser panic.

use proptest::prelude::*;

use super::refused::{check, refused};
use super::*;

#[test]
fn yaml_pitfalls_are_refused() {
    check(
        "[1, 2.5]",
        "&a [1, 2.5]",
        "t.yaml:9:25: spec.stages[0].settings.mean: anchors (`&name`) aren't allowed; write the value out where it is \
         used",
    );
    check(
        "mean: [1, 2.5], std: [1.0, 1e0]",
        "mean: &a [1], std: *a",
        "t.yaml:9:25: spec.stages[0].settings.mean: anchors (`&name`) aren't allowed; write the value out where it is \
         used\n\
         t.yaml:9:38: spec.stages[0].settings.std: aliases (`*name`) aren't allowed; write the value out",
    );
    check(
        "2.5",
        "!!str 2.5",
        "t.yaml:9:29: spec.stages[0].settings.mean[1]: tags (`!!str`) aren't allowed; quote what should be text",
    );
    let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
    check(
        "2.5",
        &deep,
        "t.yaml:9:87: spec.stages[0].settings.mean[1][0][0][0][0][0][0][0][0][0][0]…: nests deeper than the 64 \
         levels that are allowed",
    );
    assert_eq!(
        refused(""),
        "t.yaml:1:1: there is no document here; one starts with `apiVersion: hotstage.dev/v1`"
    );
    assert_eq!(refused("# only words\n---\n"), refused(""));
    assert_eq!(
        refused("- 1"),
        "t.yaml:1:1: expected a mapping, found a list"
    );
    let long = format!("{}:", "k".repeat(1025));
    let shown = "k".repeat(80);
    check(
        "mean:",
        &long,
        &format!(
            "t.yaml:9:19: spec.stages[0].settings: the key `{shown}…` has 1025 bytes; at most 1024 are allowed"
        ),
    );
    assert_eq!(
        refused("a: [1"),
        "t.yaml:2:1: a[1]: this isn't YAML: while parsing a flow sequence, expected ',' or ']'"
    );
    assert_eq!(
        refused(&" ".repeat((4 << 20) + 1)),
        "t.yaml:1:1: the file has 4194305 bytes; at most 4194304 are allowed"
    );
}

/// A chain of aliases that would be 10^9 values is refused as it is read.
#[test]
fn an_alias_bomb_does_not_go_off() {
    let mut text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let problems = parse("t.yaml", &text).unwrap_err();
    assert_eq!(problems.list().len(), PROBLEMS_MAX);
    assert!(problems.to_string().contains("\nand "));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = parse("t.yaml", &text);
    }

    #[test]
    fn no_yaml_like_text_makes_it_panic(text in "[-a:{}\\[\\], \n\t\"'&*!|>#?%@0.~]{0,60}") {
        let _ = parse("t.yaml", &text);
    }

    #[test]
    fn no_change_of_a_manifest_makes_it_panic(
        changes in prop::collection::vec(
            (0..TUMOR.len(), "[-a:{}\\[\\], \n\t\"'&*!|>#?%@0.~é]{0,3}", 0..12_usize),
            1..6,
        ),
    ) {
        let mut text = TUMOR.to_owned();
        for (at, insert, remove) in changes {
            let start = text.floor_char_boundary(at.min(text.len()));
            let end = text.ceil_char_boundary((start + remove).min(text.len()));
            text.replace_range(start..end, &insert);
        }
        if let Ok(documents) = parse("t.yaml", &text) {
            for document in documents.pipelines {
                let _ = document.resolve(&mut Texts);
            }
        }
    }
}
