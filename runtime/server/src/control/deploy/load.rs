//! Everything that paths describe, made without a server: for `check`, for `run`, and for
//! measurements.
//!
//! A golden test that fails refuses its pipeline, or is told beside it, as the caller wants
//! ([`Failing`]).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotstage_core::manifest::{
    DocumentRef, Documents, KeyPath, Place, Problem, Problems, Test, WrittenRollout, WrittenRoute,
};

use super::{DeployError, Deployer, Outcome, Paths, Progress, Tests, golden, read};
use crate::serving::pipeline::Pipeline;
use crate::serving::routing::{Routing, Unfit};

impl Deployer {
    /// The documents of the paths, as manifests may lie there.
    pub fn documents(&self, paths: &[PathBuf]) -> Result<Documents, Problems> {
        read::documents_within(paths, &self.allowed)
    }

    /// The documents of one file of a folder, which its links may not lead out of.
    pub fn documents_in_folder(&self, file: &Path) -> Result<Documents, Problems> {
        read::documents_in_folder(file, &self.allowed)
    }

    /// Makes pipelines of all documents of the paths, or says everything that is wrong with any of
    /// them.
    pub async fn load(
        &self,
        paths: &[PathBuf],
        progress: &dyn Progress,
    ) -> Result<Loaded, DeployError> {
        self.load_as(paths, Failing::Refused, progress).await
    }

    /// The same, where golden tests that fail may be told beside the pipelines.
    pub async fn load_as(
        &self,
        paths: &[PathBuf],
        failing: Failing,
        progress: &dyn Progress,
    ) -> Result<Loaded, DeployError> {
        let documents = self.documents(paths)?;
        let mut problems = Problems::default();
        let (mut pipelines, mut failed) = (Vec::new(), Vec::new());
        for document in &documents.pipelines {
            let made = async {
                let material = self
                    .resolve_or_explain(document, Paths::Disk, progress)
                    .await?;
                let mut pipeline = self
                    .make(document, &material, Tests::Skip, progress)
                    .await?;
                let tests = &material.manifest.tests;
                let outcomes = golden::try_all(
                    tests,
                    |digest| material.document(digest),
                    &pipeline,
                    progress,
                )
                .await;
                pipeline.made.tests = passed(&outcomes);
                let wrong = golden::problems(tests, &outcomes, |path, message| {
                    document.problem(path, message)
                });
                if failing == Failing::Refused {
                    wrong.clone().or(())?;
                }
                let at = (document.file(), document.place());
                failed.extend(Failed::of(at, &document.pipeline().tests, outcomes, &wrong));
                Ok::<_, DeployError>(pipeline)
            };
            match made.await {
                Ok(pipeline) => pipelines.push(Arc::new(pipeline)),
                Err(DeployError::Refused(found)) => problems.append(found),
                Err(error) => return Err(error),
            }
        }
        let mut loaded = Loaded {
            pipelines: problems.or(pipelines)?,
            failed,
            routes: Vec::new(),
            rollouts: Vec::new(),
        };
        self.load_graphs(&documents.graphs, &mut loaded, failing, progress)
            .await?;
        (loaded.routes, loaded.rollouts) = (documents.routes, documents.rollouts);
        check_routes(&loaded.routes, &loaded.pipelines)?;
        Ok(loaded)
    }
}

/// What becomes of a pipeline whose golden test fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Failing {
    Refused,
    Told,
}

/// A golden test that failed.
pub struct Failed {
    /// The manifest's file.
    pub file: String,
    /// Where the document begins in it.
    pub place: Place,
    /// Which of its tests.
    pub index: usize,
    /// The test.
    pub test: Test<DocumentRef>,
    /// How it ended.
    pub outcome: Outcome,
    /// What is wrong, with its place.
    pub problems: Vec<Problem>,
}

impl Failed {
    pub(super) fn of(
        (file, place): (&str, Place),
        tests: &[Test<DocumentRef>],
        outcomes: Vec<Outcome>,
        wrong: &Problems,
    ) -> Vec<Self> {
        let failed = tests
            .iter()
            .zip(outcomes)
            .enumerate()
            .filter(|(_, (_, outcome))| !outcome.is_passed());
        failed
            .map(|(index, (test, outcome))| {
                let path = KeyPath::test(index);
                let is_its = |problem: &&Problem| problem.path.steps().starts_with(path.steps());
                let problems = wrong.list().iter().filter(is_its).cloned().collect();
                Self {
                    file: file.to_owned(),
                    place,
                    index,
                    test: test.clone(),
                    outcome,
                    problems,
                }
            })
            .collect()
    }
}

pub(super) fn passed(outcomes: &[Outcome]) -> u32 {
    u32::try_from(
        outcomes
            .iter()
            .filter(|outcome| outcome.is_passed())
            .count(),
    )
    .unwrap_or(u32::MAX)
}

/// What documents became.
pub struct Loaded {
    /// Ready to serve.
    pub pipelines: Vec<Arc<Pipeline>>,
    /// Golden tests that failed, where that is not refused.
    pub failed: Vec<Failed>,
    /// The routes beside them.
    pub routes: Vec<WrittenRoute>,
    /// The rollouts beside them. What they move is known to a server alone.
    pub rollouts: Vec<WrittenRollout>,
}

/// Routes fit the versions that are there. One whose versions are elsewhere can't be looked at.
fn check_routes(routes: &[WrittenRoute], pipelines: &[Arc<Pipeline>]) -> Result<(), Problems> {
    let mut problems = Problems::default();
    for route in routes {
        let of_name = || {
            pipelines
                .iter()
                .filter(|pipeline| pipeline.name == route.name().as_str())
        };
        if of_name().next().is_none() {
            continue;
        }
        let find = |version: &str| {
            of_name()
                .find(|pipeline| pipeline.version == version)
                .map(Arc::clone)
        };
        match Routing::new(route, find, None) {
            Ok(_) => {}
            Err(Unfit::Input { message }) => {
                problems.push(route.problem(&KeyPath::default().key("spec"), message))
            }
            Err(Unfit::Disagrees { variant, message }) => {
                problems.push(route.version_problem(variant, message))
            }
            Err(Unfit::Absent { variant }) => {
                let message = format!("no file here describes this version of `{}`", route.name());
                problems.push(route.version_problem(variant, message));
            }
        }
    }
    problems.or(())
}
