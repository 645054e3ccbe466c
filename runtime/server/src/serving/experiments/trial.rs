//! A running experiment of a route: its identity, and which requests take part in it.
//!
//! The identity covers everything that the comparison depends on: the model, the reward's name, the
//! error probability, and each version with its digest. So an experiment continues when weights
//! change, and a new one begins when one of those changes.

use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::experiment::Plan;
use hotstage_core::manifest::{WrittenRoute, canonical_text};
use hotstage_core::route::{Choice, Why};
use serde_json::json;

/// A prefix of a SHA-256, long enough to distinguish ids and small enough to copy. Ids are not
/// stored as they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id([u8; 16]);

impl Id {
    /// The hash of an id's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut id = [0; 16];
        id.iter_mut()
            .zip(Digest::of(bytes).bytes())
            .for_each(|(to, from)| *to = *from);
        Self(id)
    }

    /// The bytes of the hash.
    pub(super) const fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An experiment.
#[derive(Debug)]
pub struct Trial {
    pub(super) id: Id,
    /// The model that clients call.
    pub name: String,
    /// The experiment's settings.
    pub plan: Plan,
    /// Versions sorted by name, the order in which evidence is kept.
    pub(super) versions: Vec<String>,
    /// For each position in the split, the position in `versions`.
    pub(super) places: Vec<usize>,
}

/// A request's part in an experiment.
#[derive(Clone, Debug)]
pub struct Part {
    pub(super) trial: Arc<Trial>,
    /// Position of the version that was assigned.
    pub(super) variant: usize,
}

impl Trial {
    /// The experiment of a route whose versions have these digests; `None` when the route has no
    /// experiment.
    pub fn of(written: &WrittenRoute, digests: &[Digest]) -> Option<Self> {
        let plan = written.experiment()?.clone();
        let versions: Vec<&str> = written
            .versions()
            .take(digests.len())
            .map(hotstage_core::name::Version::as_str)
            .collect();
        let mut order: Vec<usize> = (0..versions.len()).collect();
        order.sort_by_key(|place| versions[*place]);
        let named = |place: &usize| {
            json!([
                versions[*place],
                digests.get(*place).map(ToString::to_string)
            ])
        };
        let text = canonical_text(&json!({
            "name": written.name().as_str(),
            "reward": plan.reward,
            "alpha": plan.alpha,
            "versions": order.iter().map(named).collect::<Vec<_>>(),
        }));
        let mut places = vec![0; order.len()];
        order
            .iter()
            .enumerate()
            .for_each(|(place, in_split)| places[*in_split] = place);
        let versions = order
            .iter()
            .map(|place| versions[*place].to_owned())
            .collect();
        Some(Self {
            id: Id::of(text.as_bytes()),
            name: written.name().to_string(),
            plan,
            versions,
            places,
        })
    }

    /// A request's part in the experiment. Only randomly assigned requests take part: those that a
    /// rule selects differ in more than their variant. Where weights change over time, they change
    /// only for requests without a key, so only those take part.
    pub fn part(trial: &Arc<Self>, choice: Choice) -> Option<Part> {
        let is_dealt = match choice.why {
            Why::Rule(_) => false,
            Why::Key => trial.plan.adapt.is_none(),
            Why::Chance => true,
        };
        let variant = trial.places.get(choice.variant).copied()?;
        is_dealt.then(|| Part {
            trial: Arc::clone(trial),
            variant,
        })
    }
}
