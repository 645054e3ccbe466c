//! From a file's text to its documents, or to every problem in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check;
use super::decode::{Decoder, Fields};
use super::graph::{self, WrittenGraph};
use super::node::{Data, Entry, Node};
use super::problem::{KeyPath, Place, Problem, Problems, Step};
use super::reference::{ComponentRef, DocumentRef, FileRef};
use super::rollout::{self, WrittenRollout};
use super::route::{self, WrittenRoute};
use super::written::{Metadata, Written};
use super::{API_VERSION, Declared, Pipeline, Stage, Test, stage, yaml};
use crate::limits::{TEST_NAME_BYTES_MAX, TESTS_MAX};
use crate::name::{ModelName, NotAName, Version};
use crate::suggest::{list, nearest, shown};

/// The kinds of document that can be served.
const KINDS: [&str; 4] = ["Graph", "Pipeline", "Rollout", "Route"];

/// Documents, by kind.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// Versions of pipelines.
    pub pipelines: Vec<Written>,
    /// Versions that combine pipelines.
    pub graphs: Vec<WrittenGraph>,
    /// Routes: which version of a name answers which request.
    pub routes: Vec<WrittenRoute>,
    /// Rollouts: how versions get their share.
    pub rollouts: Vec<WrittenRollout>,
}

impl Documents {
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        let Self {
            pipelines,
            graphs,
            routes,
            rollouts,
        } = self;
        pipelines.is_empty() && graphs.is_empty() && routes.is_empty() && rollouts.is_empty()
    }

    /// Adds those of another file.
    pub fn append(&mut self, mut other: Self) {
        self.pipelines.append(&mut other.pipelines);
        self.graphs.append(&mut other.graphs);
        self.routes.append(&mut other.routes);
        self.rollouts.append(&mut other.rollouts);
    }
}

/// Reads every document of a file. `file` is its name in messages: its path, or `-`.
pub fn parse(file: &str, text: &str) -> Result<Documents, Problems> {
    let file: Arc<str> = file.into();
    let (documents, mut problems) = yaml::read(&file, text);
    if documents.is_empty() && problems.is_empty() {
        let message =
            format!("there is no document here; one starts with `apiVersion: {API_VERSION}`");
        problems.push(Problem {
            file: Arc::clone(&file),
            place: Place::START,
            path: KeyPath::default(),
            message,
        });
    }
    let mut read = Documents::default();
    for root in documents {
        let wrong = match kind(&root) {
            Some(("Route", _)) => {
                let (route, wrong) = route::decode(&file, root);
                read.routes.extend(route);
                wrong
            }
            Some(("Rollout", _)) => {
                let (rollout, wrong) = rollout::decode(&file, root);
                read.rollouts.extend(rollout);
                wrong
            }
            Some(("Graph", _)) => {
                let (graph, wrong) = graph::decode(&file, root);
                read.graphs.extend(graph);
                wrong
            }
            _ => {
                let (pipeline, wrong) = decode(&file, root);
                read.pipelines.extend(pipeline);
                wrong
            }
        };
        problems.append(wrong);
    }
    problems.sort();
    problems.or(read)
}

/// The document's kind, and its place.
fn kind(root: &Node) -> Option<(&str, Place)> {
    let Data::Map(entries) = &root.data else {
        return None;
    };
    entries
        .iter()
        .find(|entry| entry.key == "kind")
        .and_then(|entry| match &entry.value.data {
            Data::Text(kind) => Some((kind.as_str(), entry.value.place)),
            _ => None,
        })
}

/// Reads one document. When there are problems, the document must not be used.
pub(super) fn decode(file: &Arc<str>, root: Node) -> (Option<Written>, Problems) {
    let mut here = Decoder {
        file: Arc::clone(file),
        path: KeyPath::default(),
        problems: Problems::default(),
    };
    let parts = document(&mut here, &root);
    let written =
        parts.map(|(pipeline, metadata)| Written::new(Arc::clone(file), root, pipeline, metadata));
    (written, here.problems)
}

