//! Watches rollouts: every [`TICK`], and right after each transition, reads the counters of both
//! versions, judges the guards and makes the next transition.
//!
//! Counts belong to one step of one rollout. They start at zero when a rollout is restarted, when
//! the server restarts, and when the version gets another pipeline. `core/src/rollout/` decides
//! what follows from the counts.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hotstage_core::failure::Kind;
use hotstage_core::journal::Change;
use hotstage_core::name::ModelName;
use hotstage_core::rollout::{
    Bake, Copies, Counts, Guard, Measure, Next, Phase, Plan, Rolling, Served, Transition, Values,
};

use super::super::{ChangeOptions, Control, locked};
use crate::serving::counts::FALLS;
use crate::serving::mirror::Mirror;
use crate::serving::pipeline::Pipeline;
use crate::serving::registry::Model;

/// Interval of reading counters.
const TICK: Duration = Duration::from_millis(100);
/// Delay after a failed transition, for example when the disk is full.
const AGAIN: Duration = Duration::from_secs(1);
/// The actor of these revisions.
const ACTOR: &str = "rollout";
/// Index in [`FALLS`] of requests that an open circuit kept from a version.
const CIRCUIT: usize = FALLS.len() - 1;

/// State of the running rollouts.
pub(in crate::control) type Watches = HashMap<ModelName, Watch>;

/// State of one step of one rollout.
pub(in crate::control) struct Watch {
    pub(super) bake: Bake,
    /// The pipelines whose counters are read. Weak: they may be freed, but their addresses are not
    /// reused while this exists.
    read: [Weak<Pipeline>; 2],
    pub(super) is_circuit_open: bool,
    not_before: Instant,
}

/// Evaluates rollouts until the server stops.
pub async fn watch_rollouts(control: Arc<Control>) {
    loop {
        // A new step is read as soon as it begins.
        let _ = tokio::time::timeout(TICK, control.rollout_moved.notified()).await;
        if control.serving.registry.phase() == crate::serving::registry::Phase::Serving {
            control.look_at_rollouts().await;
        }
    }
}

impl Control {
    async fn look_at_rollouts(&self) {
        let ledger = self.ledger.load_full();
        let names: Vec<ModelName> = ledger.state.rolling().cloned().collect();
        locked(&self.rollouts).retain(|name, _| names.contains(name));
        for name in names {
            let entry = ledger.state.model(name.as_str());
            let Some(rolling) = entry.and_then(|entry| entry.rollout.as_ref()) else {
                continue;
            };
            let Some(next) = self.look_at(&name, rolling) else {
                continue;
            };
            let (transition, reason) = match next {
                Next::Stay => continue,
                Next::Step(step) => (
                    Transition::Step(step),
                    format!("step {} held", rolling.step + 1),
                ),
                Next::Promote => (Transition::Promote, "every step held".to_owned()),
                Next::TakeBack(why) => (Transition::TakeBack(Phase::RolledBack), why),
            };
            let ask = ChangeOptions {
                reason: reason.clone(),
                ..ChangeOptions::default()
            };
            match self
                .turn_rollout(ACTOR, &name, &ask, transition, Some(rolling))
                .await
            {
                Ok(applied) => {
                    let (pipeline, revision) = (name.as_str(), applied.head);
                    tracing::info!(pipeline, revision, ?transition, reason, "rollout");
                }
                Err(error) => {
                    tracing::error!(pipeline = name.as_str(), ?transition, reason, %error, "transition failed");
                    if let Some(watch) = locked(&self.rollouts).get_mut(&name) {
                        watch.not_before = Instant::now() + AGAIN;
                    }
                }
            }
        }
    }

    /// Reads the counters of one rollout and returns the next transition. None: a version is not in
    /// service.
    fn look_at(&self, name: &ModelName, rolling: &Rolling) -> Option<Next> {
        let mut watches = locked(&self.rollouts);
        let known = watches.remove(name);
        let plan = match known.as_ref().filter(|watch| watch.bake.is_of(rolling)) {
            Some(watch) => Arc::clone(watch.bake.plan()),
            None => Arc::new(self.stored_rollout(&rolling.digest).ok()?.plan().clone()),
        };
        let snapshot = self.serving.registry.read();
        let model = snapshot.model(name.as_str())?;
        let [to, from] = both(model, &plan, rolling)?;
        let counts = counts(model, &plan, [to, from]);
        let (now, at) = (self.began.elapsed(), Instant::now());
        let (known, read, not_before) = match known {
            Some(Watch {
                bake,
                read,
                not_before,
                ..
            }) => (Some(bake), Some(read), not_before),
            None => (None, None, at),
        };
        let mut bake = Bake::of(known, rolling, &plan, now, &counts);
        let is_read = |read: [Weak<Pipeline>; 2]| {
            read.iter()
                .zip([to, from])
                .all(|(read, pipeline)| std::ptr::eq(read.as_ptr(), Arc::as_ptr(pipeline)))
        };
        if !read.is_none_or(is_read) {
            bake = bake.anew(now, &counts);
        }
        let next = bake.look(rolling.phase, now, &counts);
        let is_circuit_open = is_circuit_open(model, to);
        let read = [to, from].map(Arc::downgrade);
        watches.insert(
            name.clone(),
            Watch {
                bake,
                read,
                is_circuit_open,
                not_before,
            },
        );
        Some(if at < not_before { Next::Stay } else { next })
    }

