//! Reports a rollout: the current step from memory, past steps and their evidence from the journal.

use std::time::Duration;

use hotstage_core::journal::{Change, Revision};
use hotstage_core::name::ModelName;
use hotstage_core::rollout::{
    Evidence, Finding, Guard, Judgement, Measure, Phase, Plan, Rolling, Step, range, show,
};

use super::super::change::named;
use super::super::{Control, ControlError, ErrorKind, history, locked};
use super::watch::both;
use crate::state::journal::JournalError;
use hotstage_client::{FindingInfo, GuardInfo, RolloutInfo, StepEvidence, StepInfo, StepPast};

/// The journal entries of a rollout.
#[derive(Default)]
struct Past {
    /// The newest revision that moved it.
    last: Option<Moved>,
    /// The revisions that ended a step, in order.
    ended: Vec<(Moved, Evidence)>,
}

/// Summary of a revision.
#[derive(Clone, Default)]
struct Moved {
    revision: u64,
    time_ms: i64,
    actor: String,
    reason: String,
}

/// Current state of a running rollout.
#[derive(Default)]
struct Now {
    judgements: Vec<Judgement>,
    baked: Option<Duration>,
    blocked: Option<String>,
}

impl Control {
    /// The running rollout of a name, or its last one.
    pub async fn rollout(&self, name: &str) -> Result<RolloutInfo, ControlError> {
        // An unknown name yields an error with similar names.
        self.model(name)?;
        let name: ModelName = named(name)?;
        let ledger = self.ledger.load_full();
        let rolling = ledger
            .state
            .model(name.as_str())
            .and_then(|entry| entry.rollout.clone());
        let none =
            || ControlError::new(ErrorKind::NotFound, format!("`{name}` has had no rollout"));
        let rolling = rolling.ok_or_else(none)?;
        let written = self.stored_rollout(&rolling.digest)?;
        let plan = written.plan();
        let Past { last, ended } = self.past_of(&name, &rolling).await?;
        let now = if rolling.phase.is_under_way() {
            self.now_of(&name, plan, &rolling)
        } else {
            Now::default()
        };
        let bake = plan
            .steps
            .get(rolling.step as usize)
            .map_or(Duration::ZERO, |step| step.bake);
        let Moved {
            revision,
            time_ms,
            actor,
            reason,
        } = last.unwrap_or_default();
        let guards = match ended.last().filter(|_| !rolling.phase.is_under_way()) {
            Some((_, evidence)) => plan
                .guards
                .iter()
                .map(|guard| guard_then(guard, evidence))
                .collect(),
            None => guards_now(plan, &now.judgements, rolling.phase),
        };
        Ok(RolloutInfo {
            name: name.to_string(),
            phase: rolling.phase.name().to_owned(),
            from: rolling.from.to_string(),
            to: plan.to.to_string(),
            started: rolling.started,
            step: rolling.step + 1,
            steps: plan.steps.iter().map(step_info).collect(),
            percent: percent(&rolling, plan),
            baked_ms: now.baked.map(milliseconds),
            left_ms: now
                .baked
                .map(|baked| milliseconds(bake.saturating_sub(baked))),
            blocked: now.blocked,
            guards,
            past: ended
                .iter()
                .map(|(moved, evidence)| step_past(plan, moved, evidence))
                .collect(),
            revision,
            time: history::shown(time_ms),
            actor,
            reason,
            manifest: serde_json::from_str(&written.canonical()).unwrap_or_default(),
        })
    }

    fn now_of(&self, name: &ModelName, plan: &Plan, rolling: &Rolling) -> Now {
        let watches = locked(&self.rollouts);
        if let Some(watch) = watches.get(name).filter(|watch| watch.bake.is_of(rolling)) {
            let now = self.began.elapsed();
            return Now {
                judgements: watch.bake.judgements(),
                baked: Some(watch.bake.baked(now)),
                blocked: watch.bake.hindrance(now, watch.is_circuit_open),
            };
        }
        drop(watches);
        let snapshot = self.serving.registry.read();
        let are_served = snapshot
            .model(name.as_str())
            .is_some_and(|model| both(model, plan, rolling).is_some());
        let (from, to) = (&rolling.from, &plan.to);
        let blocked = format!("can't be judged: version `{from}` or `{to}` is not in service");
        Now {
            blocked: (!are_served).then_some(blocked),
            ..Now::default()
        }
    }

    /// The journal entries of this rollout.
    async fn past_of(&self, name: &ModelName, rolling: &Rolling) -> Result<Past, ControlError> {
        let (name, rolling) = (name.clone(), rolling.clone());
        let found = self.with_journal(move |journal| {
            let mut past = Past::default();
            journal.walk(|revision, _| {
                for change in &revision.changes {
                    let Change::Rollout {
                        pipeline,
                        was,
                        evidence,
                        ..
                    } = change
                    else {
                        continue;
                    };
                    if *pipeline != name {
                        continue;
                    }
                    past.last = Some(moved(revision));
                    let is_its = rolling.started.is_some()
                        && was.as_ref().is_some_and(|was| was.is_same(&rolling));
                    let evidence = evidence.clone().filter(|_| is_its);
                    past.ended
                        .extend(evidence.map(|evidence| (moved(revision), evidence)));
                }
                true
            })?;
            Ok::<_, JournalError>(past)
        });
        Ok(found.await??)
    }
}

