//! What is served after a revision, and which changes fit it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Label};
use crate::digest::Digest;
use crate::name::{ModelName, Version};
use crate::rollout::Rolling;

/// What is served: which versions, and which labels point at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(super) models: BTreeMap<ModelName, Entry>,
    pub(super) pipelines: usize,
    /// Names whose rollouts are under way: a set of its own, because it is read many times a
    /// second.
    pub(super) rolling: BTreeSet<ModelName>,
}

/// What is served under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The canonical manifest of each version.
    pub versions: BTreeMap<Version, Digest>,
    /// The version that each label points at: always one of those above.
    pub labels: BTreeMap<Label, Version>,
    /// The route that is in force.
    pub route: Option<Routed>,
    /// The rollout that is under way, or the last one.
    pub rollout: Option<Rolling>,
}

/// A route that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// Its canonical document.
    pub digest: Digest,
    /// The versions that it names: always some of those that are served.
    pub versions: Vec<Version>,
}

/// The effect of applying a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not served yet.
    New,
    /// It is served with the same digest.
    Unchanged,
    /// It is served with this other digest.
    Differs(Digest),
    /// The version's name is already a label of its pipeline.
    IsLabel,
}

/// A change that does not fit this state; the message says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Misfit {
    #[error("{pipeline}/{version} is served with another digest than the change says")]
    Digest {
        pipeline: ModelName,
        version: Version,
    },
    #[error("there is no {pipeline}/{version}")]
    NotServed {
        pipeline: ModelName,
        version: Version,
    },
    #[error("there is no pipeline `{pipeline}`")]
    NoPipeline { pipeline: ModelName },
    #[error(
        "{pipeline}/{version} can't go: the label `{label}` points at it; move or delete the label first"
    )]
    Labelled {
        pipeline: ModelName,
        version: Version,
        label: Label,
    },
    #[error("`{label}` can't be a label of `{pipeline}`: a version has this name")]
    IsVersion { pipeline: ModelName, label: Label },
    #[error("`{pipeline}` has no label `{label}`")]
    NoLabel { pipeline: ModelName, label: Label },
    #[error("`{version}` can't be a version of `{pipeline}`: a label has this name")]
    IsLabel {
        pipeline: ModelName,
        version: Version,
    },
    #[error("the label `{label}` of `{pipeline}` does not point where the change says")]
    LabelMoved { pipeline: ModelName, label: Label },
    #[error(
        "{pipeline}/{version} can't go: the route `{pipeline}` names it; change or delete the route first"
    )]
    Routed {
        pipeline: ModelName,
        version: Version,
    },
    #[error("`{pipeline}` has no route")]
    NoRoute { pipeline: ModelName },
    #[error("another route of `{pipeline}` is in force than the change says")]
    RouteMoved { pipeline: ModelName },
    #[error("the rollout of `{pipeline}` is not where the change says")]
    RolloutMoved { pipeline: ModelName },
}

impl State {
    /// All names, in order, with what is served under them.
    pub fn models(&self) -> impl ExactSizeIterator<Item = (&ModelName, &Entry)> {
        self.models.iter()
    }

    /// What is served under a name.
    pub fn model(&self, name: &str) -> Option<&Entry> {
        self.models.get(name)
    }

    /// All versions of all names.
    pub fn pipelines(&self) -> impl Iterator<Item = (&ModelName, &Version, Digest)> {
        self.models.iter().flat_map(|(name, entry)| {
            entry
                .versions
                .iter()
                .map(move |(version, digest)| (name, version, *digest))
        })
    }

    /// How many versions are served, over all names.
    pub const fn len(&self) -> usize {
        self.pipelines
    }

    /// Whether nothing is served.
    pub const fn is_empty(&self) -> bool {
        self.pipelines == 0
    }

    /// The digest of a version that is served.
    pub fn digest(&self, name: &str, version: &str) -> Option<Digest> {
        self.models.get(name)?.versions.get(version).copied()
    }

    /// The effect of applying a version of this digest.
    pub fn verdict(&self, name: &str, version: &str, digest: Digest) -> Verdict {
        let Some(entry) = self.models.get(name) else {
            return Verdict::New;
        };
        match entry.versions.get(version) {
            Some(served) if *served == digest => Verdict::Unchanged,
            Some(served) => Verdict::Differs(*served),
            None if entry.labels.contains_key(version) => Verdict::IsLabel,
            None => Verdict::New,
        }
    }

