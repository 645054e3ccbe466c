//! What is served after a revision, and what may be changed about it.

use std::collections::BTreeMap;

use super::{Change, Label};
use crate::digest::Digest;
use crate::name::{ModelName, Version};

/// What is served: which versions, and which labels point at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    models: BTreeMap<ModelName, Entry>,
    pipelines: usize,
}

/// What is served under one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The canonical manifest of each version.
    pub versions: BTreeMap<Version, Digest>,
    /// Where each label points: always at a version above.
    pub labels: BTreeMap<Label, Version>,
}

/// What applying a version would mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not served yet.
    New,
    /// It is served, the same.
    Unchanged,
    /// It is served with this other digest.
    Differs(Digest),
    /// A label of its pipeline is called so.
    IsLabel,
}

/// A change that can't be made to this state: the sentence says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Misfit {
    #[error("{pipeline}/{version} is served with another digest than the change says")]
    Digest { pipeline: ModelName, version: Version },
    #[error("there is no {pipeline}/{version}")]
    NotServed { pipeline: ModelName, version: Version },
    #[error("there is no pipeline `{pipeline}`")]
    NoPipeline { pipeline: ModelName },
    #[error("{pipeline}/{version} can't go: the label `{label}` points at it; move or delete the label first")]
    Labelled { pipeline: ModelName, version: Version, label: Label },
    #[error("`{label}` can't be a label of `{pipeline}`: a version is called so")]
    IsVersion { pipeline: ModelName, label: Label },
    #[error("`{pipeline}` has no label `{label}`")]
    NoLabel { pipeline: ModelName, label: Label },
    #[error("`{version}` can't be a version of `{pipeline}`: a label is called so")]
    IsLabel { pipeline: ModelName, version: Version },
    #[error("the label `{label}` of `{pipeline}` does not point where the change says")]
    LabelMoved { pipeline: ModelName, label: Label },
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
        self.models
            .iter()
            .flat_map(|(name, entry)| entry.versions.iter().map(move |(version, digest)| (name, version, *digest)))
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

    /// What applying a version of this digest would mean.
    pub fn verdict(&self, name: &str, version: &str, digest: Digest) -> Verdict {
        let Some(entry) = self.models.get(name) else { return Verdict::New };
        match entry.versions.get(version) {
            Some(served) if *served == digest => Verdict::Unchanged,
            Some(served) => Verdict::Differs(*served),
            None if entry.labels.contains_key(version) => Verdict::IsLabel,
            None => Verdict::New,
        }
    }

    /// The changes that end a version, or all of them with their labels when none is named.
    pub fn delete(&self, name: &ModelName, version: Option<&Version>) -> Result<Vec<Change>, Misfit> {
        let pipeline = || name.clone();
        let entry = self.models.get(name).ok_or_else(|| Misfit::NoPipeline { pipeline: pipeline() })?;
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
            return Ok(labels.chain(entry.versions.iter().map(stop)).collect());
        };
        let served = entry.versions.get_key_value(version);
        let served = served.ok_or_else(|| Misfit::NotServed { pipeline: pipeline(), version: version.clone() })?;
        if let Some((label, _)) = entry.labels.iter().find(|(_, points_at)| *points_at == version) {
            return Err(Misfit::Labelled { pipeline: pipeline(), version: version.clone(), label: label.clone() });
        }
        Ok(vec![stop(served)])
    }

    /// The change that points a label at a version, or takes it away. None when it points there already.
    pub fn label(&self, name: &ModelName, label: &Label, version: Option<&Version>) -> Result<Option<Change>, Misfit> {
        let pipeline = || name.clone();
        let entry = self.models.get(name).ok_or_else(|| Misfit::NoPipeline { pipeline: pipeline() })?;
        if entry.versions.contains_key(label) {
            return Err(Misfit::IsVersion { pipeline: pipeline(), label: label.clone() });
        }
        let was = entry.labels.get(label);
        match version {
            None if was.is_none() => return Err(Misfit::NoLabel { pipeline: pipeline(), label: label.clone() }),
            Some(version) if !entry.versions.contains_key(version) => {
                return Err(Misfit::NotServed { pipeline: pipeline(), version: version.clone() });
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

    /// Makes one change. It must fit: what the change says was there must be there.
    pub fn make(&mut self, change: &Change) -> Result<(), Misfit> {
        match change {
            Change::Serve { pipeline, version, digest, replaces } => {
                let entry = self.models.entry(pipeline.clone()).or_default();
                if entry.labels.contains_key(version) {
                    return Err(Misfit::IsLabel { pipeline: pipeline.clone(), version: version.clone() });
                }
                if entry.versions.get(version) != replaces.as_ref() {
                    return Err(Misfit::Digest { pipeline: pipeline.clone(), version: version.clone() });
                }
                self.pipelines += usize::from(entry.versions.insert(version.clone(), *digest).is_none());
            }
            Change::Stop { pipeline, version, digest } => {
                if self.digest(pipeline.as_str(), version.as_str()).is_some_and(|served| served != *digest) {
                    return Err(Misfit::Digest { pipeline: pipeline.clone(), version: version.clone() });
                }
                self.delete(pipeline, Some(version))?;
                if let Some(entry) = self.models.get_mut(pipeline) {
                    entry.versions.remove(version);
                    self.pipelines -= 1;
                    if entry.versions.is_empty() {
                        self.models.remove(pipeline);
                    }
                }
            }
            Change::Label { pipeline, label, version, was } => {
                self.label(pipeline, label, version.as_ref())?;
                if let Some(entry) = self.models.get_mut(pipeline) {
                    if entry.labels.get(label) != was.as_ref() {
                        return Err(Misfit::LabelMoved { pipeline: pipeline.clone(), label: label.clone() });
                    }
                    match version {
                        Some(version) => entry.labels.insert(label.clone(), version.clone()),
                        None => entry.labels.remove(label),
                    };
                }
            }
        }
        Ok(())
    }

    /// The changes that make `target` of this state, in an order in which each of them fits.
    pub fn changes_to(&self, target: &Self) -> Vec<Change> {
        let entry = |state: &Self, name: &ModelName| state.models.get(name).cloned().unwrap_or_default();
        let names: std::collections::BTreeSet<&ModelName> = self.models.keys().chain(target.models.keys()).collect();
        let (mut loosen, mut serve, mut stop, mut point) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for name in names {
            let (from, to) = (entry(self, name), entry(target, name));
            if from == to {
                continue;
            }
            // A label that moves or goes is taken away first, so that the version which it held can go, too.
            for (label, version) in
                from.labels.iter().filter(|(label, version)| to.labels.get(*label) != Some(*version))
            {
                let (was, version) = (Some(version.clone()), None);
                loosen.push(Change::Label { pipeline: name.clone(), label: label.clone(), version, was });
            }
            for (label, version) in
                to.labels.iter().filter(|(label, version)| from.labels.get(*label) != Some(*version))
            {
                let (was, version) = (None, Some(version.clone()));
                point.push(Change::Label { pipeline: name.clone(), label: label.clone(), version, was });
            }
            for (version, digest) in &from.versions {
                if !to.versions.contains_key(version) {
                    stop.push(Change::Stop { pipeline: name.clone(), version: version.clone(), digest: *digest });
                }
            }
            for (version, digest) in &to.versions {
                let replaces = from.versions.get(version).copied();
                if replaces != Some(*digest) {
                    let (version, digest) = (version.clone(), *digest);
                    serve.push(Change::Serve { pipeline: name.clone(), version, digest, replaces });
                }
            }
        }
        // Stops before serves would empty an entry and lose labels that stay; labels that a version's name collides
        // with are loose by then.
        [loosen, serve, stop, point].concat()
    }
}