fn moved(revision: &Revision) -> Moved {
    Moved {
        revision: revision.number,
        time_ms: revision.time_ms,
        actor: revision.actor.clone(),
        reason: revision.reason.clone(),
    }
}

/// The current share of the new version.
fn percent(rolling: &Rolling, plan: &Plan) -> f64 {
    match rolling.phase {
        Phase::Promoted => 100.0,
        Phase::RolledBack | Phase::Aborted => 0.0,
        Phase::Running | Phase::Paused => plan
            .steps
            .get(rolling.step as usize)
            .map_or(100.0, |step| step.percent),
    }
}

fn step_info(step: &Step) -> StepInfo {
    StepInfo {
        percent: step.percent,
        bake_ms: milliseconds(step.bake),
    }
}

fn step_past(plan: &Plan, moved: &Moved, evidence: &Evidence) -> StepPast {
    StepPast {
        percent: plan
            .steps
            .get(evidence.step as usize)
            .map_or(100.0, |step| step.percent),
        revision: moved.revision,
        time: history::shown(moved.time_ms),
        actor: moved.actor.clone(),
        reason: moved.reason.clone(),
        evidence: step_evidence(evidence),
    }
}

/// The evidence of a step as an API type.
pub(in crate::control) fn step_evidence(evidence: &Evidence) -> StepEvidence {
    let guards = evidence.guards.iter().map(|finding| {
        let Finding {
            name,
            measure,
            limit,
            verdict,
            samples,
            value,
            low,
            high,
        } = finding.clone();
        let shown = shown(&measure, value, low, high);
        FindingInfo {
            name,
            measure,
            limit,
            value,
            low,
            high,
            shown,
            samples,
            state: verdict,
        }
    });
    StepEvidence {
        step: evidence.step + 1,
        baked_ms: evidence.baked_ms,
        guards: guards.collect(),
    }
}

fn guards_now(plan: &Plan, judgements: &[Judgement], phase: Phase) -> Vec<GuardInfo> {
    let nothing = Judgement::default();
    let judged = judgements.iter().chain(std::iter::repeat(&nothing));
    let infos = plan.guards.iter().zip(judged).map(|(guard, judgement)| {
        let seen = judgement.seen;
        let info = guard_info(guard, seen.value, [seen.low, seen.high]);
        GuardInfo {
            samples: seen.samples,
            state: judgement.verdict.name().to_owned(),
            ..info
        }
    });
    // Guards are no longer judged after the rollout.
    let over = |guard: GuardInfo| GuardInfo {
        state: "over".to_owned(),
        ..guard
    };
    infos
        .map(|guard| {
            if phase.is_under_way() {
                guard
            } else {
                over(guard)
            }
        })
        .collect()
}

/// A guard of a finished rollout, with its last finding.
fn guard_then(guard: &Guard, evidence: &Evidence) -> GuardInfo {
    match evidence
        .guards
        .iter()
        .find(|finding| finding.name == guard.name)
    {
        Some(Finding {
            value,
            low,
            high,
            samples,
            verdict,
            ..
        }) => {
            let info = guard_info(guard, *value, [*low, *high]);
            GuardInfo {
                samples: *samples,
                state: verdict.clone(),
                ..info
            }
        }
        // The guard got no samples in the last step.
        None => GuardInfo {
            state: "over".to_owned(),
            ..guard_info(guard, None, [None, None])
        },
    }
}

fn guard_info(guard: &Guard, value: Option<f64>, [low, high]: [Option<f64>; 2]) -> GuardInfo {
    let text = shown(guard.measure.name(), value, low, high);
    GuardInfo {
        name: guard.name.clone(),
        measure: guard.measure.to_string(),
        limit: guard.limit,
        value,
        low,
        high,
        shown: match guard.measure {
            Measure::Metric(_) => format!("{text}, {}", guard.limit()),
            _ => format!("{text} of {}", guard.measure.show(guard.limit)),
        },
        samples: 0,
        min_samples: guard.min_samples,
        window_ms: milliseconds(guard.window),
        state: String::new(),
    }
}

/// A value and its bounds as text.
fn shown(measure: &str, value: Option<f64>, low: Option<f64>, high: Option<f64>) -> String {
    let value = value.map(|value| (show(measure, value), range(measure, low, high)));
    match value {
        Some((value, Some(range))) => format!("{value} ({range})"),
        Some((value, None)) => value,
        None => "?".to_owned(),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
