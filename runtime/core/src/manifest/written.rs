//! A document as written: the pipeline with its references, and the line of every key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::node::Node;
use super::problem::{KeyPath, Place, Problem, Problems};
use super::reference::{ComponentRef, DocumentRef, FileRef};
use super::{Declared, Pipeline, Resolved, Stage, Test};
use crate::digest::Digest;

/// Information for people and tools, which changes nothing that is served. Not part of the digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type's line says it")]
pub struct Metadata {
    pub description: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

/// One document of a file.
#[derive(Clone, Debug)]
pub struct Written {
    file: Arc<str>,
    root: Node,
    pipeline: Declared,
    metadata: Metadata,
}

/// A document after resolution of its references. It may be used only if there are no problems.
#[derive(Debug)]
pub struct Partly {
    /// With the digest of no bytes in place of each missing component, and without the missing
    /// files.
    pub resolved: Resolved,
    /// The stages with a missing reference.
    pub lacking: BTreeSet<usize>,
    /// The missing references, with their places.
    pub problems: Problems,
}

/// Resolves references to digests. An error says what is missing and why; the place is added here.
#[expect(missing_docs, reason = "each finds what its argument says")]
pub trait Resolve {
    fn component(&mut self, reference: &ComponentRef) -> Result<Digest, String>;
    fn file(&mut self, reference: &FileRef) -> Result<Digest, String>;
    fn document(&mut self, reference: &DocumentRef) -> Result<Digest, String>;
}

impl Written {
    pub(super) fn new(file: Arc<str>, root: Node, pipeline: Declared, metadata: Metadata) -> Self {
        Self {
            file,
            root,
            pipeline,
            metadata,
        }
    }

    /// The file that holds it, as the loader named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The pipeline that it declares.
    pub fn pipeline(&self) -> &Declared {
        &self.pipeline
    }

    /// Its labels, annotations and description.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Where it begins in its file.
    pub fn place(&self) -> Place {
        self.root.place
    }

    /// A problem that was found later, with its place in the file: of the value at the path, or of
    /// the nearest enclosing one that is written.
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
    /// its place.
    pub fn resolve(&self, resolver: &mut impl Resolve) -> Result<Resolved, Problems> {
        let Partly {
            resolved, problems, ..
        } = self.resolve_partly(resolver);
        problems.or(resolved)
    }

    /// The same as far as possible, so that problems of the other stages can be found as well.
    pub fn resolve_partly(&self, resolver: &mut impl Resolve) -> Partly {
        let mut problems = Problems::default();
        let (mut stages, mut lacking) = (Vec::new(), BTreeSet::new());
        for (index, stage) in self.pipeline.stages.iter().enumerate() {
            let before = problems.len();
            stages.push(self.resolve_stage(index, stage, resolver, &mut problems));
            if problems.len() > before {
                lacking.insert(index);
            }
        }
        let mut tests = Vec::new();
        for (index, test) in self.pipeline.tests.iter().enumerate() {
            tests.extend(self.resolve_test(index, test, resolver, &mut problems));
        }
        let Declared {
            name,
            version,
            outputs,
            cache,
            ..
        } = self.pipeline.clone();
        Partly {
            resolved: Pipeline {
                name,
                version,
                stages,
                outputs,
                tests,
                cache,
            },
            lacking,
            problems,
        }
    }

    /// The stage with the references that were found; the missing ones are added to the problems.
    fn resolve_stage(
        &self,
        index: usize,
        stage: &Stage<ComponentRef, FileRef>,
        resolver: &mut impl Resolve,
        problems: &mut Problems,
    ) -> Stage<Digest, Digest> {
        let path = KeyPath::stage(index);
        let component = self.sound(
            problems,
            || path.clone().key("component"),
            resolver.component(&stage.component),
        );
        let mut files = BTreeMap::new();
        for (name, file) in &stage.files {
            let path = || path.clone().key("files").key(name.as_str());
            let digest = self.sound(problems, path, resolver.file(file));
            files.extend(digest.map(|digest| (name.clone(), digest)));
        }
        Stage {
            name: stage.name.clone(),
            role: stage.role,
            component: component.unwrap_or_else(|| Digest::of(b"")),
            settings: stage.settings.clone(),
            files,
            inputs: stage.inputs.clone(),
            outputs: stage.outputs.clone(),
            limits: stage.limits.clone(),
            batch: stage.batch.clone(),
            isolation: stage.isolation,
        }
    }

    /// The test, if both of its documents were found.
    fn resolve_test(
        &self,
        index: usize,
        test: &Test<DocumentRef>,
        resolver: &mut impl Resolve,
        problems: &mut Problems,
    ) -> Option<Test<Digest>> {
        let path = KeyPath::test(index);
        let request = self.sound(
            problems,
            || path.clone().key("request"),
            resolver.document(&test.request),
        );
        let expect = self.sound(
            problems,
            || path.clone().key("expect"),
            resolver.document(&test.expect),
        );
        Some(Test {
            name: test.name.clone(),
            request: request?,
            expect: expect?,
            tolerance: test.tolerance,
        })
    }

    fn sound<T>(
        &self,
        problems: &mut Problems,
        path: impl FnOnce() -> KeyPath,
        found: Result<T, String>,
    ) -> Option<T> {
        found
            .map_err(|message| problems.push(self.problem(&path(), message)))
            .ok()
    }
}
