//! `kind: Graph`: pipelines combined into one model.
//!
//! ```yaml
//! spec:
//!   nodes:
//!     - { name: first, pipeline: tumor, version: "1" }
//!     - name: second
//!       switch:
//!         - { when: { tensor: first.score, between: [0.3, 0.7] }, pipeline: tumor, version: "2" }
//!       default: pass
//! ```
//!
//! A document as written references members by name and version; resolved, each has its digest as
//! well. Its canonical text is a manifest, too, with every default spelled out. Defaults and
//! bounds: those of [`graph`](crate::graph).

mod node;
mod text;
mod when;

use std::sync::Arc;

use serde_json::Value;

use super::check;
use super::decode::Decoder;
use super::node::Node;
use super::problem::{KeyPath, Place, Problem, Problems};
use super::read::{self, metadata};
use super::resolved::{DigestsOnly, NotCanonical};
use super::{API_VERSION, Metadata, Resolve, Test};
use crate::digest::Digest;
use crate::graph::{Branch, DeclaredGraph, Graph, Node as GraphNode, ResolvedGraph};
use crate::limits::{DEADLINE_MAX, NODES_MAX, TESTS_MAX};
use crate::quantity::show_duration;

/// One document of a file.
#[derive(Clone, Debug)]
pub struct WrittenGraph {
    file: Arc<str>,
    root: Node,
    graph: DeclaredGraph,
    metadata: Metadata,
}

impl WrittenGraph {
    /// The file that holds it, as the loader named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What it declares.
    pub const fn graph(&self) -> &DeclaredGraph {
        &self.graph
    }

    /// Its labels, annotations and description.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Where it begins in its file.
    pub const fn place(&self) -> Place {
        self.root.place
    }

    /// A problem that was found later, with its place in the file.
    pub fn problem(&self, path: &KeyPath, message: impl Into<String>) -> Problem {
        let place = self.root.locate(path);
        Problem {
            file: Arc::clone(&self.file),
            place,
            path: path.clone(),
            message: message.into(),
        }
    }

    /// Replaces every reference with a digest, or reports every reference that can't be found, with
    /// its place. `find` returns the digest of a member.
    pub fn resolve(
        &self,
        resolver: &mut impl Resolve,
        mut find: impl FnMut(&Branch<Option<Digest>>) -> Result<Digest, String>,
    ) -> Result<ResolvedGraph, Problems> {
        let mut problems = Problems::default();
        let mut nodes = Vec::with_capacity(self.graph.nodes.len());
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let mut branches = Vec::with_capacity(node.branches.len());
            for (branch, asked) in node.branches.iter().enumerate() {
                match find(asked) {
                    Ok(digest) => branches.push(resolved(asked, digest)),
                    Err(message) => {
                        problems
                            .push(self.problem(&node.path(index, branch).key("version"), message));
                    }
                }
            }
            let GraphNode {
                name,
                does,
                inputs,
                outputs,
                ..
            } = node.clone();
            nodes.push(GraphNode {
                name,
                does,
                branches,
                inputs,
                outputs,
            });
        }
        let mut tests = Vec::new();
        for (index, test) in self.graph.tests.iter().enumerate() {
            let path = KeyPath::test(index);
            let mut found = |key, found: Result<Digest, String>| {
                found
                    .map_err(|message| problems.push(self.problem(&path.clone().key(key), message)))
                    .ok()
            };
            let request = found("request", resolver.document(&test.request));
            let expect = found("expect", resolver.document(&test.expect));
            let (name, tolerance) = (test.name.clone(), test.tolerance);
            tests.extend(request.zip(expect).map(|(request, expect)| Test {
                name,
                request,
                expect,
                tolerance,
            }));
        }
        let Graph {
            name,
            version,
            deadline,
            outputs,
            ..
        } = self.graph.clone();
        problems.or(Graph {
            name,
            version,
            deadline,
            nodes,
            outputs,
            tests,
        })
    }
}

fn resolved<M>(branch: &Branch<M>, digest: Digest) -> Branch<Digest> {
    let Branch {
        pipeline,
        version,
        timeout,
        inputs,
        outputs,
        ..
    } = branch;
    let (pipeline, version) = (pipeline.clone(), version.clone());
    Branch {
        pipeline,
        version,
        digest,
        timeout: *timeout,
        inputs: inputs.clone(),
        outputs: outputs.clone(),
    }
}

