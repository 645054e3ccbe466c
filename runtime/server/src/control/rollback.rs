//! Rollback: restores what the whole server, or one name, served after an earlier revision.
//!
//! Default: the state before the newest revision, or before the name's last change. A rollback that
//! leaves a served name without any version is refused unless revision 0 is requested, so that it
//! can't take another pipeline out of service unnoticed.

use std::time::Instant;

use hotstage_core::journal::{Entry, Origin, State, Trail, Verb};
use hotstage_core::name::ModelName;

use super::change::named;
use super::commit::{Intent, RollbackTarget};
use super::{ChangeOptions, Control, ControlError, ErrorKind};
use crate::state::journal::JournalError;
use hotstage_client::{Applied, RollbackRequest};

/// Maximum number of names that a refusal lists.
const NAMED_MAX: usize = 10;

impl Control {
    /// Restores the state after an earlier revision, for one name or for all.
    pub async fn rollback(
        &self,
        actor: &str,
        request: &RollbackRequest,
    ) -> Result<Applied, ControlError> {
        let ask = ChangeOptions {
            reason: request.reason.clone(),
            if_revision: request.if_revision,
            dry_run: request.dry_run,
        };
        self.check(&ask)?;
        let head = self.head();
        if let Some(to) = request.to.filter(|to| *to > head) {
            return Err(no_revision(to, head));
        }
        match &request.name {
            Some(name) => {
                self.rollback_name(actor, named(name)?, request.to, &ask)
                    .await
            }
            None => self.rollback_all(actor, request.to, head, ask).await,
        }
    }

    async fn rollback_all(
        &self,
        actor: &str,
        asked: Option<u64>,
        head: u64,
        ask: ChangeOptions,
    ) -> Result<Applied, ControlError> {
        let began = Instant::now();
        let to = asked.unwrap_or(head.saturating_sub(1));
        if head == 0 {
            return Err(no_revision(to, head));
        }
        let target = self
            .with_journal(move |journal| journal.replay(Some(to)))
            .await??
            .state;
        // The rollback is relative to this head; with another head, the caller saw a different
        // state.
        let ask = ChangeOptions {
            if_revision: ask.if_revision.or(Some(head)),
            ..ask
        };
        let state = self.ledger.load_full();
        if asked != Some(0) {
            check_lost(&state.state, &target, to)?;
        }
        let prepared = self.prepare_again(&state.state.changes_to(&target)).await?;
        let to = Some(RollbackTarget {
            revision: to,
            name: None,
        });
        let intent = Intent {
            actor,
            ask: &ask,
            verb: Verb::Rollback,
            to,
            began,
        };
        self.commit(intent, prepared, |state, _| Ok(state.changes_to(&target)))
            .await
    }

    async fn rollback_name(
        &self,
        actor: &str,
        name: ModelName,
        to: Option<u64>,
        ask: &ChangeOptions,
    ) -> Result<Applied, ControlError> {
        let began = Instant::now();
        let ledger = self.ledger.load_full();
        let now = ledger.state.model(name.as_str());
        let Some(Origin { revision, entry }) = self.origin(&name, to).await? else {
            return Err(self.no_pipeline(name.as_str()));
        };
        if entry.is_none() && now.is_some() && to != Some(0) {
            return Err(not_served(&name, revision));
        }
        let prepared = self
            .prepare_again(&ledger.state.changes_of(&name, entry.as_ref()))
            .await?;
        let back = Some(RollbackTarget {
            revision,
            name: Some(name.clone()),
        });
        let intent = Intent {
            actor,
            ask,
            verb: Verb::Rollback,
            to: back,
            began,
        };
        self.commit(intent, prepared, |state, _| {
            // Other names may change in the meantime. If this name changes, the rollback would
            // start from a state that the caller did not see.
            if state.model(name.as_str()) != now {
                let message =
                    format!("`{name}` was changed meanwhile: check what changed and try again");
                return Err(ControlError::new(ErrorKind::Conflict, message));
            }
            Ok(state.changes_of(&name, entry.as_ref()))
        })
        .await
    }

    /// The state of a name after a revision; without one, before its last change. None: it was
    /// never served.
    async fn origin(
        &self,
        name: &ModelName,
        to: Option<u64>,
    ) -> Result<Option<Origin>, ControlError> {
        let name = name.clone();
        let found = self.with_journal(move |journal| {
            let (mut trail, mut then): (_, Option<Entry>) = (Trail::of(name), None);
            let head = journal.walk(|revision, _| {
                let fits = trail.add(revision).is_ok();
                if to == Some(revision.number) {
                    then = trail.entry().cloned();
                }
                fits
            })?;
            let origin = trail.origin();
            Ok::<_, JournalError>(match to {
                Some(revision) => origin.map(|_| Origin {
                    revision: revision.min(head.number),
                    entry: then,
                }),
                None => origin,
            })
        });
        Ok(found.await??)
    }
}

fn no_revision(to: u64, head: u64) -> ControlError {
    let message = format!("there is no revision {to} to go back to; the newest is {head}");
    ControlError::new(ErrorKind::NotFound, message)
}

/// Refuses a rollback that leaves names without any version.
fn check_lost(state: &State, target: &State, to: u64) -> Result<(), ControlError> {
    let lost: Vec<&str> = state.lost_in(target).map(ModelName::as_str).collect();
    let Some(first) = lost.first() else {
        return Ok(());
    };
    let named: Vec<String> = lost
        .iter()
        .take(NAMED_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match lost.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    // Before the first revision no single name has a state to go back to.
    let alone = match to {
        0 => String::new(),
        to => format!("go back with one name alone: `hotstage rollback NAME --to {to}`; "),
    };
    let message = format!(
        "revision {to} has no version of {}{more}, so every call there would get 404; {alone}take out of service what \
         shall go: `hotstage delete {first}`; or serve nothing at all: `hotstage rollback --to 0`",
        named.join(", ")
    );
    Err(ControlError::new(ErrorKind::Conflict, message))
}

/// Refuses a rollback that would remove the name without saying so.
fn not_served(name: &ModelName, revision: u64) -> ControlError {
    let message = format!(
        "`{name}` had no version after revision {revision}, so every call to it would get 404; if that is meant: \
         `hotstage delete {name}`, or `hotstage rollback {name} --to 0`; `hotstage history` shows what was served when"
    );
    ControlError::new(ErrorKind::Conflict, message)
}
