//! Checks of the rules of `docs/style.md` and the planes of `docs/architecture.md`.
//!
//! Every test reads the sources and reports all findings at once, each as `path:line: what; what to
//! do`. The numbers and lists are at the top of the file that checks them. Each checker has its own
//! unit tests, so that it can't stop working unnoticed.

use source::{Finding, Tree};

#[path = "tidy/borders.rs"]
mod borders;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/planes.rs"]
mod planes;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/wall.rs"]
mod wall;
#[path = "tidy/words.rs"]
mod words;

#[track_caller]
fn nothing(findings: impl IntoIterator<Item = Finding>) {
    let lines: Vec<String> = findings
        .into_iter()
        .map(|finding| finding.to_string())
        .collect();
    assert!(
        lines.is_empty(),
        "{} found:\n\n{}\n",
        lines.len(),
        lines.join("\n")
    );
}

/// Without files every check would pass.
#[test]
fn the_sources_are_found() {
    let tree = Tree::read();
    for expected in [
        "tests/tidy.rs",
        "runtime/core/src/lib.rs",
        "sdk/rust/src/lib.rs",
        "wit/worlds.wit",
    ] {
        assert!(
            tree.files.iter().any(|file| file.path == expected),
            "{expected} is not among the files read"
        );
    }
}

#[test]
fn crates_use_only_what_their_border_allows() {
    nothing(Tree::read().rust().flat_map(borders::check));
}

#[test]
fn the_servers_imports_point_down() {
    nothing(planes::check(&Tree::read()));
}

#[test]
fn every_file_has_module_documentation() {
    nothing(Tree::read().rust().filter_map(shape::head));
}

#[test]
fn files_are_short() {
    nothing(Tree::read().rust().filter_map(shape::file_length));
}

#[test]
fn tests_are_the_last_thing_in_a_file() {
    nothing(Tree::read().rust().filter_map(shape::tests_last));
}

#[test]
fn functions_are_short() {
    nothing(Tree::read().rust().flat_map(shape::function_lengths));
}

#[test]
fn lines_are_narrow() {
    nothing(Tree::read().rust().flat_map(shape::widths));
}

#[test]
fn unsafe_code_is_where_it_is_reviewed() {
    nothing(shape::unsafe_rust(&Tree::read()));
}

#[test]
fn nothing_is_marked_as_unfinished() {
    nothing(Tree::read().files.iter().flat_map(shape::unfinished));
}

#[test]
fn links_in_documents_lead_somewhere() {
    let tree = Tree::read();
    nothing(
        tree.documents()
            .flat_map(|document| links::check(&tree.root, document)),
    );
}

#[test]
fn the_abi_matches_its_golden_file() {
    nothing(wall::check(&Tree::read().root));
}

#[test]
fn retired_words_do_not_return() {
    nothing(Tree::read().files.iter().flat_map(words::check));
}
