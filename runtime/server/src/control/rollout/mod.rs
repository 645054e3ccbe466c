//! Rollouts: from a plan to the route of each step. Every step is a revision.
//!
//! While a rollout is running, other changes of the name's route are refused until the rollout is
//! promoted or aborted. [`watch`] reads the counters and decides according to the plan; its
//! transitions and the operators' orders both go through this module.

mod begin;
mod query;
mod steps;
mod watch;

use std::time::Instant;

use hotstage_core::digest::Digest;
use hotstage_core::journal::{Change, State, Verb};
use hotstage_core::manifest::{Documents, WrittenRollout, parse};
use hotstage_core::name::ModelName;
use hotstage_core::rollout::{Phase, Rolling, Transition};

pub(super) use self::query::step_evidence;
pub(super) use self::watch::Watches;
pub use self::watch::watch_rollouts;
use super::commit::Intent;
use super::prepare::Prepared;
use super::routes::Draft;
use super::{ChangeOptions, Control, ControlError, ErrorKind};
use hotstage_client::{Applied, RolloutRequest, Steer};

impl Control {
    /// Adds the changes that begin the documents' rollouts. A rollout that has begun before is
    /// skipped, whatever its outcome.
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

    /// Begins the rollout of a document, even if it was tried before.
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
            |message: &str| ControlError::new(ErrorKind::Invalid, format!("{file}: {message}"));
        let [rollout] = &documents.rollouts[..] else {
            return Err(invalid("needs one document of kind Rollout"));
        };
        if !documents.pipelines.is_empty()
            || !documents.graphs.is_empty()
            || !documents.routes.is_empty()
        {
            return Err(invalid("holds more than a rollout; apply it instead"));
        }
        let ask = ChangeOptions {
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
        ask: &ChangeOptions,
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

    /// Applies an order to a running rollout.
    pub async fn steer_rollout(
        &self,
        actor: &str,
        name: &str,
        order: Steer,
        ask: &ChangeOptions,
    ) -> Result<Applied, ControlError> {
        let name: ModelName = super::change::named(name)?;
        let transition = match order {
            Steer::Pause => Transition::Pause(true),
            Steer::Resume => Transition::Pause(false),
            Steer::Promote => Transition::Promote,
            Steer::Abort => Transition::TakeBack(Phase::Aborted),
        };
        self.turn_rollout(actor, &name, ask, transition, None).await
    }

    /// Makes a transition. If `at` is given, only when the rollout is still at that step.
    pub(super) async fn turn_rollout(
        &self,
        actor: &str,
        name: &ModelName,
        ask: &ChangeOptions,
        transition: Transition,
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
                    self.turned(state, name, entry, rolling, transition)
                }
                _ => {
                    let message = format!("no rollout of `{name}` is under way");
                    Err(ControlError::new(ErrorKind::Conflict, message))
                }
            }
        })
        .await
    }

    /// Refuses changes of a route that a rollout owns.
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
                return Err(ControlError::new(ErrorKind::Conflict, message));
            }
        }
        Ok(())
    }

    /// Reads a rollout's plan from the store.
    fn stored_rollout(&self, digest: &Digest) -> Result<WrittenRollout, ControlError> {
        let damaged = |message| ControlError::new(ErrorKind::Defect, message);
        let text = self
            .store()
            .get(digest)?
            .ok_or_else(|| damaged(format!("the rollout {digest} is not in the store")))?;
        WrittenRollout::parse(&String::from_utf8_lossy(&text))
            .map_err(|error| damaged(format!("the rollout {digest} is {error}")))
    }
}

/// How these changes begin or end rollouts, as indices into
/// [`ROLLOUTS`](crate::serving::counts::ROLLOUTS).
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
