//! Applies one change to what is served.
//!
//! Each change must fit: the previous values that it names must be in force. A change that does not
//! fit leaves the state unchanged. The initial state serves nothing.

use super::state::{Misfit, Routed, State};
use super::{Change, Label};
use crate::digest::Digest;
use crate::name::{ModelName, Version};
use crate::rollout::Rolling;

impl State {
    /// Applies one change. It must fit: the previous values that it names must be in force.
    pub fn make(&mut self, change: &Change) -> Result<(), Misfit> {
        match change {
            Change::Serve {
                pipeline,
                version,
                digest,
                replaces,
            } => self.serve(pipeline, version, *digest, *replaces),
            Change::Stop {
                pipeline,
                version,
                digest,
            } => self.stop(pipeline, version, *digest),
            Change::Label {
                pipeline,
                label,
                version,
                was,
            } => self.set_label(pipeline, label, was.as_ref(), version.as_ref()),
            Change::Route {
                pipeline,
                digest,
                versions,
                replaces,
            } => {
                let route = Routed {
                    digest: *digest,
                    versions: versions.clone(),
                };
                self.set_route(pipeline, replaces.as_ref(), Some(route))
            }
            Change::Rollout {
                pipeline,
                rollout,
                was,
                ..
            } => self.set_rollout(pipeline, was.as_ref(), rollout.as_ref()),
            Change::Unroute { pipeline, digest } => self.set_route(pipeline, Some(digest), None),
        }
    }

    fn serve(
        &mut self,
        name: &ModelName,
        version: &Version,
        digest: Digest,
        replaces: Option<Digest>,
    ) -> Result<(), Misfit> {
        if self
            .models
            .get(name)
            .is_some_and(|entry| entry.labels.contains_key(version))
        {
            return Err(Misfit::IsLabel {
                pipeline: name.clone(),
                version: version.clone(),
            });
        }
        if self.digest(name.as_str(), version.as_str()) != replaces {
            return Err(Misfit::Digest {
                pipeline: name.clone(),
                version: version.clone(),
            });
        }
        let entry = self.models.entry(name.clone()).or_default();
        let before = entry.versions.insert(version.clone(), digest);
        self.pipelines += usize::from(before.is_none());
        Ok(())
    }

    fn stop(&mut self, name: &ModelName, version: &Version, digest: Digest) -> Result<(), Misfit> {
        if self
            .digest(name.as_str(), version.as_str())
            .is_some_and(|served| served != digest)
        {
            return Err(Misfit::Digest {
                pipeline: name.clone(),
                version: version.clone(),
            });
        }
        self.delete(name, Some(version))?;
        if let Some(entry) = self.models.get_mut(name) {
            entry.versions.remove(version);
            self.pipelines -= 1;
            if entry.versions.is_empty() {
                self.models.remove(name);
                self.rolling.remove(name);
            }
        }
        Ok(())
    }

    fn set_label(
        &mut self,
        name: &ModelName,
        label: &Label,
        was: Option<&Version>,
        to: Option<&Version>,
    ) -> Result<(), Misfit> {
        self.label(name, label, to)?;
        if let Some(entry) = self.models.get_mut(name) {
            if entry.labels.get(label) != was {
                return Err(Misfit::LabelMoved {
                    pipeline: name.clone(),
                    label: label.clone(),
                });
            }
            match to {
                Some(version) => entry.labels.insert(label.clone(), version.clone()),
                None => entry.labels.remove(label),
            };
        }
        Ok(())
    }

    fn set_route(
        &mut self,
        name: &ModelName,
        was: Option<&Digest>,
        route: Option<Routed>,
    ) -> Result<(), Misfit> {
        let pipeline = || name.clone();
        let entry = self
            .models
            .get_mut(name)
            .ok_or_else(|| Misfit::NoPipeline {
                pipeline: pipeline(),
            })?;
        if entry.route.as_ref().map(|route| &route.digest) != was {
            return Err(Misfit::RouteMoved {
                pipeline: pipeline(),
            });
        }
        let named = route.iter().flat_map(|route| &route.versions);
        if let Some(version) = named
            .into_iter()
            .find(|version| !entry.versions.contains_key(*version))
        {
            return Err(Misfit::NotServed {
                pipeline: pipeline(),
                version: version.clone(),
            });
        }
        entry.route = route;
        Ok(())
    }

    fn set_rollout(
        &mut self,
        name: &ModelName,
        was: Option<&Rolling>,
        to: Option<&Rolling>,
    ) -> Result<(), Misfit> {
        let pipeline = || name.clone();
        let entry = self
            .models
            .get_mut(name)
            .ok_or_else(|| Misfit::NoPipeline {
                pipeline: pipeline(),
            })?;
        if entry.rollout.as_ref() != was {
            return Err(Misfit::RolloutMoved {
                pipeline: pipeline(),
            });
        }
        entry.rollout = to.cloned();
        if to.is_some_and(|rolling| rolling.phase.is_under_way()) {
            self.rolling.insert(pipeline());
        } else {
            self.rolling.remove(name);
        }
        Ok(())
    }
}
