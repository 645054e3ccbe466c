//! Loads everything that paths describe, without a server: for `check`, `run` and benchmarks.
//!
//! A failed golden test either refuses its pipeline or is reported with it, as the caller chooses
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
    /// The documents of the paths; links follow the manifest rules.
    pub fn documents(&self, paths: &[PathBuf]) -> Result<Documents, Problems> {
        read::documents_within(paths, &self.allowed)
    }

    /// The documents of one file in a folder. Links must not leave the folder.
    pub fn documents_in_folder(&self, file: &Path) -> Result<Documents, Problems> {
        read::documents_in_folder(file, &self.allowed)
    }

    /// Builds pipelines of all documents of the paths, or reports every problem of every document.
    pub async fn load(
        &self,
        paths: &[PathBuf],
        progress: &dyn Progress,
    ) -> Result<Loaded, DeployError> {
        self.load_as(paths, Failing::Refused, progress).await
    }

    /// The same with a choice whether failed golden tests refuse their pipeline.
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

/// What happens to a pipeline whose golden test fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Failing {
    Refused,
    Told,
}

/// A failed golden test.
pub struct Failed {
    /// The manifest file.
    pub file: String,
    /// Line at which the document begins.
    pub place: Place,
    /// Index of the test.
    pub index: usize,
    /// The test.
    pub test: Test<DocumentRef>,
    /// Its result.
    pub outcome: Outcome,
    /// The problem and its position.
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

/// The loaded documents.
pub struct Loaded {
    /// Pipelines ready to serve.
    pub pipelines: Vec<Arc<Pipeline>>,
    /// Failed golden tests, where they do not refuse the pipeline.
    pub failed: Vec<Failed>,
    /// The routes of the same documents.
    pub routes: Vec<WrittenRoute>,
    /// The rollouts of the same documents. Only a server can check them against its routes.
    pub rollouts: Vec<WrittenRollout>,
}

/// Checks routes against the loaded versions. A route whose versions are elsewhere can't be
/// checked.
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
                problems.push(route.problem(&KeyPath::default().key("spec"), message));
            }
            Err(Unfit::Disagrees { variant, message }) => {
                problems.push(route.version_problem(variant, message));
            }
            Err(Unfit::Absent { variant }) => {
                let message = format!("no file here describes this version of `{}`", route.name());
                problems.push(route.version_problem(variant, message));
            }
        }
    }
    problems.or(())
}
