//! Rollouts: from a plan to the route of each step, every one a revision.
//!
//! A rollout owns the name's route while it is under way: whoever wants to change that pauses
//! nothing by it, but is refused until the rollout is promoted or aborted. [`watch`] looks at the
//! counters and decides with the plan; what it decides goes through here, as what people ask for
//! does.

mod look;
mod watch;

use std::time::Instant;

use hotstage_core::journal::{Change, Entry, Routed, State, Verb};
use hotstage_core::manifest::{Documents, Problem, Problems, WrittenRollout, WrittenRoute, parse};
use hotstage_core::name::{ModelName, Version};
use hotstage_core::rollout::{Measure, Phase, Plan, Rolling, Turn, mirrored, moved};
use hotstage_core::route::{Parts, Variant};
use hotstage_core::suggest::hint;

pub(super) use self::look::step_evidence;
pub(super) use self::watch::Watches;
pub use self::watch::watch_rollouts;
use super::commit::Intent;
use super::prepare::Prepared;
use super::routes::Draft;
use super::{Ask, Control, ControlError, Trouble};
use crate::api::{Applied, RolloutRequest, Steer};
use crate::board::newer;
use crate::pipeline::Pipeline;

/// What the routes of all steps are made of.
struct Base {
    parts: Parts,
    experiment: Option<hotstage_core::experiment::Plan>,
}

impl Control {
    /// Adds the changes that begin the documents' rollouts. One that was begun already is left
    /// alone, however it ended.
    pub(super) fn begin_rollouts(
        &self,
        documents: &Documents,
        prepared: &Prepared,
        draft: &mut Draft,
    ) -> Result<(), ControlError> {
        for rollout in &documents.rollouts {
            let known = draft
                .state
                .model(rollout.name().as_str())
                .and_then(|entry| entry.rollout.as_ref());
            if known.is_some_and(|known| known.digest == rollout.digest()) {
                continue;
            }
            let changes = self.begin(&draft.state, prepared, rollout)?;
            draft.add(changes)?;
        }
        Ok(())
    }

    /// Begins the rollout of a document, also one that was tried before.
    pub async fn rollout_of(
        &self,
        actor: &str,
        request: &RolloutRequest,
    ) -> Result<Applied, ControlError> {
        let file = if request.file.is_empty() {
            "the request"
        } else {
            &request.file
        };
        let documents = parse(file, &request.document)?;
        let invalid =
            |message: &str| ControlError::new(Trouble::Invalid, format!("{file}: {message}"));
        let [rollout] = &documents.rollouts[..] else {
            return Err(invalid("needs one document of kind Rollout"));
        };
        if !documents.pipelines.is_empty()
            || !documents.graphs.is_empty()
            || !documents.routes.is_empty()
        {
            return Err(invalid("holds more than a rollout; apply it instead"));
        }
        let ask = Ask {
            reason: request.reason.clone(),
            if_revision: request.if_revision,
            dry_run: request.dry_run,
        };
        self.check(&ask)?;
        self.start_rollout(actor, rollout, &ask).await
    }

    async fn start_rollout(
        &self,
        actor: &str,
        rollout: &WrittenRollout,
        ask: &Ask,
    ) -> Result<Applied, ControlError> {
        let intent = Intent {
            actor,
            ask,
            verb: Verb::Rollout,
            to: None,
            began: Instant::now(),
        };
        self.commit(intent, Prepared::default(), |state, prepared| {
            self.begin(state, prepared, rollout)
        })
        .await
    }

    /// Does to a rollout that is under way what somebody asks for.
    pub async fn steer_rollout(
        &self,
        actor: &str,
        name: &str,
        order: Steer,
        ask: &Ask,
    ) -> Result<Applied, ControlError> {
        let name: ModelName = super::change::named(name)?;
        let turn = match order {
            Steer::Pause => Turn::Pause(true),
            Steer::Resume => Turn::Pause(false),
            Steer::Promote => Turn::Promote,
            Steer::Abort => Turn::TakeBack(Phase::Aborted),
        };
        self.turn_rollout(actor, &name, ask, turn, None).await
    }

