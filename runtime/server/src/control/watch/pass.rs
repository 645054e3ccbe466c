//! One pass over the watched documents: applies changes, removes what is gone, reports conflicts.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use hotstage_core::digest::Digest;
use hotstage_core::follow::{Step, step, step_once};
use hotstage_core::manifest::Documents;
use hotstage_core::name::ModelName;

use super::super::{ChangeOptions, ControlError, ErrorKind, Removals};
use super::key::{Doc, Key};
use super::memory::said;
use super::{ACTOR, AGAIN_MAX, AGAIN_MIN, News, Refused, Watcher};
use hotstage_client::Applied;

type Say<'a> = &'a (dyn Fn(News<'_>) + Send + Sync);

/// An action: apply a document, or remove what a document brought.
#[derive(Clone)]
struct Job {
    key: Key,
    doc: Option<Doc>,
}

impl Watcher {
    pub(super) async fn pass(&mut self, say: Say<'_>) {
        let head = self.control.head();
        let (jobs, kept) = self.decide(head != self.head);
        let mut still: BTreeSet<String> = self.seen.problems.iter().cloned().chain(kept).collect();
        for text in &still {
            if !self.told.contains(text) {
                say(News::Kept(text));
            }
        }
        for jobs in groups(jobs) {
            self.apply_group(jobs, say).await;
        }
        // A document that is in no file any more and was never applied needs no retry.
        let Self {
            refused,
            seen,
            memory,
            ..
        } = self;
        refused.retain(|key, _| {
            !seen.held.contains(key) && (seen.docs.contains_key(key) || memory.get(key).is_some())
        });
        still.extend(self.refused.values().map(|refused| refused.text.clone()));
        self.told = still;
        self.control
            .set_not_applied(self.told.iter().cloned().collect());
        (self.is_first, self.head, self.passed) = (false, self.control.head(), Instant::now());
        self.memory.write(&self.control);
    }

    /// The actions, and messages for ignored documents.
    fn decide(&mut self, has_moved: bool) -> (Vec<Job>, Vec<String>) {
        let (mut jobs, mut kept) = (Vec::new(), Vec::new());
        let seen = self.seen.clone();
        for (key, (file, doc)) in seen
            .docs
            .iter()
            .filter(|(key, _)| !seen.held.contains(*key))
        {
            let Ok(identity) = &doc.identity else {
                continue;
            };
            self.orphans.remove(key);
            let base = self.memory.get(key).map(|known| known.digest);
            match self.step(key, base, Some(*identity)) {
                Step::Leave | Step::Adopt | Step::Forget | Step::Remove => {
                    self.refused.remove(key);
                    self.memory.set(key.clone(), *identity, Some(file));
                }
                Step::Conflict => {
                    self.refused.remove(key);
                    kept.push(conflict(
                        key,
                        file,
                        doc.is_pipeline() || !doc.documents.graphs.is_empty(),
                    ));
                }
                Step::Apply if self.waits(key, has_moved) => {}
                Step::Apply => jobs.push(Job {
                    key: key.clone(),
                    doc: Some(doc.clone()),
                }),
            }
        }
        let gone = self
            .memory
            .keys()
            .filter(|(key, known)| self.is_gone(key, known.file.as_deref()));
        let gone: Vec<Key> = gone.map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.decide_gone(key, has_moved, &mut jobs, &mut kept);
        }
        (jobs, kept)
    }

    fn decide_gone(
        &mut self,
        key: Key,
        has_moved: bool,
        jobs: &mut Vec<Job>,
        kept: &mut Vec<String>,
    ) {
        let base = self.memory.get(&key).map(|known| known.digest);
        match self.step(&key, base, None) {
            Step::Forget => {
                self.refused.remove(&key);
                self.memory.forget(&key);
            }
            Step::Conflict => kept.push(format!(
                "{}is gone from the watched files, but what is served was changed by other means since it was applied, \
                 so it stays in service: {}",
                tag(&key),
                ending(&key)
            )),
            Step::Remove if self.orphans.contains(&key) || self.is_first && !self.options.prune => {
                kept.push(format!(
                    "{}is gone from the watched files since the server last ran, but stays in service; `serve --prune` \
                     removes such versions, or {}",
                    tag(&key),
                    ending(&key)
                ));
                self.orphans.insert(key);
            }
            Step::Remove if self.waits(&key, has_moved) => {}
            Step::Remove => jobs.push(Job { key, doc: None }),
            Step::Leave | Step::Adopt | Step::Apply => {}
        }
    }

    /// Whether a document that was followed is in no file any more.
    fn is_gone(&self, key: &Key, file: Option<&Path>) -> bool {
        // Nothing is known of files in paths that are no longer watched.
        let is_here = |file: &Path| {
            self.options
                .paths
                .iter()
                .any(|path| path == file || file.parent().is_some_and(|folder| folder == path))
        };
        let is_lost = file.is_none() && !self.seen.unknown.is_empty();
        !self.seen.docs.contains_key(key)
            && !self.seen.held.contains(key)
            && !is_lost
            && file.is_none_or(|file| is_here(file) && !self.seen.is_unknown(file))
    }

    fn step(&self, key: &Key, base: Option<Digest>, file: Option<Digest>) -> Step {
        if file == base {
            return Step::Leave;
        }
        let served = self.served(key);
        if let Key::Rollout { .. } = key {
            return step_once(base.as_ref(), file.as_ref(), served.as_ref());
        }
        match step(base.as_ref(), file.as_ref(), served.as_ref()) {
            Step::Conflict if base.is_none() && self.is_first && self.options.replace => {
                Step::Apply
            }
            step => step,
        }
    }

    /// The digest of what is served in place of a document.
    fn served(&self, key: &Key) -> Option<Digest> {
        let ledger = self.control.ledger.load();
        let entry = ledger.state.model(key.name().as_str())?;
        match key {
            Key::Version { version, .. } => entry
                .versions
                .get(version)
                .map(|digest| said(self.control.store(), *digest)),
            Key::Route { .. } => {
                let digest = entry.route.as_ref()?.digest;
                // Ignore weights that an experiment moved.
                let written = self
                    .control
                    .stored_route(&digest)
                    .ok()
                    .and_then(|route| route.unmoved());
                Some(written.map_or(digest, |route| route.digest()))
            }
            Key::Rollout { .. } => entry.rollout.as_ref().map(|rolling| rolling.digest),
        }
    }

    /// Whether a document was refused and nothing has changed since that could matter.
    fn waits(&self, key: &Key, has_moved: bool) -> bool {
        let identity = self
            .seen
            .docs
            .get(key)
            .and_then(|(_, doc)| doc.identity.clone().ok());
        self.refused.get(key).is_some_and(|refused| {
            refused.identity == identity
                && refused.again > Instant::now()
                && !(has_moved && refused.may_depend_on_others())
        })
    }

    /// Applies related documents together; if that is refused, one by one.
    async fn apply_group(&mut self, jobs: Vec<Job>, say: Say<'_>) {
        match self.apply(&jobs).await {
            Ok(applied) => self.applied(&jobs, &applied, say),
            Err(error) if jobs.len() == 1 => {
                jobs.iter().for_each(|job| self.refuse(job, &error, say));
            }
            Err(_) => {
                for job in jobs {
                    let one = std::slice::from_ref(&job);
                    match self.apply(one).await {
                        Ok(applied) => self.applied(one, &applied, say),
                        Err(error) => self.refuse(&job, &error, say),
                    }
                }
            }
        }
    }

    async fn apply(&self, jobs: &[Job]) -> Result<Applied, ControlError> {
        let (mut documents, mut gone) = (Documents::default(), Removals::default());
        for Job { key, doc } in jobs {
            match (doc, key) {
                (Some(doc), _) => documents.append(doc.documents.clone()),
                (None, Key::Version { name, version }) => {
                    gone.versions.push((name.clone(), version.clone()));
                }
                (None, Key::Route { name }) => gone.routes.push(name.clone()),
                (None, Key::Rollout { .. }) => {}
            }
        }
        let ask = ChangeOptions {
            reason: "a watched file changed".to_owned(),
            ..ChangeOptions::default()
        };
        self.control
            .apply_local(ACTOR, &ask, &documents, true, &gone, &*self.progress)
            .await
    }

    fn applied(&mut self, jobs: &[Job], applied: &Applied, say: Say<'_>) {
        for Job { key, doc } in jobs {
            self.refused.remove(key);
            let file = self.seen.docs.get(key).map(|(file, _)| file.clone());
            match doc.as_ref().and_then(|doc| doc.identity.clone().ok()) {
                Some(identity) => self.memory.set(key.clone(), identity, file.as_deref()),
                None => self.memory.forget(key),
            }
        }
        if !applied.changes.is_empty() {
            say(News::Applied(applied));
        }
    }

    /// Records a refusal and reports it once.
    fn refuse(&mut self, job: &Job, error: &ControlError, say: Say<'_>) {
        let identity = job.doc.as_ref().and_then(|doc| doc.identity.clone().ok());
        let before = self
            .refused
            .get(&job.key)
            .filter(|before| before.identity == identity);
        let wait = before.map_or(AGAIN_MIN, |before| {
            before.wait.saturating_mul(2).min(AGAIN_MAX)
        });
        let is_pipeline = job.doc.as_ref().is_some_and(Doc::is_pipeline);
        let again = Instant::now() + wait;
        let (text, trouble) = (format!("{}{}", tag(&job.key), error.message), error.kind);
        if !self.told.contains(&text) {
            say(News::Refused(&ControlError {
                kind: trouble,
                message: text.clone(),
            }));
        }
        self.refused.insert(
            job.key.clone(),
            Refused {
                identity,
                trouble,
                text,
                is_pipeline,
                again,
                wait,
            },
        );
    }
}

impl Refused {
    /// Whether a different state may change the result. A pipeline is nearly always refused for its
    /// own content.
    const fn may_depend_on_others(&self) -> bool {
        !self.is_pipeline || matches!(self.trouble, ErrorKind::Conflict | ErrorKind::NotFound)
    }
}

/// The prefix of messages about a document.
fn tag(key: &Key) -> String {
    format!("{key}: ")
}

/// Groups related documents: those of one name, and those of a graph and its members.
fn groups(jobs: Vec<Job>) -> Vec<Vec<Job>> {
    let mut groups: Vec<(BTreeSet<ModelName>, Vec<Job>)> = Vec::new();
    for job in jobs {
        let own = || [job.key.name().clone()].into();
        let mut names: BTreeSet<ModelName> = job.doc.as_ref().map_or_else(own, Doc::names);
        let mut together = vec![job];
        let (same, others): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|(known, _)| !known.is_disjoint(&names));
        groups = others;
        for (known, jobs) in same {
            names.extend(known);
            together.extend(jobs);
        }
        groups.push((names, together));
    }
    let mut groups: Vec<Vec<Job>> = groups.into_iter().map(|(_, jobs)| in_order(jobs)).collect();
    groups.sort_by(|one, other| {
        one.first()
            .map(|job| &job.key)
            .cmp(&other.first().map(|job| &job.key))
    });
    groups
}

