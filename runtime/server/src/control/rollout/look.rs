//! A rollout, as somebody sees it who asks.

use std::time::Duration;

use hotstage_core::journal::Change;
use hotstage_core::name::ModelName;
use hotstage_core::rollout::{Guard, Judgement, Measure, Phase, Plan, Rolling, Seen, Step};

use super::super::change::named;
use super::super::{Control, ControlError, Trouble, locked, past};
use crate::api::{GuardInfo, RolloutInfo, StepInfo};
use crate::journal::JournalError;

impl Control {
    /// The rollout of a name that is under way, or its last one.
    pub async fn rollout(&self, name: &str) -> Result<RolloutInfo, ControlError> {
        // Says what is called nearly so.
        self.model(name)?;
        let name: ModelName = named(name)?;
        let ledger = self.ledger.load_full();
        let rolling = ledger.state.model(name.as_str()).and_then(|entry| entry.rollout.clone());
        let none = || ControlError::new(Trouble::NotFound, format!("`{name}` has had no rollout"));
        let rolling = rolling.ok_or_else(none)?;
        let written = self.stored_rollout(&rolling.digest)?;
        let plan = written.plan();
        let last = self.last_turn(&name).await?;
        let (judgements, baked) = match locked(&self.rollouts).get(&name) {
            Some(watch) if rolling.phase.is_under_way() => (watch.judgements.clone(), Some(watch.step_began.elapsed())),
            _ => (Vec::new(), None),
        };
        let bake = plan.steps.get(rolling.step as usize).map_or(Duration::ZERO, |step| step.bake);
        let (revision, time_ms, actor, reason) = last.unwrap_or_default();
        Ok(RolloutInfo {
            name: name.to_string(),
            phase: rolling.phase.name().to_owned(),
            from: rolling.from.to_string(),
            to: plan.to.to_string(),
            step: rolling.step + 1,
            steps: plan.steps.iter().map(step_info).collect(),
            percent: percent(&rolling, plan),
            baked_ms: baked.map(milliseconds),
            left_ms: baked.map(|baked| milliseconds(bake.saturating_sub(baked))),
            guards: guards(plan, &judgements, rolling.phase),
            revision,
            time: past::shown(time_ms),
            actor,
            reason,
            manifest: serde_json::from_str(&written.canonical()).unwrap_or_default(),
        })
    }

    /// The newest revision that moved a name's rollout.
    async fn last_turn(&self, name: &ModelName) -> Result<Option<(u64, i64, String, String)>, ControlError> {
        let name = name.clone();
        let found = self.with_journal(move |journal| {
            let mut last = None;
            journal.walk(|revision, _| {
                let moves = |change: &Change| matches!(change, Change::Rollout { pipeline, .. } if *pipeline == name);
                if revision.changes.iter().any(moves) {
                    let (actor, reason) = (revision.actor.clone(), revision.reason.clone());
                    last = Some((revision.number, revision.time_ms, actor, reason));
                }
                true
            })?;
            Ok::<_, JournalError>(last)
        });
        Ok(found.await??)
    }
}

/// What the new version has now.
fn percent(rolling: &Rolling, plan: &Plan) -> f64 {
    match rolling.phase {
        Phase::Promoted => 100.0,
        Phase::RolledBack | Phase::Aborted => 0.0,
        Phase::Running | Phase::Paused => plan.steps.get(rolling.step as usize).map_or(100.0, |step| step.percent),
    }
}

fn step_info(step: &Step) -> StepInfo {
    StepInfo { percent: step.percent, bake_ms: milliseconds(step.bake) }
}

fn guards(plan: &Plan, judgements: &[Judgement], phase: Phase) -> Vec<GuardInfo> {
    let waits = Judgement::Waits(Seen::default());
    let judged = judgements.iter().chain(std::iter::repeat(&waits));
    let told = plan.guards.iter().zip(judged).map(|(guard, judgement)| guard_info(guard, judgement));
    // Nobody looks any more when it is over.
    let over = |guard: GuardInfo| GuardInfo { state: "over".to_owned(), ..guard };
    told.map(|guard| if phase.is_under_way() { guard } else { over(guard) }).collect()
}

fn guard_info(guard: &Guard, judgement: &Judgement) -> GuardInfo {
    let Seen { samples, value } = judgement.seen();
    let shown = value.map_or_else(|| "?".to_owned(), |value| guard.measure.show(value));
    GuardInfo {
        name: guard.name.clone(),
        measure: guard.measure.to_string(),
        limit: guard.limit,
        value,
        shown: match guard.measure {
            Measure::Metric(_) => format!("{shown}, {}", guard.limit()),
            _ => format!("{shown} of {}", guard.measure.show(guard.limit)),
        },
        samples,
        min_samples: guard.min_samples,
        window_ms: milliseconds(guard.window),
        state: judgement.name().to_owned(),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