    /// Makes a turn; where one is expected at a step, only if the rollout is still there.
    pub(super) async fn turn_rollout(
        &self,
        actor: &str,
        name: &ModelName,
        ask: &Ask,
        turn: Turn,
        at: Option<&Rolling>,
    ) -> Result<Applied, ControlError> {
        let intent = Intent {
            actor,
            ask,
            verb: Verb::Rollout,
            to: None,
            began: Instant::now(),
        };
        self.commit(intent, Prepared::default(), |state, _| {
            let entry = state.model(name.as_str());
            let rolling = entry
                .and_then(|entry| entry.rollout.as_ref())
                .filter(|rolling| rolling.phase.is_under_way());
            match (rolling, entry) {
                (Some(rolling), Some(entry)) if at.is_none_or(|at| at == rolling) => {
                    self.turned(state, name, entry, rolling, turn)
                }
                _ => {
                    let message = format!("no rollout of `{name}` is under way");
                    Err(ControlError::new(Trouble::Conflict, message))
                }
            }
        })
        .await
    }

    fn begin(
        &self,
        state: &State,
        prepared: &Prepared,
        rollout: &WrittenRollout,
    ) -> Result<Vec<Change>, ControlError> {
        let (name, plan) = (rollout.name(), rollout.plan());
        let refuse =
            |key: &str, message: String| ControlError::from(one(rollout.problem(key, message)));
        let Some(entry) = state.model(name.as_str()) else {
            return Err(refuse(
                "to",
                format!("there is no pipeline `{name}`; apply its versions first"),
            ));
        };
        if let Some(other) = entry
            .rollout
            .as_ref()
            .filter(|other| other.phase.is_under_way())
        {
            let to = self.stored_rollout(&other.digest)?.plan().to.to_string();
            let message = format!(
                "a rollout of `{name}` to version `{to}` is under way; promote or abort it first"
            );
            return Err(ControlError::new(Trouble::Conflict, message));
        }
        let Some(to) = self.about_to_serve(prepared, name, plan.to.as_str()) else {
            let hint = hint(plan.to.as_str(), entry.versions.keys().map(Version::as_str));
            let message = format!(
                "there is no version `{}` of `{name}`; {hint}; apply it first, or together",
                plan.to
            );
            return Err(refuse("to", message));
        };
        check_metrics(plan, &to).map_err(|message| refuse("guards", message))?;
        let before = entry.route.as_ref().map(|routed| routed.digest);
        let written = prepared
            .routes
            .iter()
            .find(|route| Some(route.digest()) == before);
        let from = self
            .giver(entry, plan, written)
            .map_err(|message| refuse("from", message))?;
        // Changes are made one at a time: this one will be the next.
        let started = Some(self.head() + 1);
        let rolling = Rolling {
            digest: rollout.digest(),
            from,
            before,
            step: 0,
            phase: Phase::Running,
            started,
        };
        let base = self.base(name, &rolling, written)?;
        if base
            .experiment
            .as_ref()
            .is_some_and(|plan| plan.adapt.is_some())
        {
            let message = "the route's experiment moves its weights, and so would this; make it `strategy: fixed` first";
            return Err(refuse("to", message.to_owned()));
        }
        self.store().put(rollout.canonical().as_bytes())?;
        let mut draft = Draft::of(state);
        draft.add(self.rerouted(
            &draft.state,
            name,
            &base,
            step_parts(&base.parts, &rolling, plan, 0),
        )?)?;
        draft.add(vec![draft.state.roll(name, Some(rolling))])?;
        Ok(draft.changes)
    }

    /// Who gives the share: who is named, else who has the most.
    fn giver(
        &self,
        entry: &Entry,
        plan: &Plan,
        written: Option<&WrittenRoute>,
    ) -> Result<Version, String> {
        let stored = || self.stored_route(&entry.route.as_ref()?.digest).ok();
        let route = written.cloned().or_else(stored);
        let Some(route) = route else {
            let newest = || {
                entry
                    .versions
                    .keys()
                    .max_by(|a, b| newer(a.as_str(), b.as_str()))
                    .cloned()
            };
            let from = plan
                .from
                .clone()
                .or_else(newest)
                .ok_or("there is no version that could give a share")?;
            return match from {
                from if from == plan.to => Err(no_giver(entry, &from)),
                from if !entry.versions.contains_key(&from) => {
                    Err(format!("there is no version `{from}`"))
                }
                from => Ok(from),
            };
        };
        let variants = &route.route().parts().variants;
        let givers = || {
            variants
                .iter()
                .filter(|variant| variant.weight > 0.0 && variant.version != plan.to)
        };
        match &plan.from {
            Some(from) if givers().any(|variant| variant.version == *from) => Ok(from.clone()),
            Some(from) => Err(format!(
                "version `{from}` has no share in the route to give"
            )),
            None => {
                let most = givers().max_by(|one, other| one.weight.total_cmp(&other.weight));
                let none = || format!("nobody but version `{}` has a share in the route", plan.to);
                most.map(|variant| variant.version.clone()).ok_or_else(none)
            }
        }
    }

