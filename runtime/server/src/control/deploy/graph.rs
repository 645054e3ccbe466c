//! From a graph's document to a callable graph: find members → wire → run golden tests.
//!
//! Nothing is compiled or opened for a graph: its members are pipelines that exist already. The
//! caller finds them, because it knows what is served and what is about to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::graph::{Branch, DeclaredGraph, ResolvedGraph, order, plan};
use hotstage_core::limits::{GRAPH_DEPTH_MAX, GRAPH_RUNS_MAX};
use hotstage_core::manifest::{KeyPath, Problem, Problems, WrittenGraph};
use hotstage_core::signature::Signature;
use hotstage_core::wiring::Accepts;

use super::load::{Failed, Failing, Loaded, passed};
use super::resolve::{self, Material, Paths};
use super::{DeployError, Deployer, PendingGraph, Progress, Quiet, Tests, golden};
use crate::serving::pipeline::{Body, Graph, Pipeline};

impl Deployer {
    /// Resolves everything that a graph's document references, and stores its tests. `find` returns
    /// the digest of a member.
    pub fn resolve_graph(
        &self,
        document: &WrittenGraph,
        paths: Paths<'_>,
        find: impl FnMut(&Branch<Option<Digest>>) -> Result<Digest, String>,
    ) -> Result<Material<ResolvedGraph>, DeployError> {
        resolve::resolve_graph(document, self, paths, find)
    }

    /// Builds and checks the graph over the pipelines that `find` returns, and stores its canonical
    /// manifest.
    pub async fn make_graph(
        &self,
        document: &WrittenGraph,
        material: &Material<ResolvedGraph>,
        find: impl Fn(&Branch<Digest>) -> Option<Arc<Pipeline>>,
        tests: Tests,
        progress: &dyn Progress,
    ) -> Result<Pipeline, DeployError> {
        let graph = &material.manifest;
        let members = members(document, graph, find)?;
        let signatures: Vec<Vec<&Signature>> = members
            .iter()
            .map(|members| members.iter().map(|member| member.signature()).collect())
            .collect();
        let first = graph
            .nodes
            .first()
            .zip(members.first().and_then(|members| members.first()));
        let takes_raw =
            first.is_some_and(|(node, member)| node.is_call() && !member.accepts().is_empty());
        let accepts = if takes_raw {
            Accepts::Raw
        } else {
            Accepts::Tensors
        };
        let plan = plan(graph, &signatures, accepts).map_err(|miswired| {
            let mut problems = Problems::default();
            miswired
                .iter()
                .for_each(|wrong| problems.push(document.problem(&wrong.path, &wrong.message)));
            problems
        })?;
        let body = Graph::new(graph.clone(), plan, members);
        check_size(document, &body)?;
        let (name, version) = (graph.name.to_string(), graph.version.to_string());
        let mut pipeline = Pipeline::new(
            name,
            version,
            graph.digest(),
            Body::Graph(body),
            self.queue,
            self.prepare,
        );
        if tests == Tests::Run {
            let problem = |path: &KeyPath, message| document.problem(path, message);
            let document_of = |digest: &Digest| material.document(digest);
            golden::run(&graph.tests, document_of, problem, &pipeline, progress).await?;
            pipeline.made.tests = u32::try_from(graph.tests.len()).unwrap_or(u32::MAX);
        }
        self.store.put(graph.canonical().as_bytes())?;
        Ok(pipeline)
    }

    /// Builds graphs from the store, each once its members are available. `found` holds the
    /// available pipelines by digest and receives the new graphs. Returns the graphs that failed,
    /// with the reasons.
    pub async fn link(
        &self,
        mut asleep: Vec<PendingGraph>,
        found: &mut std::collections::HashMap<Digest, Arc<Pipeline>>,
        elsewhere: impl Fn(&Branch<Digest>) -> Option<Arc<Pipeline>>,
    ) -> (Vec<Arc<Pipeline>>, Vec<(String, DeployError)>) {
        let (mut made, mut failures) = (Vec::new(), Vec::new());
        loop {
            let (before, mut left) = (asleep.len(), Vec::new());
            for PendingGraph { document, graph } in asleep {
                let find = |branch: &Branch<Digest>| {
                    found
                        .get(&branch.digest)
                        .map(Arc::clone)
                        .or_else(|| elsewhere(branch))
                };
                if graph.branches().any(|(_, branch)| find(branch).is_none()) {
                    left.push(PendingGraph { document, graph });
                    continue;
                }
                let called = format!("{}/{}", graph.name, graph.version);
                let awake = async {
                    let digest =
                        |branch: &Branch<Option<Digest>>| branch.digest.ok_or_else(String::new);
                    let material =
                        self.resolve_graph(&document, Paths::Sent(&BTreeMap::new()), digest)?;
                    self.make_graph(&document, &material, find, Tests::Skip, &Quiet)
                        .await
                };
                match awake.await {
                    Ok(pipeline) => {
                        let pipeline = Arc::new(pipeline);
                        found.insert(pipeline.digest, Arc::clone(&pipeline));
                        made.push(pipeline);
                    }
                    Err(error) => failures.push((called, error)),
                }
            }
            if left.is_empty() {
                return (made, failures);
            }
            if left.len() == before {
                for PendingGraph { document, graph } in left {
                    let missing = graph.branches().find(|(_, branch)| {
                        !found.contains_key(&branch.digest) && elsewhere(branch).is_none()
                    });
                    if let Some((path, branch)) = missing {
                        let message = format!(
                            "its member {} {} is not in service",
                            branch.shown(),
                            branch.digest
                        );
                        let called = format!("{}/{}", graph.name, graph.version);
                        failures.push((called, document.problem(&path, message).into()));
                    }
                }
                return (made, failures);
            }
            asleep = left;
        }
    }

