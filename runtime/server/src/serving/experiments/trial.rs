//! An experiment as a route has it in force: what names it, and which requests are part of it.
//!
//! What it is compared by names it: the model, the reward's name, the chance of an error, and each
//! version with its digest. So it goes on when weights move, and another experiment begins when one
//! of those changes.

use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::experiment::Plan;
use hotstage_core::manifest::{WrittenRoute, canonical_text};
use hotstage_core::route::{Choice, Why};
use serde_json::json;

/// Enough of a SHA-256 to tell texts apart, in a size that is copied like a number: no id is kept
/// as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id([u8; 16]);

impl Id {
    /// The id of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut id = [0; 16];
        id.iter_mut()
            .zip(Digest::of(bytes).bytes())
            .for_each(|(to, from)| *to = *from);
        Self(id)
    }

    /// Its bytes.
    pub(super) const fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An experiment.
#[derive(Debug)]
pub struct Trial {
    pub(super) id: Id,
    /// What clients call.
    pub name: String,
    /// What it asks.
    pub plan: Plan,
    /// Versions by name, which is the order in which evidence is kept.
    pub(super) versions: Vec<String>,
    /// For each place in the split, the place among them.
    pub(super) places: Vec<usize>,
}

/// A request's part in an experiment.
#[derive(Clone, Debug)]
pub struct Part {
    pub(super) trial: Arc<Trial>,
    /// Place of the version that answers.
    pub(super) variant: usize,
}

impl Trial {
    /// The experiment of a route whose versions have these digests; none where it has no
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

    /// A request's part in it, if it has one. Only chance may have put it where it is: whom a rule
    /// sends somewhere was chosen, and differs from others in more than its variant. Where weights
    /// move, they move for requests without a key alone, so that only those are dealt alike.
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
