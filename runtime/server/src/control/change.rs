//! Changes to names that are already served: remove versions, move labels, load and unload.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Instant;

use hotstage_core::journal::{Change, Entry, Label, REASON_BYTES_MAX, State, Verb, route};
use hotstage_core::name::{ModelName, Version};

use super::commit::Intent;
use super::prepare::Prepared;
use super::{ChangeOptions, Control, ControlError, ErrorKind};
use hotstage_client::{Applied, LabelsRequest};

impl Control {
    /// Removes a version, or without `version` the whole name with its labels.
    pub async fn delete(
        &self,
        actor: &str,
        name: &str,
        version: Option<&str>,
        ask: &ChangeOptions,
    ) -> Result<Applied, ControlError> {
        self.end(actor, name, version, ask, Verb::Delete).await
    }

    async fn end(
        &self,
        actor: &str,
        name: &str,
        version: Option<&str>,
        ask: &ChangeOptions,
        verb: Verb,
    ) -> Result<Applied, ControlError> {
        self.check(ask)?;
        let name: ModelName = named(name)?;
        let version: Option<Version> = version.map(named).transpose()?;
        let intent = Intent {
            actor,
            ask,
            verb,
            to: None,
            began: Instant::now(),
        };
        self.commit(intent, Prepared::default(), |state, _| {
            Ok(state.delete(&name, version.as_ref())?)
        })
        .await
    }

    /// Removes a name's route; its newest version becomes the default again.
    pub async fn unroute(
        &self,
        actor: &str,
        name: &str,
        ask: &ChangeOptions,
    ) -> Result<Applied, ControlError> {
        self.check(ask)?;
        let name: ModelName = named(name)?;
        let intent = Intent {
            actor,
            ask,
            verb: Verb::Delete,
            to: None,
            began: Instant::now(),
        };
        self.commit(intent, Prepared::default(), |state, _| {
            Ok(vec![state.unroute(&name)?])
        })
        .await
    }

    /// Points a label at a version, or without a version removes the label.
    pub async fn label(
        &self,
        actor: &str,
        name: &str,
        label: &str,
        version: Option<&str>,
        ask: &ChangeOptions,
    ) -> Result<Applied, ControlError> {
        self.check(ask)?;
        let (name, label): (ModelName, Version) = (named(name)?, named(label)?);
        let version: Option<Version> = version.map(named).transpose()?;
        let intent = Intent {
            actor,
            ask,
            verb: Verb::Label,
            to: None,
            began: Instant::now(),
        };
        self.commit(intent, Prepared::default(), |state, _| {
            Ok(state
                .label(&name, &label, version.as_ref())?
                .into_iter()
                .collect())
        })
        .await
    }

    /// Moves or removes several labels of a name in one revision: all of them, or nothing changes.
    pub async fn labels(
        &self,
        actor: &str,
        name: &str,
        request: &LabelsRequest,
    ) -> Result<Applied, ControlError> {
        let LabelsRequest {
            labels,
            reason,
            if_revision,
            dry_run,
        } = request;
        let ask = ChangeOptions {
            reason: reason.clone(),
            if_revision: *if_revision,
            dry_run: *dry_run,
        };
        self.check(&ask)?;
        let name: ModelName = named(name)?;
        if labels.is_empty() {
            return Err(ControlError::new(
                ErrorKind::Invalid,
                "labels: is empty; there is no label to move",
            ));
        }
        let mut requested: Vec<(Label, Option<Version>)> = Vec::with_capacity(labels.len());
        for (label, version) in labels {
            let label = named(label)?;
            requested.push((label, version.as_deref().map(named).transpose()?));
        }
        let intent = Intent {
            actor,
            ask: &ask,
            verb: Verb::Label,
            to: None,
            began: Instant::now(),
        };
        self.commit(intent, Prepared::default(), |state, _| {
            let changes = requested
                .iter()
                .map(|(label, version)| state.label(&name, label, version.as_ref()));
            Ok(changes
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .flatten()
                .collect())
        })
        .await
    }