fn document(here: &mut Decoder, root: &Node) -> Option<(Declared, Metadata)> {
    // The known keys depend on the kind, so that is read first.
    here.map(root)?;
    if let Some((kind, place)) = kind(root)
        && !KINDS.contains(&kind)
    {
        let hint = match nearest(kind, KINDS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("kinds served here: {}", list(KINDS)),
        };
        let message = format!("unknown kind `{}`; {hint}", shown(kind));
        here.under(Step::Key("kind".to_owned()), |here| {
            here.report(place, message);
        });
        return None;
    }
    let fields = here.fields(root, &["apiVersion", "kind", "metadata", "spec"])?;
    here.required(&fields, "apiVersion", |here, node| {
        here.word(node, &[(API_VERSION, ())])
    });
    here.required(&fields, "kind", |here, node| {
        here.word(node, &[("Pipeline", ())])
    });
    let metadata = here.required(&fields, "metadata", metadata);
    let spec = here.required(&fields, "spec", spec);
    let (
        (name, version, metadata),
        Spec {
            stages,
            outputs,
            tests,
            cache,
        },
    ) = (metadata?, spec?);
    Some((
        Pipeline {
            name,
            version,
            stages,
            outputs,
            tests,
            cache,
        },
        metadata,
    ))
}

/// A document with a name and no version, and its spec.
pub(super) fn headed<T>(
    here: &mut Decoder,
    root: &Node,
    kind: &'static str,
    spec: impl FnOnce(&mut Decoder, &Node) -> Option<T>,
) -> Option<(ModelName, T)> {
    let fields = here.fields(root, &["apiVersion", "kind", "metadata", "spec"])?;
    here.required(&fields, "apiVersion", |here, node| {
        here.word(node, &[(API_VERSION, ())])
    });
    here.required(&fields, "kind", |here, node| here.word(node, &[(kind, ())]));
    let name = here.required(&fields, "metadata", |here, node| {
        let fields = here.fields(node, &["name", "description", "labels", "annotations"])?;
        let name = here.required(&fields, "name", Decoder::parsed);
        here.optional(&fields, "description", |here, node| {
            here.text(node).map(|_| ())
        });
        here.optional(&fields, "labels", texts);
        here.optional(&fields, "annotations", texts);
        name
    });
    let spec = here.required(&fields, "spec", spec);
    Some((name?, spec?))
}

pub(super) fn metadata(here: &mut Decoder, node: &Node) -> Option<(ModelName, Version, Metadata)> {
    let fields = here.fields(
        node,
        &["name", "version", "description", "labels", "annotations"],
    )?;
    let name = here.required(&fields, "name", Decoder::parsed);
    let version = here.required(&fields, "version", version);
    let description = here.optional(&fields, "description", |here, node| {
        here.text(node).map(str::to_owned)
    });
    let labels = here.optional(&fields, "labels", texts).unwrap_or_default();
    let annotations = here
        .optional(&fields, "annotations", texts)
        .unwrap_or_default();
    Some((
        name?,
        version?,
        Metadata {
            description,
            labels,
            annotations,
        },
    ))
}

/// A version is text, but `version: 1` is common and unambiguous. `1.10` may mean `1.1` or not, so
/// it must be quoted.
pub(super) fn version(here: &mut Decoder, node: &Node) -> Option<Version> {
    match &node.data {
        Data::Number { written, value } if value.to_string() == *written && value.is_u64() => here
            .sound(
                node,
                written.parse().map_err(|error: NotAName| error.to_string()),
            ),
        _ => here.parsed(node),
    }
}

pub(super) fn texts(here: &mut Decoder, node: &Node) -> Option<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    for Entry { key, value, .. } in here.map(node)? {
        let text = here.under(Step::Key(key.clone()), |here| match &value.data {
            Data::Text(text) => Some(text.clone()),
            _ => here.expected("text", value),
        });
        texts.extend(text.map(|text| (key.clone(), text)));
    }
    Some(texts)
}

pub(super) fn number(here: &mut Decoder, node: &Node, what: &str) -> Option<f64> {
    match &node.data {
        Data::Number { value, .. } => value.as_f64(),
        _ => here.expected(what, node),
    }
}

pub(super) fn boolean(here: &mut Decoder, node: &Node) -> Option<bool> {
    match node.data {
        Data::Bool(value) => Some(value),
        _ => here.expected("true or false", node),
    }
}

struct Spec {
    stages: Vec<Stage<ComponentRef, FileRef>>,
    outputs: Option<Vec<String>>,
    tests: Vec<Test<DocumentRef>>,
    cache: bool,
}

