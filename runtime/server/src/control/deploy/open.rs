//! Compile → open → wire: from bytes to a callable pipeline.

use std::sync::Arc;

use hotstage_core::batch;
use hotstage_core::digest::Digest;
use hotstage_core::manifest::{
    self, ComponentRef, KeyPath, Problem, Problems, Written, canonical_text,
};
use hotstage_core::name::Version;
use hotstage_core::wiring::{Accepts, Parts, StageWires, plan};
use hotstage_engine::compile::{Cached, CompileError, Compiled, Origin};
use hotstage_engine::stage::{Stage, StageOptions};
use hotstage_engine::{Asked, Content, File, Files, OpenError};
use tokio::sync::Semaphore;

use super::resolve::Material;
use super::{DeployError, Deployer, Progress};
use crate::control::compiler::Work;
use crate::executors::compute::yield_to_requests;
use crate::extensions::Prepare;
use crate::serving::counts::histogram::Histogram;
use crate::serving::pipeline::{Batcher, Body, Chain, Pipeline, Step};
use crate::state::store::Blob;

/// Files up to this size stay in memory for the next instance; larger ones are read again.
const HELD_BYTES_MAX: u64 = 1 << 20;

/// A stage of a manifest in which every reference is a digest.
type ResolvedStage = manifest::Stage<Digest, Digest>;

/// An opened stage.
pub struct Opened {
    step: Step,
    warnings: Vec<Problem>,
}

/// Compiles and opens every stage, or reports every failure.
pub(super) async fn stages(
    deployer: &Deployer,
    document: &Written,
    material: &Material,
    progress: &dyn Progress,
) -> Result<(Vec<Opened>, u32), DeployError> {
    let mut problems = Problems::default();
    let mut opened = Vec::new();
    let mut newly_compiled = 0;
    for index in 0..material.manifest.stages.len() {
        if !material.is_whole(index) {
            continue;
        }
        yield_to_requests();
        let path = KeyPath::stage(index);
        match compile(deployer, material, index, progress, &mut newly_compiled).await {
            Err(error) => {
                problems.push(document.problem(&path.key("component"), error.to_string()));
            }
            Ok(compiled) => match open(deployer, document, material, index, &compiled).await {
                Ok(stage) => opened.push(stage),
                Err((path, message)) => problems.push(document.problem(&path, message)),
            },
        }
    }
    Ok((problems.or(opened)?, newly_compiled))
}

async fn compile(
    deployer: &Deployer,
    material: &Material,
    index: usize,
    progress: &dyn Progress,
    newly_compiled: &mut u32,
) -> Result<Arc<Compiled>, CompileError> {
    let stage = &material.manifest.stages[index];
    let (component, role) = (stage.component, stage.role);
    if let Some(compiled) = deployer.shared.compiled(component, role) {
        return Ok(compiled);
    }
    let (store, engine) = (Arc::clone(&deployer.store), deployer.engine.clone());
    let origin = match away(move || engine.cached(component, role, &*store, store.signing_key()))
        .await?
    {
        Cached::Ready(compiled) => return Ok(deployer.shared.keep_compiled(role, compiled)),
        // The check reads the component and reports a more precise reason.
        Cached::Unlinked(why) => {
            deployer
                .compilers
                .run(Work::Check, role, blob(deployer, &component)?)
                .await?;
            return Err(CompileError::Unfit(format!(
                "the component does not link: {why}"
            )));
        }
        Cached::Absent => Origin::Compiled,
        Cached::Untrusted => {
            tracing::warn!(%component, "an entry of the compile cache was damaged or not ours; compiled again");
            Origin::Recompiled
        }
    };
    let blob = blob(deployer, &component)?;
    let bytes = usize::try_from(blob.bytes()).unwrap_or(usize::MAX);
    let _step = progress.compiling(stage.name.as_str(), bytes);
    let code = deployer.compilers.run(Work::Compile, role, blob).await?;
    let (store, engine) = (Arc::clone(&deployer.store), deployer.engine.clone());
    let adopt = move || engine.adopt(&code, component, role, origin, &*store, store.signing_key());
    let compiled = away(adopt).await??;
    *newly_compiled += 1;
    Ok(deployer.shared.keep_compiled(role, compiled))
}