impl ResolvedGraph {
    /// Parses a canonical text. Refuses every other text, even one with the same meaning.
    pub fn parse(text: &str) -> Result<Self, NotCanonical> {
        Self::read("canonical", text).map(|(_, resolved)| resolved)
    }

    /// The same, with the document, so that later problems can be reported as for any other
    /// document.
    pub fn read(file: &str, text: &str) -> Result<(WrittenGraph, Self), NotCanonical> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| NotCanonical::because(&error))?;
        let (written, problems) = decode(&file.into(), Node::from_json(&value));
        let written = match written {
            Some(written) if problems.is_empty() => written,
            _ => return Err(NotCanonical::because(&problems)),
        };
        let digest = |branch: &Branch<Option<Digest>>| {
            branch.digest.ok_or_else(|| "has no digest".to_owned())
        };
        let resolved = written
            .resolve(&mut DigestsOnly, digest)
            .map_err(|problems| NotCanonical::because(&problems))?;
        if resolved.canonical() == text {
            Ok((written, resolved))
        } else {
            Err(NotCanonical::because(
                &"the text differs from its canonical form",
            ))
        }
    }
}

/// Reads one document. When there are problems, the document must not be used.
pub(super) fn decode(file: &Arc<str>, root: Node) -> (Option<WrittenGraph>, Problems) {
    let mut here = Decoder {
        file: Arc::clone(file),
        path: KeyPath::default(),
        problems: Problems::default(),
    };
    let parts = document(&mut here, &root);
    let written = parts.map(|(graph, metadata)| WrittenGraph {
        file: Arc::clone(file),
        root,
        graph,
        metadata,
    });
    if let Some(written) = &written {
        late(written)
            .into_iter()
            .for_each(|problem| here.problems.push(problem));
    }
    (written, here.problems)
}

/// Reports timeouts that can never take effect, because the request's deadline ends earlier.
fn late(written: &WrittenGraph) -> Vec<Problem> {
    let Some(deadline) = written.graph.deadline else {
        return Vec::new();
    };
    let late = |(path, branch): (KeyPath, &Branch<Option<Digest>>)| {
        let timeout = branch.timeout.filter(|timeout| *timeout >= deadline)?;
        let (timeout, deadline) = (show_duration(timeout), show_duration(deadline));
        let message = format!(
            "{timeout} is not less than the graph's deadline of {deadline}, which ends the request before it"
        );
        Some(written.problem(&path.key("timeout"), message))
    };
    written.graph.branches().filter_map(late).collect()
}

fn document(here: &mut Decoder, root: &Node) -> Option<(DeclaredGraph, Metadata)> {
    let fields = here.fields(root, &["apiVersion", "kind", "metadata", "spec"])?;
    here.required(&fields, "apiVersion", |here, node| {
        here.word(node, &[(API_VERSION, ())])
    });
    here.required(&fields, "kind", |here, node| {
        here.word(node, &[("Graph", ())])
    });
    let metadata = here.required(&fields, "metadata", metadata);
    let spec = here.required(&fields, "spec", |here, node| {
        let fields = here.fields(node, &["deadline", "nodes", "outputs", "tests"])?;
        let deadline = here.optional(&fields, "deadline", |here, node| {
            super::limits::time(here, node, DEADLINE_MAX)
        });
        let nodes = here.required(&fields, "nodes", |here, node| {
            check::not_empty(here, node, "a graph has at least one node");
            check::at_most(here, node, NODES_MAX, "nodes");
            check::unique(here, node, "name", "node");
            here.list(node, node::read)
        });
        let outputs = here.optional(&fields, "outputs", |here, node| {
            check::outputs(here, node);
            here.list(node, super::stage::tensor_name)
        });
        let tests = here.optional(&fields, "tests", |here, node| {
            check::unique(here, node, "name", "test");
            check::at_most(here, node, TESTS_MAX, "tests");
            here.list(node, read::test)
        });
        Some((deadline, nodes?, outputs, tests.unwrap_or_default()))
    });
    let ((name, version, metadata), (deadline, nodes, outputs, tests)) = (metadata?, spec?);
    Some((
        Graph {
            name,
            version,
            deadline,
            nodes,
            outputs,
            tests,
        },
        metadata,
    ))
}
