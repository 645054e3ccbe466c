//! Manifests: every kind of document. A decoded document is encoded in its canonical form and must
//! decode to the same value.

use hotstage_core::digest::Digest;
use hotstage_core::graph::{Branch, ResolvedGraph};
use hotstage_core::manifest::{
    ComponentRef, DocumentRef, FileRef, PROBLEMS_MAX, Problems, Resolve, Resolved, Written,
    WrittenGraph, WrittenRollout, WrittenRoute, canonical_text, parse,
};

use crate::assert_text;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match parse("fuzz.yaml", text) {
        Ok(documents) => {
            assert!(!documents.is_empty());
            documents.pipelines.iter().for_each(pipeline);
            documents.graphs.iter().for_each(graph);
            documents.routes.iter().for_each(route);
            documents.rollouts.iter().for_each(rollout);
        }
        Err(problems) => check_problems(&problems, text),
    }
    canonical(text);
}

/// Asserts that all problems have a position in the file and a valid text.
fn check_problems(problems: &Problems, text: &str) {
    assert!(!problems.is_empty() && problems.list().len() <= PROBLEMS_MAX);
    // YAML also ends lines at a lone carriage return; a key that is missing at the end is reported
    // on the line after the last.
    let lines = text.matches(['\n', '\r']).count() + 2;
    for problem in problems.list() {
        assert_text(&problem.to_string());
        let place = problem.place;
        assert!(place.line >= 1 && place.column >= 1, "{problem}");
        assert!(place.line <= lines, "{problem} of {lines} lines");
    }
}

/// Stand-in for the loader: the digest of a reference is the digest of its text.
struct Texts;

impl Resolve for Texts {
    fn component(&mut self, reference: &ComponentRef) -> Result<Digest, String> {
        Ok(match reference {
            ComponentRef::Digest(digest) => *digest,
            other => Digest::of(other.to_string().as_bytes()),
        })
    }

    fn file(&mut self, reference: &FileRef) -> Result<Digest, String> {
        Ok(match reference {
            FileRef::Digest(digest) => *digest,
            FileRef::Path(path) => Digest::of(path.as_bytes()),
        })
    }

    fn document(&mut self, reference: &DocumentRef) -> Result<Digest, String> {
        Ok(match reference {
            DocumentRef::Digest(digest) => *digest,
            DocumentRef::Path(path) => Digest::of(path.as_bytes()),
            DocumentRef::Inline(value) => Digest::of(canonical_text(value).as_bytes()),
        })
    }
}

/// The canonical text must be a manifest with the same meaning.
fn pipeline(written: &Written) {
    let resolved = written.resolve(&mut Texts).unwrap();
    let text = resolved.canonical();
    let again = Resolved::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(again.digest(), resolved.digest());
    assert_eq!(again, resolved);
    let documents =
        parse("again.json", &text).unwrap_or_else(|problems| panic!("{problems}: {text}"));
    assert_eq!(
        documents.pipelines[0].resolve(&mut Texts).unwrap(),
        resolved
    );
}

fn graph(written: &WrittenGraph) {
    let find = |branch: &Branch<Option<Digest>>| {
        Ok(branch.digest.unwrap_or_else(|| Digest::of(b"member")))
    };
    let resolved = written.resolve(&mut Texts, find).unwrap();
    let text = resolved.canonical();
    let again = ResolvedGraph::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(again.canonical(), text);
}

fn route(written: &WrittenRoute) {
    let text = written.canonical();
    let again = WrittenRoute::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(
        (again.canonical(), again.digest()),
        (text, written.digest())
    );
}

fn rollout(written: &WrittenRollout) {
    let text = written.canonical();
    let again = WrittenRollout::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(
        (again.canonical(), again.digest()),
        (text, written.digest())
    );
}

/// A text that the store accepts must be the canonical one.
fn canonical(text: &str) {
    if let Ok(resolved) = Resolved::parse(text) {
        assert_eq!(resolved.canonical(), text);
    }
    if let Ok(resolved) = ResolvedGraph::parse(text) {
        assert_eq!(resolved.canonical(), text);
    }
    if let Ok(route) = WrittenRoute::parse(text) {
        assert_eq!(route.canonical(), text);
    }
    if let Ok(rollout) = WrittenRollout::parse(text) {
        assert_eq!(rollout.canonical(), text);
    }
}

/// The repository's examples, and the canonical texts of their pipelines.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut texts: Vec<String> = [
        include_str!("../../../examples/tumor/tumor-v1.yaml"),
        include_str!("../../../examples/tumor/graphs.yaml"),
        include_str!("../../../examples/tumor/csv/tumor-csv.yaml"),
        include_str!("../../../examples/tumor/trees/tumor-trees.yaml"),
        include_str!("../../../examples/tumor/rollout/route.yaml"),
        include_str!("../../../examples/tumor/rollout/rollout.yaml"),
        include_str!("../../../examples/tumor/rollout/strict.yaml"),
        include_str!("../../../examples/ocr/ocr.yaml"),
        EXPERIMENT,
        TANGLED,
    ]
    .map(|text| text.chars().take(6000).collect())
    .to_vec();
    let documents = parse("tumor.yaml", &texts[0])
        .map(|documents| documents.pipelines)
        .unwrap_or_default();
    texts.extend(
        documents
            .iter()
            .filter_map(|written| written.resolve(&mut Texts).ok())
            .map(|found| found.canonical()),
    );
    texts.into_iter().map(String::into_bytes).collect()
}

/// A route with every key.
const EXPERIMENT: &str = r#"apiVersion: hotstage.dev/v1
kind: Route
metadata: { name: tumor }
spec:
  split: [{ version: "1", weight: 90 }, { version: "2", weight: 0.5 }]
  sticky: { header: x-patient-id }
  rules:
    - { when: { header: { x-cohort: pilot } }, version: "2", percent: 50 }
    - { when: { key_in: [a, b, 1e3] }, version: "1" }
  fallback: { version: "1", timeout: 50ms, circuit: { failures: 2, open: 1s } }
  mirror: [{ version: "2", percent: 10, tolerance: 1e-3, keep: 2 }]
  experiment: { reward: binary }
"#;

/// YAML that is hard to parse: anchors, tags, block scalars, several documents, invalid UTF-8.
const TANGLED: &str = "%YAML 1.2\n---\n# a comment\na: &a [1, *a, !!str 2]\n<<: {b: c}\n? [x]\n: |+\n  text\n\n  more\n\
d: >-\n  folded\n  text\ne: 'it''s'\nf: \"\\u00e9\\x41\"\ng: ~\nh: .inf\ni: 0x1F\nj: 1_000\n...\n---\nkind: Pipelin\n";
