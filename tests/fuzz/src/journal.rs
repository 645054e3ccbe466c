//! Revisions of the journal, one per line, and the served state that results from them.
//!
//! The server writes revisions itself, but its decoder must also withstand a manipulated file.

use hotstage_core::digest::Digest;
use hotstage_core::journal::{Change, Entry, Outcome, Revision, State, Verb};
use hotstage_core::rollout::{Phase, Rolling};
use serde_json::Value;

use crate::assert_text;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let mut states = vec![State::default()];
    for body in text.lines() {
        let Some(revision) = read(body) else { continue };
        let mut state = states.last().unwrap().clone();
        if revision
            .changes
            .iter()
            .all(|change| make(&mut state, change))
        {
            states.push(state);
        }
    }
    if let [first, .., last] = states.as_slice() {
        leads_to(last, first);
        leads_to(first, last);
        leads_to(last, &states[states.len() / 2]);
    }
}

/// A valid body must encode to the bytes it was decoded from.
fn read(body: &str) -> Option<Revision> {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let number = value["number"].as_u64().unwrap_or(1);
    let previous = value["previous"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(Revision::genesis);
    match Revision::read(body, Digest::of(body.as_bytes()), number, previous) {
        Ok(revision) => {
            let canonical = revision.body();
            let again = Revision::read(
                &canonical,
                Digest::of(canonical.as_bytes()),
                number,
                previous,
            )
            .unwrap();
            assert_eq!(again, revision);
            assert_eq!(again.body(), canonical);
            // A body with another hash, number or predecessor must be refused.
            assert!(Revision::read(body, Revision::genesis(), number, previous).is_err());
            assert!(
                Revision::read(
                    body,
                    Digest::of(body.as_bytes()),
                    number.wrapping_add(1),
                    previous
                )
                .is_err()
            );
            Some(revision)
        }
        Err(damaged) => {
            assert_text(&damaged.to_string());
            None
        }
    }
}

/// Applies a change if it is valid; a refused change must leave the state unchanged.
fn make(state: &mut State, change: &Change) -> bool {
    let before = state.clone();
    let made = state.make(change);
    if let Err(misfit) = &made {
        assert_text(&misfit.to_string());
        assert_eq!(
            *state, before,
            "a refused change ({misfit}) modified the state"
        );
    }
    is_sound(state);
    made.is_ok()
}

fn is_sound(state: &State) {
    assert_eq!(state.len(), state.pipelines().count());
    for (
        name,
        Entry {
            versions,
            labels,
            route,
            ..
        },
    ) in state.models()
    {
        assert!(!versions.is_empty(), "{name} has no version");
        for (label, version) in labels {
            assert!(
                versions.contains_key(version),
                "{name}: the label {label} points at {version}"
            );
            assert!(
                !versions.contains_key(label),
                "{name}: {label} is a label and a version"
            );
        }
        for version in route.iter().flat_map(|route| &route.versions) {
            assert!(
                versions.contains_key(version),
                "{name}: the route names {version}"
            );
        }
    }
    for name in state.rolling() {
        let rollout = state
            .model(name.as_str())
            .and_then(|entry| entry.rollout.as_ref());
        assert!(
            rollout.is_some_and(|rolling| rolling.phase.is_under_way()),
            "{name}: the rollout is not valid"
        );
    }
}

/// The changes from one state to another must apply and lead there. Rollouts are not restored.
fn leads_to(from: &State, to: &State) {
    let mut state = from.clone();
    for change in from.changes_to(to) {
        state
            .make(&change)
            .unwrap_or_else(|misfit| panic!("{change:?} does not apply: {misfit}"));
    }
    let served = |state: &State| -> Vec<(String, Entry)> {
        state
            .models()
            .map(|(name, entry)| {
                (
                    name.to_string(),
                    Entry {
                        rollout: None,
                        ..entry.clone()
                    },
                )
            })
            .collect()
    };
    assert_eq!(served(&state), served(to));
}

/// A journal as the server writes it: versions, labels, a route; and some invalid ones.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let (mut previous, mut number, mut text) = (Revision::genesis(), 0, String::new());
    for (verb, changes) in history() {
        number += 1;
        let outcome = Outcome {
            loaded: 1,
            compiled: 1,
            tests: 1,
            took_ms: 40,
        };
        let (actor, reason) = ("operator anna".to_owned(), "because".to_owned());
        let time_ms = 1_780_000_000_000 + i64::try_from(number).unwrap();
        let revision = Revision {
            number,
            time_ms,
            actor,
            reason,
            verb,
            name: None,
            to: None,
            changes,
            outcome,
            previous,
        };
        previous = Digest::of(revision.body().as_bytes());
        text.push_str(&revision.body());
        text.push('\n');
    }
    let lines: Vec<&str> = text.lines().collect();
    vec![
        text.clone().into_bytes(),
        lines[..2].join("\n").into_bytes(),
        lines
            .iter()
            .rev()
            .copied()
            .collect::<Vec<_>>()
            .join("\n")
            .into_bytes(),
    ]
}

fn history() -> Vec<(Verb, Vec<Change>)> {
    let name = |text: &str| text.parse().unwrap();
    let version = |text: &str| text.parse().unwrap();
    let serve = |pipeline: &str, number: &str| Change::Serve {
        pipeline: name(pipeline),
        version: version(number),
        digest: Digest::of(number.as_bytes()),
        replaces: None,
    };
    let digest = Digest::of(b"route");
    let rolling = |phase| {
        Some(Rolling {
            digest: Digest::of(b"rollout"),
            from: version("1"),
            before: None,
            step: 0,
            phase,
            started: Some(5),
        })
    };
    let rolls = |rollout, was| Change::Rollout {
        pipeline: name("m"),
        rollout,
        was,
        evidence: None,
    };
    vec![
        (Verb::Apply, vec![serve("m", "1"), serve("n", "1")]),
        (Verb::Apply, vec![serve("m", "2")]),
        (
            Verb::Label,
            vec![Change::Label {
                pipeline: name("m"),
                label: version("stable"),
                version: Some(version("1")),
                was: None,
            }],
        ),
        (
            Verb::Apply,
            vec![Change::Route {
                pipeline: name("m"),
                digest,
                versions: vec![version("1"), version("2")],
                replaces: None,
            }],
        ),
        (Verb::Rollout, vec![rolls(rolling(Phase::Running), None)]),
        (
            Verb::Rollout,
            vec![rolls(rolling(Phase::Promoted), rolling(Phase::Running))],
        ),
        (
            Verb::Delete,
            vec![Change::Unroute {
                pipeline: name("m"),
                digest,
            }],
        ),
        (
            Verb::Delete,
            vec![Change::Stop {
                pipeline: name("n"),
                version: version("1"),
                digest: Digest::of(b"1"),
            }],
        ),
    ]
}
