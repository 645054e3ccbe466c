//! Rollback: which changes lead from what is served to what was served, for all names or for one.
//!
//! A name's last change is the last revision that touched it and that a person decided. The steps
//! of a rollout count as one change with the revision that started it, and the moves of an adaptive
//! experiment count with the change that brought its route; so a rollback leads to the state before
//! it began. Default: the state before the last change. Bound: a [`Trail`] holds one state,
//! whatever the number of revisions.

use std::collections::BTreeSet;

use super::state::route;
use super::{ADAPT_ACTOR, Change, Entry, Label, Misfit, Revision, Routed, State, Verb};
use crate::name::{ModelName, Version};
use crate::rollout::{Phase, Rolling};

impl State {
    /// The changes that lead from this state to `target`, in an order in which each of them fits.
    pub fn changes_to(&self, target: &Self) -> Vec<Change> {
        let names: BTreeSet<&ModelName> = self
            .models()
            .chain(target.models())
            .map(|(name, _)| name)
            .collect();
        names
            .into_iter()
            .flat_map(|name| self.changes_of(name, target.model(name.as_str())))
            .collect()
    }

    /// The changes that lead from one name's entry to `target`, in an order in which each of them
    /// fits; `None` ends the name. Other names stay unchanged.
    pub fn changes_of(&self, name: &ModelName, target: Option<&Entry>) -> Vec<Change> {
        let nothing = Entry::default();
        let (from, to) = (
            self.model(name.as_str()).unwrap_or(&nothing),
            target.unwrap_or(&nothing),
        );
        if from == to {
            Vec::new()
        } else {
            steps(name, from, to)
        }
    }

    /// The names that are served here and have no version in `target`.
    pub fn lost_in<'a>(&'a self, target: &'a Self) -> impl Iterator<Item = &'a ModelName> {
        self.models()
            .map(|(name, _)| name)
            .filter(|name| target.model(name.as_str()).is_none())
    }
}

/// The changes that lead from one entry to another.
fn steps(name: &ModelName, from: &Entry, to: &Entry) -> Vec<Change> {
    let (mut loosen, mut serve, mut stop, mut point) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    // A route that changes is removed first and added last, so the versions that it names can
    // change.
    if from.route != to.route {
        loosen.extend(from.route.iter().map(|route| unroute(name, route)));
        point.extend(to.route.iter().map(|routed| route(name, routed)));
    }
    // A rollout that was under way then does not continue: its old version is served again, and it
    // counts as aborted.
    let rollout = to.rollout.clone().map(over);
    // It goes with the last version of its name.
    if from.rollout != rollout && !to.versions.is_empty() {
        let was = from.rollout.clone();
        point.push(Change::Rollout {
            pipeline: name.clone(),
            rollout,
            was,
            evidence: None,
        });
    }
    // A label that moves or goes is removed first, so that the version that it pointed at can go,
    // too.
    for (label, version) in labels_not_in(to, from) {
        loosen.push(Change::Label {
            pipeline: name.clone(),
            label: label.clone(),
            version: None,
            was: Some(version.clone()),
        });
    }
    for (label, version) in labels_not_in(from, to) {
        point.push(Change::Label {
            pipeline: name.clone(),
            label: label.clone(),
            version: Some(version.clone()),
            was: None,
        });
    }
    for (version, digest) in from
        .versions
        .iter()
        .filter(|(version, _)| !to.versions.contains_key(*version))
    {
        stop.push(Change::Stop {
            pipeline: name.clone(),
            version: version.clone(),
            digest: *digest,
        });
    }
    for (version, digest) in &to.versions {
        let replaces = from.versions.get(version).copied();
        if replaces != Some(*digest) {
            let (version, digest) = (version.clone(), *digest);
            serve.push(Change::Serve {
                pipeline: name.clone(),
                version,
                digest,
                replaces,
            });
        }
    }
    // Stops before serves would empty an entry and lose labels that stay. Labels that collide with
    // a version's name have been removed by then.
    [loosen, serve, stop, point].concat()
}

/// The labels of an entry that the other one lacks, or that point elsewhere there.
fn labels_not_in<'a>(
    other: &'a Entry,
    entry: &'a Entry,
) -> impl Iterator<Item = (&'a Label, &'a Version)> {
    entry
        .labels
        .iter()
        .filter(|(label, version)| other.labels.get(*label) != Some(*version))
}

fn over(rolling: Rolling) -> Rolling {
    let phase = if rolling.phase.is_under_way() {
        Phase::Aborted
    } else {
        rolling.phase
    };
    Rolling { phase, ..rolling }
}

fn unroute(name: &ModelName, routed: &Routed) -> Change {
    Change::Unroute {
        pipeline: name.clone(),
        digest: routed.digest,
    }
}

/// A name's entry before its last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The revision after which it was so.
    pub revision: u64,
    /// What was served under the name; `None`: nothing.
    pub entry: Option<Entry>,
}

/// Reads revisions from the first on, and keeps what one name was before its last change.
#[derive(Clone, Debug)]
pub struct Trail {
    name: ModelName,
    state: State,
    origin: Option<Origin>,
}

impl Trail {
    /// The trail before the first revision.
    pub fn of(name: ModelName) -> Self {
        Self {
            name,
            state: State::default(),
            origin: None,
        }
    }

    /// Reads the next revision.
    pub fn add(&mut self, revision: &Revision) -> Result<(), Misfit> {
        let touches = revision
            .changes
            .iter()
            .any(|change| *change.pipeline() == self.name);
        let steps =
            revision.verb == Verb::Rollout && self.state.rolling().any(|name| *name == self.name);
        if touches && !steps && revision.actor != ADAPT_ACTOR {
            let entry = self.state.model(self.name.as_str()).cloned();
            self.origin = Some(Origin {
                revision: revision.number - 1,
                entry,
            });
        }
        revision
            .changes
            .iter()
            .try_for_each(|change| self.state.make(change))
    }

    /// What is served under the name after the revisions read so far.
    pub fn entry(&self) -> Option<&Entry> {
        self.state.model(self.name.as_str())
    }

    /// The name's entry before its last change; `None` if the name never existed.
    pub fn origin(self) -> Option<Origin> {
        self.origin
    }
}

#[cfg(test)]
mod tests;
