//! Transitions of a rollout as changes: the route of each step, of the promotion and of the return
//! to the previous route.

use hotstage_core::experiment;
use hotstage_core::journal::{Change, Entry, Label, Routed, State};
use hotstage_core::manifest::WrittenRoute;
use hotstage_core::name::ModelName;
use hotstage_core::rollout::{Plan, Rolling, Transition, mirrored, moved};
use hotstage_core::route::{Flaw, Parts, Variant};

use super::super::routes::Draft;
use super::super::{Control, ControlError, ErrorKind};
use crate::serving::registry::newer;

/// The parts common to the routes of all steps.
pub(super) struct Base {
    pub(super) parts: Parts,
    pub(super) experiment: Option<experiment::Plan>,
}

impl Control {
    /// The changes of a transition.
    pub(super) fn turned(
        &self,
        state: &State,
        name: &ModelName,
        entry: &Entry,
        rolling: &Rolling,
        transition: Transition,
    ) -> Result<Vec<Change>, ControlError> {
        let plan = self.stored_rollout(&rolling.digest)?.plan().clone();
        let mut draft = Draft::of(state);
        let next = rolling.after(transition);
        match transition {
            Transition::Pause(_) => {}
            Transition::Step(step) => {
                let base = self.base(name, rolling, None)?;
                let parts = step_parts(&base.parts, rolling, &plan, step);
                draft.add(self.rerouted(state, name, &base, parts)?)?;
            }
            Transition::TakeBack(_) => {
                let base = self.base(name, rolling, None)?;
                // Without a previous route the newest version would be the default, which is the
                // one being rolled back.
                let without = || moved(&base.parts, &rolling.from, &plan.to, 0.0);
                let parts = if rolling.before.is_some() {
                    base.parts.clone()
                } else {
                    without()
                };
                draft.add(self.rerouted(state, name, &base, parts)?)?;
            }
            Transition::Promote => {
                draft.add(self.promoted(state, name, entry, rolling, &plan)?)?;
                let is_moved = |label: &&Label| entry.labels.get(*label) == Some(&rolling.from);
                for label in plan.labels.iter().filter(is_moved) {
                    let change = draft.state.label(name, label, Some(&plan.to))?;
                    draft.add(change.into_iter().collect())?;
                }
            }
        }
        if next == *rolling {
            return Ok(Vec::new());
        }
        draft.add(vec![draft.state.roll(name, Some(next))])?;
        Ok(draft.changes)
    }

    /// The change to the route after the last step. If there was no route before and the new
    /// version is the newest, the route is removed.
    fn promoted(
        &self,
        state: &State,
        name: &ModelName,
        entry: &Entry,
        rolling: &Rolling,
        plan: &Plan,
    ) -> Result<Vec<Change>, ControlError> {
        let newest = entry
            .versions
            .keys()
            .max_by(|a, b| newer(a.as_str(), b.as_str()));
        let base = self.base(name, rolling, None)?;
        if rolling.before.is_none() && newest == Some(&plan.to) {
            return Ok(vec![state.unroute(name)?]);
        }
        let parts = moved(&base.parts, &rolling.from, &plan.to, 100.0);
        self.rerouted(state, name, &base, parts)
    }

    /// The route that the steps start from.
    pub(super) fn base(
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

    /// Changes the route to these parts, unless it is already in force.
    pub(super) fn rerouted(
        &self,
        state: &State,
        name: &ModelName,
        base: &Base,
        parts: Parts,
    ) -> Result<Vec<Change>, ControlError> {
        let flawed = |flaws: Vec<Flaw>| {
            let flaws: Vec<String> = flaws.into_iter().map(|flaw| flaw.message).collect();
            ControlError::new(
                ErrorKind::Refused,
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
        // A route that can't be read back would be missing at the next start.
        WrittenRoute::parse(&route.canonical()).map_err(|error| {
            ControlError::new(
                ErrorKind::Refused,
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
}

/// The parts of the route of a step.
pub(super) fn step_parts(base: &Parts, rolling: &Rolling, plan: &Plan, step: usize) -> Parts {
    match plan.steps.get(step) {
        Some(step) if step.mirrors() => mirrored(base, plan),
        Some(step) => moved(base, &rolling.from, &plan.to, step.percent),
        None => moved(base, &rolling.from, &plan.to, 100.0),
    }
}
