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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::digest::Digest;
    use crate::journal::Outcome;

    /// A model of the state that a person could keep on paper: for each name, what is served under
    /// it.
    type Paper = BTreeMap<&'static str, Sheet>;

    #[derive(Clone, Debug, Default, PartialEq)]
    struct Sheet {
        versions: BTreeMap<&'static str, u8>,
        labels: BTreeMap<&'static str, &'static str>,
        route: Option<u8>,
        rollout: Option<(u8, Phase)>,
    }

    #[derive(Clone, Debug)]
    enum Op {
        Apply(&'static str, &'static str, u8),
        Remove(&'static str, Option<&'static str>),
        Label(&'static str, Option<&'static str>),
        Route(&'static str, u8),
        Unroute(&'static str),
        Start(&'static str, u8),
        Step(&'static str),
        End(&'static str, Phase),
        Adapt(&'static str, u8),
        Back(&'static str, Option<usize>),
        BackAll(Option<usize>),
    }

    const LABEL: &str = "stable";

    fn ops() -> impl Strategy<Value = Op> {
        let name = || prop::sample::select(vec!["a", "b", "c"]);
        let version = || prop::sample::select(vec!["1", "2", "3"]);
        let to = || prop::option::of(0..12_usize);
        prop_oneof![
            4 => (name(), version(), 0..3_u8)
                .prop_map(|(name, version, seed)| Op::Apply(name, version, seed)),
            1 => (name(), prop::option::of(version()))
                .prop_map(|(name, version)| Op::Remove(name, version)),
            2 => (name(), prop::option::of(version()))
                .prop_map(|(name, version)| Op::Label(name, version)),
            2 => (name(), 10..13_u8).prop_map(|(name, seed)| Op::Route(name, seed)),
            1 => name().prop_map(Op::Unroute),
            1 => (name(), 20..22_u8).prop_map(|(name, seed)| Op::Start(name, seed)),
            2 => name().prop_map(Op::Step),
            1 => (name(), prop::sample::select(vec![Phase::Promoted, Phase::Aborted]))
                .prop_map(|(name, phase)| Op::End(name, phase)),
            1 => (name(), 30..33_u8).prop_map(|(name, seed)| Op::Adapt(name, seed)),
            3 => (name(), to()).prop_map(|(name, to)| Op::Back(name, to)),
            2 => to().prop_map(Op::BackAll),
        ]
    }

    fn digest(seed: u8) -> Digest {
        Digest::of(&[seed])
    }

    fn model(name: &str) -> ModelName {
        name.parse().unwrap()
    }

    fn version(version: &str) -> Version {
        version.parse().unwrap()
    }

    fn rolling(seed: u8, step: u32, phase: Phase) -> Rolling {
        Rolling {
            digest: digest(seed),
            from: version("1"),
            before: None,
            step,
            phase,
            started: None,
        }
    }

    /// The journal under test, with the paper model of each revision.
    struct Journal {
        state: State,
        revisions: Vec<Revision>,
        papers: Vec<Paper>,
        /// For each revision: the names that it touched by a person's decision.
        decided: Vec<Vec<&'static str>>,
    }

    impl Journal {
        fn new() -> Self {
            let (papers, decided) = (vec![Paper::new()], vec![Vec::new()]);
            Self {
                state: State::default(),
                revisions: Vec::new(),
                papers,
                decided,
            }
        }

        fn paper(&self) -> &Paper {
            self.papers.last().unwrap()
        }

        /// Records changes as the server does: no changes make no revision.
        fn record(
            &mut self,
            verb: Verb,
            actor: &str,
            changes: Vec<Change>,
            paper: Paper,
            decided: &[&'static str],
        ) {
            if changes.is_empty() {
                assert_eq!(&paper, self.paper());
                return;
            }
            for change in &changes {
                self.state
                    .make(change)
                    .unwrap_or_else(|misfit| panic!("{change:?}: {misfit}"));
            }
            let number = self.revisions.len() as u64 + 1;
            let (actor, previous, outcome) =
                (actor.to_owned(), Revision::genesis(), Outcome::default());
            let (reason, time_ms, to, name) = (String::new(), 0, None, None);
            self.revisions.push(Revision {
                number,
                time_ms,
                actor,
                reason,
                verb,
                to,
                name,
                changes,
                outcome,
                previous,
            });
            self.papers.push(paper);
            self.decided.push(decided.to_vec());
        }

        fn state_after(&self, to: usize) -> State {
            let mut state = State::default();
            self.revisions[..to]
                .iter()
                .flat_map(|revision| &revision.changes)
                .for_each(|c| state.make(c).unwrap());
            state
        }

        /// The rollout of the name that is under way on paper.
        fn under_way(&self, name: &str) -> Option<(u8, Phase)> {
            let rollout = self.paper().get(name)?.rollout;
            rollout.filter(|(_, phase)| phase.is_under_way())
        }

        /// Applies it on paper and to the state; operations without a meaning are skipped.
        fn act(&mut self, op: &Op) {
            match *op {
                Op::Apply(name, text, seed) => self.apply(name, text, seed),
                Op::Remove(name, text) => self.remove(name, text),
                Op::Label(name, text) => self.label(name, text),
                Op::Route(name, seed) => self.route(name, seed, "operator", &[name]),
                Op::Adapt(name, seed) => {
                    let sheet = self.paper().get(name);
                    if sheet.is_some_and(|sheet| sheet.route.is_some()) {
                        self.route(name, seed, ADAPT_ACTOR, &[]);
                    }
                }
                Op::Unroute(name) => self.unroute(name),
                Op::Start(name, seed) => {
                    if self.paper().contains_key(name) && self.under_way(name).is_none() {
                        self.roll(name, (seed, Phase::Running), 0, &[name]);
                    }
                }
                Op::Step(name) => {
                    if let Some(rollout) = self.under_way(name) {
                        let step = u32::try_from(self.revisions.len()).unwrap();
                        self.roll(name, rollout, step, &[]);
                    }
                }
                Op::End(name, phase) => {
                    if let Some((seed, _)) = self.under_way(name) {
                        self.roll(name, (seed, phase), 0, &[]);
                    }
                }
                Op::Back(name, to) => self.back(name, to),
                Op::BackAll(to) => self.back_all(to),
            }
        }

        fn apply(&mut self, name: &'static str, text: &'static str, seed: u8) {
            let mut paper = self.paper().clone();
            let replaces = paper.entry(name).or_default().versions.insert(text, seed);
            if replaces == Some(seed) {
                return;
            }
            let change = Change::Serve {
                pipeline: model(name),
                version: version(text),
                digest: digest(seed),
                replaces: replaces.map(digest),
            };
            self.record(Verb::Apply, "operator", vec![change], paper, &[name]);
        }

        fn remove(&mut self, name: &'static str, text: Option<&'static str>) {
            let Ok(changes) = self.state.delete(&model(name), text.map(version).as_ref()) else {
                return;
            };
            let mut paper = self.paper().clone();
            let sheet = paper.get_mut(name).unwrap();
            sheet
                .versions
                .retain(|version, _| text.is_some_and(|text| text != *version));
            if sheet.versions.is_empty() {
                paper.remove(name);
            }
            self.record(Verb::Delete, "operator", changes, paper, &[name]);
        }

        fn label(&mut self, name: &'static str, text: Option<&'static str>) {
            let to = text.map(version);
            let Ok(change) = self.state.label(&model(name), &version(LABEL), to.as_ref()) else {
                return;
            };
            let mut paper = self.paper().clone();
            let labels = text.map(|text| (LABEL, text)).into_iter().collect();
            paper.get_mut(name).unwrap().labels = labels;
            let changes = change.into_iter().collect();
            self.record(Verb::Label, "operator", changes, paper, &[name]);
        }

        fn unroute(&mut self, name: &'static str) {
            let Ok(change) = self.state.unroute(&model(name)) else {
                return;
            };
            let mut paper = self.paper().clone();
            paper.get_mut(name).unwrap().route = None;
            self.record(Verb::Delete, "operator", vec![change], paper, &[name]);
        }

        fn route(&mut self, name: &'static str, seed: u8, actor: &str, decided: &[&'static str]) {
            let mut paper = self.paper().clone();
            let Some(sheet) = paper
                .get_mut(name)
                .filter(|sheet| sheet.route != Some(seed))
            else {
                return;
            };
            let replaces = sheet.route.replace(seed).map(digest);
            let versions = sheet
                .versions
                .keys()
                .take(1)
                .map(|text| version(text))
                .collect();
            let change = Change::Route {
                pipeline: model(name),
                digest: digest(seed),
                versions,
                replaces,
            };
            self.record(Verb::Apply, actor, vec![change], paper, decided);
        }

        /// Moves the name's rollout, given as on paper, to a step.
        fn roll(
            &mut self,
            name: &'static str,
            rollout: (u8, Phase),
            step: u32,
            decided: &[&'static str],
        ) {
            let mut paper = self.paper().clone();
            paper.get_mut(name).unwrap().rollout = Some(rollout);
            let to = rolling(rollout.0, step, rollout.1);
            let change = self.state.roll(&model(name), Some(to));
            self.record(Verb::Rollout, "rollout", vec![change], paper, decided);
        }

        fn back(&mut self, name: &'static str, to: Option<usize>) {
            let head = self.revisions.len();
            let mut trail = Trail::of(model(name));
            self.revisions
                .iter()
                .for_each(|revision| trail.add(revision).unwrap());
            let origin = trail.origin();
            // On paper: before the last revision by a person's decision about the name.
            let last = self.decided.iter().rposition(|names| names.contains(&name));
            assert_eq!(
                origin.as_ref().map(|origin| origin.revision + 1),
                last.map(|last| last as u64),
                "{name}"
            );
            let Some(before) = to
                .map(|to| to % (head + 1))
                .or_else(|| last.map(|last| last - 1))
            else {
                return;
            };
            let target = self.state_after(before);
            if let (None, Some(origin)) = (to, origin) {
                assert_eq!(origin.entry.as_ref(), target.model(name));
            }
            let mut paper = self.paper().clone();
            let sheet = self.papers[before].get(name).map(settled);
            // A change that would end the name is refused unless it was requested.
            if sheet.is_none() && paper.contains_key(name) && to.is_none_or(|_| before != 0) {
                assert!(
                    self.state
                        .lost_in(&target)
                        .any(|lost| lost.as_str() == name)
                );
                return;
            }
            match sheet {
                // A name that does not change keeps its rollout under way.
                Some(sheet) if self.state.model(name) != target.model(name) => {
                    drop(paper.insert(name, sheet));
                }
                Some(_) => {}
                None => drop(paper.remove(name)),
            }
            let changes = self.state.changes_of(&model(name), target.model(name));
            assert!(
                changes
                    .iter()
                    .all(|change| *change.pipeline() == model(name))
            );
            self.record(Verb::Rollback, "operator", changes, paper, &[name]);
        }

        fn back_all(&mut self, to: Option<usize>) {
            let head = self.revisions.len();
            let before = to.map_or(head.saturating_sub(1), |to| to % (head + 1));
            let target = self.state_after(before);
            let names = || self.paper().keys().chain(self.papers[before].keys());
            let lost = self
                .paper()
                .keys()
                .any(|name| !self.papers[before].contains_key(name));
            assert_eq!(self.state.lost_in(&target).count() > 0, lost);
            if lost && (to.is_none() || before != 0) {
                return;
            }
            let changes = |name: &str| self.state.changes_of(&model(name), target.model(name));
            let changed: Vec<&'static str> = names()
                .copied()
                .filter(|name| !changes(name).is_empty())
                .collect();
            let mut paper = self.paper().clone();
            for name in &changed {
                match self.papers[before].get(name) {
                    Some(sheet) => drop(paper.insert(*name, settled(sheet))),
                    None => drop(paper.remove(name)),
                }
            }
            self.record(
                Verb::Rollback,
                "operator",
                self.state.changes_to(&target),
                paper,
                &changed,
            );
        }

        /// The state must match the paper.
        fn check(&self) {
            let mut state = Paper::new();
            for (name, sheet) in self.paper() {
                let entry = self
                    .state
                    .model(name)
                    .unwrap_or_else(|| panic!("there is no {name}"));
                let versions = entry
                    .versions
                    .iter()
                    .map(|(version, digest)| (version.to_string(), *digest));
                let meant = sheet
                    .versions
                    .iter()
                    .map(|(version, seed)| ((*version).to_owned(), digest(*seed)));
                assert!(versions.eq(meant), "{name}: {entry:?} and not {sheet:?}");
                let labels = entry
                    .labels
                    .iter()
                    .map(|(label, version)| (label.to_string(), version.to_string()));
                assert!(
                    labels.eq(sheet
                        .labels
                        .iter()
                        .map(|(l, v)| ((*l).to_owned(), (*v).to_owned()))),
                    "{name}"
                );
                assert_eq!(
                    entry.route.as_ref().map(|route| route.digest),
                    sheet.route.map(digest),
                    "{name}"
                );
                let rollout = entry
                    .rollout
                    .as_ref()
                    .map(|rolling| (rolling.digest, rolling.phase));
                assert_eq!(
                    rollout,
                    sheet.rollout.map(|(seed, phase)| (digest(seed), phase)),
                    "{name}"
                );
                state.insert(*name, sheet.clone());
            }
            assert_eq!(self.state.models().count(), state.len());
        }
    }

    /// The sheet when it is served again: a rollout that was under way then is over.
    fn settled(sheet: &Sheet) -> Sheet {
        let over = |(seed, phase): (u8, Phase)| {
            (
                seed,
                if phase.is_under_way() {
                    Phase::Aborted
                } else {
                    phase
                },
            )
        };
        Sheet {
            rollout: sheet.rollout.map(over),
            ..sheet.clone()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn any_sequence_of_changes_and_rollbacks_leads_where_a_map_by_name_says(
            ops in prop::collection::vec(ops(), 1..40),
        ) {
            let mut journal = Journal::new();
            for op in &ops {
                journal.act(op);
                journal.check();
            }
            prop_assert_eq!(journal.state_after(journal.revisions.len()), journal.state);
        }
    }
}