    /// Removes all versions of a name; `load` can restore them.
    pub async fn unload(&self, actor: &str, name: &str) -> Result<Applied, ControlError> {
        self.end(actor, name, None, &ChangeOptions::default(), Verb::Unload)
            .await
    }

    /// Serves a name again as it was last served. Does nothing when it is served.
    pub async fn load(&self, actor: &str, name: &str) -> Result<Applied, ControlError> {
        let began = Instant::now();
        let name: ModelName = named(name)?;
        let is_served = |state: &State| state.model(name.as_str()).is_some();
        let mut back = Vec::new();
        self.open_name_again(&name).await?;
        if !is_served(&self.ledger.load().state) {
            let last = self.last_entries().await?.remove(&name);
            let never = || {
                ControlError::new(
                    ErrorKind::NotFound,
                    format!("`{name}` was never served; apply it first"),
                )
            };
            back = bring_back(&name, &last.ok_or_else(never)?);
        }
        let prepared = self.prepare_again(&back).await?;
        let intent = Intent {
            actor,
            ask: &ChangeOptions::default(),
            verb: Verb::Load,
            to: None,
            began,
        };
        // Only this name is compared; other names may change in the meantime.
        self.commit(intent, prepared, |state, _| {
            Ok(if is_served(state) {
                Vec::new()
            } else {
                back.clone()
            })
        })
        .await
    }

    /// For each name that is not served, what it served last.
    pub(super) async fn last_entries(&self) -> Result<BTreeMap<ModelName, Entry>, ControlError> {
        self.with_journal(|journal| {
            let (mut state, mut last) = (State::default(), BTreeMap::new());
            journal.walk(|revision, _| {
                let names: BTreeSet<&ModelName> =
                    revision.changes.iter().map(Change::pipeline).collect();
                let before: Vec<_> = names
                    .into_iter()
                    .map(|name| (name, state.model(name.as_str()).cloned()))
                    .collect();
                let fits = revision
                    .changes
                    .iter()
                    .all(|change| state.make(change).is_ok());
                for (name, entry) in before {
                    match entry.filter(|_| state.model(name.as_str()).is_none()) {
                        Some(entry) => last.insert(name.clone(), entry),
                        None => last.remove(name),
                    };
                }
                fits
            })?;
            Ok(last)
        })
        .await?
    }

    /// Checks that need no preparation.
    pub(super) fn check(&self, ask: &ChangeOptions) -> Result<(), ControlError> {
        if ask.reason.len() > REASON_BYTES_MAX {
            let message = format!(
                "the reason has {} bytes; at most {REASON_BYTES_MAX} are taken",
                ask.reason.len()
            );
            return Err(ControlError::new(ErrorKind::Invalid, message));
        }
        self.check_head(ask)
    }

    /// Checks that the revision the caller expects is still the newest.
    pub(super) fn check_head(&self, ask: &ChangeOptions) -> Result<(), ControlError> {
        let head = self.head();
        match ask.if_revision {
            Some(expected) if expected != head => {
                let message = format!(
                    "the newest revision is {head}, not {expected}: check what changed and try again"
                );
                Err(ControlError::new(ErrorKind::Conflict, message))
            }
            _ => Ok(()),
        }
    }
}

fn bring_back(name: &ModelName, entry: &Entry) -> Vec<Change> {
    let serve = entry
        .versions
        .iter()
        .map(|(version, digest)| Change::Serve {
            pipeline: name.clone(),
            version: version.clone(),
            digest: *digest,
            replaces: None,
        });
    let labels = entry.labels.iter().map(|(label, version)| Change::Label {
        pipeline: name.clone(),
        label: label.clone(),
        version: Some(version.clone()),
        was: None,
    });
    let routed = entry.route.iter().map(|routed| route(name, routed));
    serve.chain(labels).chain(routed).collect()
}

pub(super) fn named<T: FromStr>(text: &str) -> Result<T, ControlError>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| ControlError::new(ErrorKind::Invalid, error.to_string()))
}