    /// The changes that a turn means.
    fn turned(
        &self,
        state: &State,
        name: &ModelName,
        entry: &Entry,
        rolling: &Rolling,
        turn: Turn,
    ) -> Result<Vec<Change>, ControlError> {
        let plan = self.stored_rollout(&rolling.digest)?.plan().clone();
        let mut draft = Draft::of(state);
        let next = rolling.after(turn);
        match turn {
            Turn::Pause(_) => {}
            Turn::Step(step) => {
                let base = self.base(name, rolling, None)?;
                draft.add(self.rerouted(
                    state,
                    name,
                    &base,
                    step_parts(&base.parts, rolling, &plan, step),
                )?)?;
            }
            Turn::TakeBack(_) => {
                let base = self.base(name, rolling, None)?;
                // Without a route before, the newest version would answer: the one that is taken
                // back.
                let without = || moved(&base.parts, &rolling.from, &plan.to, 0.0);
                let parts = if rolling.before.is_some() {
                    base.parts.clone()
                } else {
                    without()
                };
                draft.add(self.rerouted(state, name, &base, parts)?)?;
            }
            Turn::Promote => {
                let newest = entry
                    .versions
                    .keys()
                    .max_by(|a, b| newer(a.as_str(), b.as_str()));
                let base = self.base(name, rolling, None)?;
                let changes = match (rolling.before, newest) {
                    (None, Some(newest)) if *newest == plan.to => vec![state.unroute(name)?],
                    _ => self.rerouted(
                        state,
                        name,
                        &base,
                        moved(&base.parts, &rolling.from, &plan.to, 100.0),
                    )?,
                };
                draft.add(changes)?;
                for label in plan
                    .labels
                    .iter()
                    .filter(|label| entry.labels.get(*label) == Some(&rolling.from))
                {
                    draft.add(
                        draft
                            .state
                            .label(name, label, Some(&plan.to))?
                            .into_iter()
                            .collect(),
                    )?;
                }
            }
        }
        if next == *rolling {
            return Ok(Vec::new());
        }
        draft.add(vec![draft.state.roll(name, Some(next))])?;
        Ok(draft.changes)
    }

    /// The route that the steps start from.
    fn base(
        &self,
        name: &ModelName,
        rolling: &Rolling,
        written: Option<&WrittenRoute>,
    ) -> Result<Base, ControlError> {
        let before = match (rolling.before, written) {
            (Some(_), Some(written)) => written.clone(),
            (Some(before), None) => self.stored_route(&before)?,
            (None, _) => {
                let variants = vec![Variant::new(rolling.from.clone(), 100.0)];
                let parts = Parts {
                    salt: name.to_string(),
                    variants,
                    ..Parts::default()
                };
                return Ok(Base {
                    parts,
                    experiment: None,
                });
            }
        };
        Ok(Base {
            parts: before.route().parts().clone(),
            experiment: before.experiment().cloned(),
        })
    }

    /// The change to a route of these parts, if another one is in force.
    fn rerouted(
        &self,
        state: &State,
        name: &ModelName,
        base: &Base,
        parts: Parts,
    ) -> Result<Vec<Change>, ControlError> {
        let flawed = |flaws: Vec<hotstage_core::route::Flaw>| {
            let flaws: Vec<String> = flaws.into_iter().map(|flaw| flaw.message).collect();
            ControlError::new(
                Trouble::Refused,
                format!(
                    "the route of this step makes no sense: {}",
                    flaws.join("; ")
                ),
            )
        };
        let route = WrittenRoute::of(name, parts, base.experiment.clone()).map_err(flawed)?;
        let digest = route.digest();
        let replaces = state
            .model(name.as_str())
            .and_then(|entry| entry.route.as_ref())
            .map(|routed: &Routed| routed.digest);
        if replaces == Some(digest) {
            return Ok(Vec::new());
        }
        // What can't be read back would be missed at the next start.
        WrittenRoute::parse(&route.canonical()).map_err(|error| {
            ControlError::new(
                Trouble::Refused,
                format!("the route of this step is {error}"),
            )
        })?;
        self.store().put(route.canonical().as_bytes())?;
        let versions = route.versions().cloned().collect();
        Ok(vec![Change::Route {
            pipeline: name.clone(),
            digest,
            versions,
            replaces,
        }])
    }