    /// The changes that stop a version, or all versions with their labels when none is named.
    pub fn delete(
        &self,
        name: &ModelName,
        version: Option<&Version>,
    ) -> Result<Vec<Change>, Misfit> {
        let pipeline = || name.clone();
        let entry = self.models.get(name).ok_or_else(|| Misfit::NoPipeline {
            pipeline: pipeline(),
        })?;
        let stop = |(version, digest): (&Version, &Digest)| Change::Stop {
            pipeline: pipeline(),
            version: version.clone(),
            digest: *digest,
        };
        let Some(version) = version else {
            let labels = entry.labels.iter().map(|(label, version)| Change::Label {
                pipeline: pipeline(),
                label: label.clone(),
                version: None,
                was: Some(version.clone()),
            });
            let route = entry.route.iter();
            let route = route.map(|route| Change::Unroute {
                pipeline: pipeline(),
                digest: route.digest,
            });
            return Ok(route
                .chain(labels)
                .chain(entry.versions.iter().map(stop))
                .collect());
        };
        let served = entry.versions.get_key_value(version);
        let served = served.ok_or_else(|| Misfit::NotServed {
            pipeline: pipeline(),
            version: version.clone(),
        })?;
        if let Some((label, _)) = entry
            .labels
            .iter()
            .find(|(_, points_at)| *points_at == version)
        {
            return Err(Misfit::Labelled {
                pipeline: pipeline(),
                version: version.clone(),
                label: label.clone(),
            });
        }
        if entry
            .route
            .as_ref()
            .is_some_and(|route| route.versions.contains(version))
        {
            return Err(Misfit::Routed {
                pipeline: pipeline(),
                version: version.clone(),
            });
        }
        Ok(vec![stop(served)])
    }

    /// The change that removes a name's route.
    pub fn unroute(&self, name: &ModelName) -> Result<Change, Misfit> {
        let route = self.models.get(name).and_then(|entry| entry.route.as_ref());
        let digest = route
            .ok_or_else(|| Misfit::NoRoute {
                pipeline: name.clone(),
            })?
            .digest;
        Ok(Change::Unroute {
            pipeline: name.clone(),
            digest,
        })
    }

    /// The digests of all documents that are in force.
    pub fn documents(&self) -> impl Iterator<Item = Digest> {
        let rollouts = self
            .models
            .values()
            .filter_map(|entry| entry.rollout.as_ref());
        let rollouts =
            rollouts.flat_map(|rolling| std::iter::once(rolling.digest).chain(rolling.before));
        let routes = self.routes().map(|(_, routed)| routed.digest);
        self.pipelines()
            .map(|(_, _, digest)| digest)
            .chain(routes)
            .chain(rollouts)
    }

    /// The names whose rollouts are under way.
    pub fn rolling(&self) -> impl ExactSizeIterator<Item = &ModelName> {
        self.rolling.iter()
    }

    /// The change that moves a name's rollout to `rollout`.
    pub fn roll(&self, name: &ModelName, rollout: Option<Rolling>) -> Change {
        let was = self
            .models
            .get(name)
            .and_then(|entry| entry.rollout.clone());
        Change::Rollout {
            pipeline: name.clone(),
            rollout,
            was,
            evidence: None,
        }
    }

    /// All routes.
    pub fn routes(&self) -> impl Iterator<Item = (&ModelName, &Routed)> {
        self.models
            .iter()
            .filter_map(|(name, entry)| Some((name, entry.route.as_ref()?)))
    }

    /// The change that points a label at a version, or removes it. `None` when it already points
    /// there.
    pub fn label(
        &self,
        name: &ModelName,
        label: &Label,
        version: Option<&Version>,
    ) -> Result<Option<Change>, Misfit> {
        let pipeline = || name.clone();
        let entry = self.models.get(name).ok_or_else(|| Misfit::NoPipeline {
            pipeline: pipeline(),
        })?;
        if entry.versions.contains_key(label) {
            return Err(Misfit::IsVersion {
                pipeline: pipeline(),
                label: label.clone(),
            });
        }
        let was = entry.labels.get(label);
        match version {
            None if was.is_none() => {
                return Err(Misfit::NoLabel {
                    pipeline: pipeline(),
                    label: label.clone(),
                });
            }
            Some(version) if !entry.versions.contains_key(version) => {
                return Err(Misfit::NotServed {
                    pipeline: pipeline(),
                    version: version.clone(),
                });
            }
            _ => {}
        }
        Ok((was != version).then(|| Change::Label {
            pipeline: pipeline(),
            label: label.clone(),
            version: version.cloned(),
            was: was.cloned(),
        }))
    }
}

/// The change that adds a route where there is none.
pub fn route(name: &ModelName, routed: &Routed) -> Change {
    let Routed { digest, versions } = routed.clone();
    Change::Route {
        pipeline: name.clone(),
        digest,
        versions,
        replaces: None,
    }
}
