//! Begins a rollout: finds and checks the versions that give and get the share, and makes the route
//! of the first step.

use hotstage_core::journal::{Change, Entry, State};
use hotstage_core::manifest::{Problem, Problems, WrittenRollout, WrittenRoute};
use hotstage_core::name::{ModelName, Version};
use hotstage_core::rollout::{Measure, Phase, Plan, Rolling};
use hotstage_core::suggest::hint;

use super::super::prepare::Prepared;
use super::super::routes::Draft;
use super::super::{Control, ControlError, ErrorKind};
use super::steps::step_parts;
use crate::serving::pipeline::Pipeline;
use crate::serving::registry::newer;

impl Control {
    /// The changes that begin a rollout.
    pub(super) fn begin(
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
        self.check_other(name, entry)?;
        let Some(to) = self.about_to_serve(prepared, name, plan.to.as_str()) else {
            return Err(refuse("to", no_version(name, entry, &plan.to)));
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
        // Changes are made one at a time, so this is the number of the next revision.
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
            let message =
                "the route's experiment already moves its weights; make it `strategy: fixed` first";
            return Err(refuse("to", message.to_owned()));
        }
        self.store().put(rollout.canonical().as_bytes())?;
        let mut draft = Draft::of(state);
        let parts = step_parts(&base.parts, &rolling, plan, 0);
        draft.add(self.rerouted(&draft.state, name, &base, parts)?)?;
        draft.add(vec![draft.state.roll(name, Some(rolling))])?;
        Ok(draft.changes)
    }

    /// Refuses a second rollout of a name.
    fn check_other(&self, name: &ModelName, entry: &Entry) -> Result<(), ControlError> {
        let other = entry.rollout.as_ref();
        let Some(other) = other.filter(|other| other.phase.is_under_way()) else {
            return Ok(());
        };
        let to = self.stored_rollout(&other.digest)?.plan().to.to_string();
        let message = format!(
            "a rollout of `{name}` to version `{to}` is under way; promote or abort it first"
        );
        Err(ControlError::new(ErrorKind::Conflict, message))
    }

    /// The version that gives up the share: the named one, else the one with the largest share.
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
                let none = || format!("no version except `{}` has a share in the route", plan.to);
                most.map(|variant| variant.version.clone()).ok_or_else(none)
            }
        }
    }
}

/// Error: the version that should get the share does not exist.
fn no_version(name: &ModelName, entry: &Entry, to: &Version) -> String {
    let hint = hint(to.as_str(), entry.versions.keys().map(Version::as_str));
    format!("there is no version `{to}` of `{name}`; {hint}; apply it first, or together")
}

/// Error: the newest version can't get a share without a route, with a remedy.
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

fn one(problem: Problem) -> Problems {
    let mut problems = Problems::default();
    problems.push(problem);
    problems
}

/// Checks that each guard's metric names an existing stage. The stage's metrics are known only at
/// run time.
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