    /// Adds to each change that ends a step the evidence of that step.
    pub(in crate::control) fn with_evidence(&self, changes: Vec<Change>) -> Vec<Change> {
        let watches = locked(&self.rollouts);
        let ended = |change: Change| match change {
            Change::Rollout {
                pipeline,
                rollout,
                was,
                evidence: None,
            } => {
                let ends = |was: &&Rolling| was.ends_step(rollout.as_ref());
                let watch = watches.get(&pipeline).zip(was.as_ref().filter(ends));
                let watch = watch.filter(|(watch, was)| watch.bake.is_of(was));
                let evidence = watch.map(|(watch, _)| watch.bake.evidence(self.began.elapsed()));
                Change::Rollout {
                    pipeline,
                    rollout,
                    was,
                    evidence,
                }
            }
            other => other,
        };
        changes.into_iter().map(ended).collect()
    }
}

/// The new and the old version, if both are in service.
pub(super) fn both<'a>(
    model: &'a Model,
    plan: &Plan,
    rolling: &Rolling,
) -> Option<[&'a Arc<Pipeline>; 2]> {
    let find = |version: &str| {
        model
            .versions()
            .iter()
            .find(|pipeline| pipeline.version == version)
    };
    Some([find(plan.to.as_str())?, find(rolling.from.as_str())?])
}

fn is_circuit_open(model: &Model, to: &Arc<Pipeline>) -> bool {
    model
        .routing()
        .is_some_and(|routing| routing.open_circuits().any(|version| version == to.version))
}

/// The current values of all counters.
fn counts(model: &Model, plan: &Plan, [to, from]: [&Arc<Pipeline>; 2]) -> Counts {
    let mirrors = model.routing().map_or(&[][..], |routing| routing.mirrors());
    let mirror = mirrors
        .iter()
        .find(|mirror| Arc::ptr_eq(&mirror.pipeline, to));
    Counts {
        to: served(to),
        from: served(from),
        copies: mirror.map(|mirror| copies(mirror)).unwrap_or_default(),
        values: plan
            .guards
            .iter()
            .map(|guard| observed(to, guard))
            .collect(),
    }
}

/// Requests for a version. Those that its open circuit kept away count as failures.
fn served(pipeline: &Pipeline) -> Served {
    let counts = &pipeline.counts;
    let servers = Kind::ALL
        .iter()
        .zip(&counts.failed)
        .filter(|(kind, _)| kind.class().is_failure_of_the_version());
    let failed: u64 = servers.map(|(_, count)| count.load(Relaxed)).sum();
    let errors = failed + counts.fell[CIRCUIT].load(Relaxed);
    Served {
        requests: counts.answered.read() + errors,
        errors,
        durations: counts.durations.buckets(),
    }
}

/// A failed copy counts as a disagreement.
fn copies(mirror: &Mirror) -> Copies {
    let failed = mirror.counts.failed.load(Relaxed);
    Copies {
        answered: mirror.counts.compared.load(Relaxed) + failed,
        disagreed: mirror.counts.disagreed.load(Relaxed) + failed,
    }
}

/// The observations of a stage that a guard uses.
fn observed(pipeline: &Pipeline, guard: &Guard) -> Values {
    let Measure::Metric(metric) = &guard.measure else {
        return Values::default();
    };
    let step = pipeline
        .steps()
        .iter()
        .find(|step| step.name == metric.stage);
    let seen = step.and_then(|step| {
        step.stage
            .observed()
            .0
            .into_iter()
            .find(|seen| seen.name == metric.name)
    });
    seen.map_or_else(Values::default, |seen| Values {
        count: seen.count,
        sum: seen.sum,
        squares: seen.squares,
    })
}
