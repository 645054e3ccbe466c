//! Tests: going back restores what was served, over any sequence of changes.

mod changes;

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