fn spec(here: &mut Decoder, node: &Node) -> Option<Spec> {
    let fields = here.fields(node, &["stages", "outputs", "tests", "cache"])?;
    let stages = here.required(&fields, "stages", |here, node| here.list(node, stage::read));
    let outputs = here.optional(&fields, "outputs", |here, node| {
        here.list(node, stage::tensor_name)
    });
    let tests = here.optional(&fields, "tests", |here, node| here.list(node, test));
    let cache = here.optional(&fields, "cache", boolean);
    check_spec(here, &fields);
    Some(Spec {
        stages: stages?,
        outputs,
        tests: tests.unwrap_or_default(),
        cache: cache.unwrap_or_default(),
    })
}

/// Checks the spec as a whole. It uses the tree rather than the decoded values, so that a stage
/// that lacks a key doesn't hide that another one is declared twice.
fn check_spec(here: &mut Decoder, fields: &Fields<'_>) {
    here.optional(fields, "stages", |here, node| {
        check::stages(here, node);
        Some(())
    });
    here.optional(fields, "outputs", |here, node| {
        check::outputs(here, node);
        Some(())
    });
    here.optional(fields, "tests", |here, node| {
        check::unique(here, node, "name", "test");
        check::at_most(here, node, TESTS_MAX, "tests");
        Some(())
    });
}

pub(super) fn test(here: &mut Decoder, node: &Node) -> Option<Test<DocumentRef>> {
    let fields = here.fields(node, &["name", "request", "expect", "tolerance"])?;
    let name = here.required(&fields, "name", |here, node| {
        let name = here.text(node)?;
        let sound = if name.len() > TEST_NAME_BYTES_MAX {
            Err(format!(
                "has {} bytes; at most {TEST_NAME_BYTES_MAX} are allowed",
                name.len()
            ))
        } else if name.chars().any(char::is_control) {
            Err("a test's name can't have control characters".to_owned())
        } else {
            Ok(name.to_owned())
        };
        here.sound(node, sound)
    });
    let request = here.required(&fields, "request", |here, node| {
        golden(here, node, "inputs")
    });
    let expect = here.required(&fields, "expect", |here, node| {
        golden(here, node, "outputs")
    });
    let tolerance = here.optional(&fields, "tolerance", tolerance);
    Some(Test {
        name: name?,
        request: request?,
        expect: expect?,
        tolerance: tolerance.unwrap_or(0.0),
    })
}

fn tolerance(here: &mut Decoder, node: &Node) -> Option<f64> {
    match &node.data {
        Data::Number { value, .. } => {
            let value = value.as_f64().filter(|value| *value >= 0.0);
            here.sound(
                node,
                value.ok_or_else(|| "a tolerance is 0 or more".to_owned()),
            )
        }
        _ => here.expected("a number, like 1e-5", node),
    }
}

/// A document of a test: a path, a digest, or the document itself, which then has its tensors under
/// `key`.
fn golden(here: &mut Decoder, node: &Node, key: &'static str) -> Option<DocumentRef> {
    match &node.data {
        Data::Map(entries) => {
            let tensors = entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.value);
            here.under(Step::Key(key.to_owned()), |here| match tensors {
                Some(
                    node @ Node {
                        data: Data::List(_),
                        ..
                    },
                ) => {
                    let why =
                        "a test expects one output at least; without any, every answer would pass";
                    if key == "outputs" {
                        check::not_empty(here, node, why);
                    }
                    Some(())
                }
                Some(tensors) => here.expected("a list", tensors),
                None => {
                    let near = match nearest(key, entries.iter().map(|entry| entry.key.as_str())) {
                        Some(near) => format!("; there is `{}`", shown(near)),
                        None => String::new(),
                    };
                    here.report(node.place, format!("missing: the list of tensors{near}"));
                    None
                }
            })?;
            Some(DocumentRef::Inline(here.json(node)))
        }
        Data::Text(_) => here.parsed(node).map(|file| match file {
            FileRef::Path(path) => DocumentRef::Path(path),
            FileRef::Digest(digest) => DocumentRef::Digest(digest),
        }),
        _ => here.expected(&format!("a path, or a mapping with `{key}`"), node),
    }
}