    /// Refuses what would change a route under a rollout.
    pub(super) fn check_rollouts(state: &State, changes: &[Change]) -> Result<(), ControlError> {
        for change in changes {
            let (Change::Route { pipeline, .. } | Change::Unroute { pipeline, .. }) = change else {
                continue;
            };
            if state.rolling().any(|name| name == pipeline) {
                let message = format!(
                    "a rollout of `{pipeline}` is under way and moves its route; promote or abort it first: `hotstage \
                     rollout abort {pipeline}`"
                );
                return Err(ControlError::new(Trouble::Conflict, message));
            }
        }
        Ok(())
    }

    /// A rollout's plan that is in the store.
    fn stored_rollout(
        &self,
        digest: &hotstage_core::digest::Digest,
    ) -> Result<WrittenRollout, ControlError> {
        let damaged = |message| ControlError::new(Trouble::Defect, message);
        let text = self
            .store()
            .get(digest)?
            .ok_or_else(|| damaged(format!("the rollout {digest} is not in the store")))?;
        WrittenRollout::parse(&String::from_utf8_lossy(&text))
            .map_err(|error| damaged(format!("the rollout {digest} is {error}")))
    }
}

/// How rollouts begin or end with some changes, as places in [`ROLLOUTS`](crate::counts::ROLLOUTS).
pub(super) fn counted(before: &State, changes: &[Change]) -> Vec<usize> {
    let counted = changes.iter().filter_map(|change| {
        let Change::Rollout {
            pipeline,
            rollout: Some(rolling),
            ..
        } = change
        else {
            return None;
        };
        let was = before
            .model(pipeline.as_str())
            .and_then(|entry| entry.rollout.as_ref());
        match rolling.phase {
            Phase::Running | Phase::Paused if was.is_some_and(|was| was.phase.is_under_way()) => {
                None
            }
            Phase::Running | Phase::Paused => Some(0),
            Phase::Promoted => Some(1),
            Phase::RolledBack => Some(2),
            Phase::Aborted => Some(3),
        }
    });
    counted.collect()
}

/// Why the newest version gets no share without a route, and what to do.
fn no_giver(entry: &Entry, newest: &Version) -> String {
    let others = entry.versions.keys().filter(|version| *version != newest);
    let Some(other) = others.max_by(|a, b| newer(a.as_str(), b.as_str())) else {
        return format!("version `{newest}` is the only one and answers every call already");
    };
    format!(
        "version `{newest}` is the newest and, without a route, answers every call already; name the version that it \
         takes over from, `from: \"{other}\"` or `--from {other}`, which then answers until the rollout is done; or \
         apply a route that gives version `{other}` the share first"
    )
}

fn step_parts(base: &Parts, rolling: &Rolling, plan: &Plan, step: usize) -> Parts {
    match plan.steps.get(step) {
        Some(step) if step.mirrors() => mirrored(base, plan),
        Some(step) => moved(base, &rolling.from, &plan.to, step.percent),
        None => moved(base, &rolling.from, &plan.to, 100.0),
    }
}

fn one(problem: Problem) -> Problems {
    let mut problems = Problems::default();
    problems.push(problem);
    problems
}

/// A guard's metric is one of a stage that is there. What the stage observes is known only when it
/// does.
fn check_metrics(plan: &Plan, to: &Pipeline) -> Result<(), String> {
    for guard in &plan.guards {
        let Measure::Metric(metric) = &guard.measure else {
            continue;
        };
        let stages = || to.steps().iter().map(|step| step.name.as_str());
        if stages().all(|stage| stage != metric.stage) {
            let (name, hint) = (&guard.name, hint(&metric.stage, stages()));
            return Err(format!(
                "guard `{name}`: version `{}` has no stage `{}`; {hint}",
                to.version, metric.stage
            ));
        }
    }
    Ok(())
}