/// Dependencies are applied before, and removed after, what depends on them.
fn in_order(mut jobs: Vec<Job>) -> Vec<Job> {
    let rank = |job: &Job| match (&job.doc, &job.key) {
        (Some(doc), Key::Version { .. }) => u8::from(!doc.is_pipeline()),
        (Some(_), Key::Route { .. }) => 2,
        (Some(_), Key::Rollout { .. }) => 3,
        (None, Key::Rollout { .. } | Key::Route { .. }) => 4,
        (None, Key::Version { .. }) => 5,
    };
    jobs.sort_by(|one, other| {
        rank(one)
            .cmp(&rank(other))
            .then_with(|| one.key.cmp(&other.key))
    });
    jobs
}

fn conflict(key: &Key, file: &Path, is_version: bool) -> String {
    let file = file.display();
    let replace = if is_version { " --replace" } else { "" };
    let shown = match key {
        Key::Version { name, version } => {
            format!("hotstage describe {name} --version {version} -o json")
        }
        _ => format!("hotstage describe {} --route -o json", key.name()),
    };
    format!(
        "{}{file} was changed, and so was what is served, since it was last applied: what is served stays. To serve \
         what the file says: `hotstage apply -f {file}{replace}`; to keep what is served, write that into the file \
         (`{shown}`)",
        tag(key)
    )
}

/// How to remove by hand what a document brought.
fn ending(key: &Key) -> String {
    match key {
        Key::Version { name, version } => {
            format!("`hotstage delete {name} --version {version}` ends it")
        }
        Key::Route { name } => format!("`hotstage delete {name} --route` ends it"),
        Key::Rollout { name } => format!("`hotstage rollout abort {name}` ends it"),
    }
}

#[cfg(test)]
mod tests;