fn blob(deployer: &Deployer, digest: &Digest) -> Result<Blob, CompileError> {
    let blob = deployer
        .store
        .open_blob(digest)
        .map_err(|error| CompileError::Refused(error.to_string()))?;
    blob.ok_or_else(|| CompileError::Refused(format!("{digest} is not in the store any more")))
}

/// Reads, hashes and writes megabytes of machine code on a blocking thread.
async fn away<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CompileError> {
    let lost = |_| {
        CompileError::Refused(
            "loading its machine code failed; this is a defect of the server".to_owned(),
        )
    };
    tokio::task::spawn_blocking(work).await.map_err(lost)
}

/// A file as its stage sees it.
fn file(deployer: &Deployer, digest: &Digest) -> Result<File, String> {
    let shared = Arc::clone(&deployer.shared);
    let content = if deployer
        .store
        .size(digest)
        .is_some_and(|bytes| bytes > HELD_BYTES_MAX)
    {
        Content::Kept(shared)
    } else {
        Content::Held(shared.hold(digest)?)
    };
    Ok(File {
        digest: *digest,
        content,
    })
}

/// Opens one stage. An error comes with its position in the manifest.
async fn open(
    deployer: &Deployer,
    document: &Written,
    material: &Material,
    index: usize,
    compiled: &Arc<Compiled>,
) -> Result<Opened, (KeyPath, String)> {
    let (stage, path) = (&material.manifest.stages[index], KeyPath::stage(index));
    let asked = Arc::new(Asked::default());
    let options = options(deployer, material, index, &asked)
        .map_err(|text| (path.clone().key("files"), text))?;
    let opened = Stage::open(&deployer.engine, compiled, options)
        .await
        .map_err(|error| not_opened(path.clone(), stage, &asked, error))?;
    let meant = document.pipeline().stages.get(index);
    check_version(meant.map(|stage| &stage.component), &opened)
        .map_err(|message| (path.clone().key("component"), message))?;
    let batcher = batcher(deployer, stage, &opened)
        .map_err(|message| (path.clone().key("batch"), message))?;
    let is_batched = material
        .manifest
        .stages
        .iter()
        .any(|stage| stage.batch.is_some());
    let gate = (is_batched && batcher.is_none())
        .then(|| Semaphore::new(stage.limits.instances.max as usize));
    let warnings = super::unused::warnings(&stage.files, &asked.names());
    let warnings = warnings
        .into_iter()
        .map(|(name, message)| document.problem(&path.clone().key("files").key(&name), message));
    let warnings = warnings.collect();
    let step = Step {
        name: stage.name.to_string(),
        stage: opened,
        durations: Histogram::default(),
        batcher,
        gate,
    };
    Ok(Opened { step, warnings })
}

/// Options for opening the stage. Files that the stage opens are recorded in `asked`.
fn options(
    deployer: &Deployer,
    material: &Material,
    index: usize,
    asked: &Arc<Asked>,
) -> Result<StageOptions, String> {
    let (manifest, stage) = (&material.manifest, &material.manifest.stages[index]);
    let files = stage
        .files
        .iter()
        .map(|(name, digest)| Ok((name.to_string(), file(deployer, digest)?)));
    let files = files.collect::<Result<Files, String>>()?;
    Ok(StageOptions {
        pipeline: format!("{}/{}", manifest.name, manifest.version),
        name: stage.name.to_string(),
        settings: canonical_text(&serde_json::Value::Object(stage.settings.clone())),
        files: Arc::new(files),
        asked: Arc::clone(asked),
        limits: stage.limits.clone(),
        isolation: stage.isolation,
    })
}