    /// Builds the graphs of local documents over pipelines of the same documents, and appends them.
    pub(super) async fn load_graphs(
        &self,
        graphs: &[WrittenGraph],
        loaded: &mut Loaded,
        failing: Failing,
        progress: &dyn Progress,
    ) -> Result<(), DeployError> {
        let mut problems = Problems::default();
        for index in in_order(graphs)? {
            let document = &graphs[index];
            let Loaded {
                pipelines, failed, ..
            } = &mut *loaded;
            let find = |name: &str, version: &str| {
                let is_meant = |pipeline: &&Arc<Pipeline>| {
                    pipeline.name == name && pipeline.version == version
                };
                pipelines.iter().find(is_meant).map(Arc::clone)
            };
            let made = async {
                let digest = |branch: &Branch<Option<Digest>>| {
                    let found = find(branch.pipeline.as_str(), branch.version.as_str());
                    let found = found
                        .ok_or_else(|| format!("no file here describes {}", branch.shown()))?;
                    pinned(branch, found.digest)
                };
                let material = self.resolve_graph(document, Paths::Disk, digest)?;
                let member = |branch: &Branch<Digest>| {
                    find(branch.pipeline.as_str(), branch.version.as_str())
                };
                let mut pipeline = self
                    .make_graph(document, &material, member, Tests::Skip, progress)
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
                failed.extend(Failed::of(at, &document.graph().tests, outcomes, &wrong));
                Ok::<_, DeployError>(pipeline)
            };
            match made.await {
                Ok(pipeline) => pipelines.push(Arc::new(pipeline)),
                Err(DeployError::Refused(found)) => problems.append(found),
                Err(error) => return Err(error),
            }
        }
        Ok(problems.or(())?)
    }
}

/// Checks the digest of a member against the one that the graph requires.
pub fn pinned(branch: &Branch<Option<Digest>>, found: Digest) -> Result<Digest, String> {
    match branch.digest {
        Some(wanted) if wanted != found => Err(format!(
            "{} has the digest {found}, not {wanted}; leave `digest` out, or apply the version that has it",
            branch.shown()
        )),
        _ => Ok(found),
    }
}

/// Indices of the graphs, ordered so that each follows the graphs it names.
pub fn in_order(graphs: &[WrittenGraph]) -> Result<Vec<usize>, Problem> {
    let declared: Vec<&DeclaredGraph> = graphs.iter().map(WrittenGraph::graph).collect();
    let names: Vec<Vec<usize>> = declared
        .iter()
        .map(|graph| {
            let named = graph
                .branches()
                .filter_map(|(_, branch)| place(&declared, branch));
            named.collect()
        })
        .collect();
    order(&names).map_err(|circle| {
        let [first, ..] = circle.as_slice() else {
            return graphs[0].problem(&KeyPath::default(), String::new());
        };
        let shown =
            |place: &usize| format!("{}/{}", declared[*place].name, declared[*place].version);
        let next = circle.get(1).unwrap_or(first);
        let path = declared[*first]
            .branches()
            .find(|(_, branch)| place(&declared, branch) == Some(*next));
        let way: Vec<String> = circle.iter().chain([first]).map(shown).collect();
        let message = if circle.len() == 1 {
            "is the graph itself; a graph's members are other pipelines".to_owned()
        } else {
            format!(
                "the graphs name each other in a cycle: {}; take one of them out",
                way.join(" → ")
            )
        };
        let path = path
            .map(|(path, _)| path.key("version"))
            .unwrap_or_default();
        graphs[*first].problem(&path, message)
    })
}

fn place(declared: &[&DeclaredGraph], branch: &Branch<Option<Digest>>) -> Option<usize> {
    declared
        .iter()
        .position(|graph| graph.name == branch.pipeline && graph.version == branch.version)
}

/// The member pipelines: one list per node, one entry per branch.
fn members(
    document: &WrittenGraph,
    graph: &ResolvedGraph,
    find: impl Fn(&Branch<Digest>) -> Option<Arc<Pipeline>>,
) -> Result<Vec<Vec<Arc<Pipeline>>>, Problems> {
    let mut problems = Problems::default();
    let mut members = Vec::with_capacity(graph.nodes.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let mut found = Vec::with_capacity(node.branches.len());
        for (branch, asked) in node.branches.iter().enumerate() {
            match find(asked).filter(|member| member.digest == asked.digest) {
                Some(member) => found.push(member),
                None => {
                    let path = node.path(index, branch).key("version");
                    problems.push(
                        document.problem(&path, format!("{} is not in service", asked.shown())),
                    );
                }
            }
        }
        members.push(found);
    }
    problems.or(members)
}

/// Limits nested graphs to what one request may cost.
fn check_size(document: &WrittenGraph, graph: &Graph) -> Result<(), Problem> {
    let path = KeyPath::default().key("spec").key("nodes");
    let (depth, runs) = (graph.depth(), graph.runs());
    if depth > GRAPH_DEPTH_MAX {
        let message =
            format!("graphs over graphs: {depth} levels; at most {GRAPH_DEPTH_MAX} are allowed");
        return Err(document.problem(&path, message));
    }
    if runs > GRAPH_RUNS_MAX {
        let message =
            format!("one request could run {runs} pipelines; at most {GRAPH_RUNS_MAX} are allowed");
        return Err(document.problem(&path, message));
    }
    Ok(())
}