/// Why the stage could not be opened, and the position in the manifest.
fn not_opened(
    path: KeyPath,
    stage: &ResolvedStage,
    asked: &Asked,
    error: OpenError,
) -> (KeyPath, String) {
    match error {
        OpenError::Settings(text) => setting(path, text),
        OpenError::File(text) => {
            let meant = super::unused::meant(&stage.files, &asked.names());
            (path.key("files"), format!("{text}{meant}"))
        }
        failed @ OpenError::Failed { .. } => (
            path.key("component"),
            format!("the stage can't be opened: {failed}"),
        ),
    }
}

/// Checks a bundled component's version against the one in the manifest, if it names one.
fn check_version(component: Option<&ComponentRef>, opened: &Stage) -> Result<(), String> {
    let Some(ComponentRef::Box {
        name,
        version: Some(version),
    }) = component
    else {
        return Ok(());
    };
    let has = &opened.about().version;
    if is_version(has, version) {
        return Ok(());
    }
    Err(format!(
        "bundled component `{name}` has version {has}, not {version}"
    ))
}

/// Creates the stage's batcher, if the manifest asks for one; the signature must allow batches.
fn batcher(
    deployer: &Deployer,
    stage: &ResolvedStage,
    opened: &Stage,
) -> Result<Option<Arc<Batcher>>, String> {
    let Some(batching) = &stage.batch else {
        return Ok(None);
    };
    batch::check(opened.signature())?;
    let lanes = (stage.limits.instances.max as usize).min(deployer.engine.concurrency());
    Ok(Some(Arc::new(Batcher::new(batching.clone(), lanes))))
}

/// A component's settings error begins with the key path, as in `settings.std[3]: expected …`. It
/// is reported at that key.
fn setting(mut path: KeyPath, text: String) -> (KeyPath, String) {
    let Some((place, message)) = text.split_once(": ").filter(|(place, _)| is_setting(place))
    else {
        return (path.key("settings"), text);
    };
    for step in place.split(['.', '[']) {
        path = match step.strip_suffix(']').and_then(|index| index.parse().ok()) {
            Some(index) => path.index(index),
            None => path.key(step),
        };
    }
    (path, message.to_owned())
}

/// Keys with other characters stay in the text.
fn is_setting(place: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.[]".contains(c);
    let behind = place.strip_prefix("settings");
    behind.is_some_and(|rest| {
        rest.is_empty() || rest.starts_with(['.', '[']) && rest.chars().all(is_plain)
    })
}

/// `0.1` matches `0.1` and `0.1.7`, but not `0.10`.
fn is_version(has: &str, asked: &Version) -> bool {
    has.strip_prefix(asked.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Checks that the stages fit each other, and connects them.
pub(super) fn wire(
    document: &Written,
    material: &Material,
    opened: Vec<Opened>,
    queue: usize,
    prepare: &'static [Prepare],
) -> Result<Pipeline, DeployError> {
    let manifest = &material.manifest;
    let wires: Vec<StageWires<'_>> = manifest
        .stages
        .iter()
        .zip(&opened)
        .map(|(stage, opened)| StageWires::of(stage, opened.step.stage.signature()))
        .collect();
    let takes_raw = opened
        .first()
        .is_some_and(|first| !first.step.stage.accepts().is_empty());
    let accepts = if takes_raw {
        Accepts::Raw
    } else {
        Accepts::Tensors
    };
    let plan =
        plan(Parts::Stages, &wires, accepts, manifest.outputs.as_deref()).map_err(|miswired| {
            let mut problems = Problems::default();
            miswired
                .iter()
                .for_each(|wrong| problems.push(document.problem(&wrong.path, &wrong.message)));
            problems
        })?;
    let (mut steps, mut warnings) = (Vec::with_capacity(opened.len()), Vec::new());
    for opened in opened {
        steps.push(opened.step);
        warnings.extend(opened.warnings);
    }
    let (name, version) = (manifest.name.to_string(), manifest.version.to_string());
    let body = Body::Chain(Chain { steps, plan });
    let mut pipeline = Pipeline::new(name, version, manifest.digest(), body, queue, prepare);
    pipeline.warnings = warnings;
    Ok(pipeline)
}
