//! The journal's decisions: any sequence of changes can be recorded, read back, undone and
//! verified.

use proptest::prelude::*;

use super::*;
use crate::digest::Digest;

fn digest(seed: u8) -> Digest {
    Digest::of(&[seed])
}

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn serve(pipeline: &str, text: &str, seed: u8, replaces: Option<u8>) -> Change {
    Change::Serve {
        pipeline: name(pipeline),
        version: version(text),
        digest: digest(seed),
        replaces: replaces.map(digest),
    }
}

fn label(pipeline: &str, text: &str, to: Option<&str>, was: Option<&str>) -> Change {
    Change::Label {
        pipeline: name(pipeline),
        label: version(text),
        version: to.map(version),
        was: was.map(version),
    }
}

fn state(changes: &[Change]) -> State {
    let mut state = State::default();
    for change in changes {
        state
            .make(change)
            .unwrap_or_else(|misfit| panic!("{change:?}: {misfit}"));
    }
    state
}

fn revision(number: u64, previous: Digest, changes: Vec<Change>) -> Revision {
    Revision {
        number,
        time_ms: 1_700_000_000_000,
        actor: "operator ada".to_owned(),
        reason: String::new(),
        verb: Verb::Apply,
        to: None,
        name: None,
        changes,
        outcome: Outcome::default(),
        previous,
    }
}

#[test]
fn a_body_is_canonical_and_reads_back() {
    let revision = revision(1, Revision::genesis(), vec![serve("tumor", "2", 1, None)]);
    let body = revision.body();
    let expected = format!(
        concat!(
            r#"{{"actor":"operator ada","changes":[{{"change":"serve","digest":"{}","pipeline":"tumor","#,
            r#""version":"2"}}],"#,
            r#""number":1,"outcome":{{"compiled":0,"loaded":0,"tests":0,"took_ms":0}},"previous":"{}","#,
            r#""time_ms":1700000000000,"verb":"apply"}}"#
        ),
        digest(1),
        Revision::genesis()
    );
    assert_eq!(body, expected);
    assert_eq!(
        Revision::read(&body, Digest::of(body.as_bytes()), 1, Revision::genesis()),
        Ok(revision)
    );
}

#[test]
fn alterations_are_distinguished() {
    let first = revision(1, Revision::genesis(), vec![serve("tumor", "1", 1, None)]);
    let body = first.body();
    let hash = Digest::of(body.as_bytes());
    let forged = body.replace("ada", "eve");
    assert_eq!(
        Revision::read(&forged, hash, 1, Revision::genesis()),
        Err(Damaged::Hash { number: 1 })
    );
    let rehashed = Digest::of(forged.as_bytes());
    assert!(Revision::read(&forged, rehashed, 1, Revision::genesis()).is_ok());
    // A forged revision with a recomputed hash breaks the next one's link.
    let second = revision(2, hash, vec![]).body();
    let second_hash = Digest::of(second.as_bytes());
    assert_eq!(
        Revision::read(&second, second_hash, 2, rehashed),
        Err(Damaged::Chain { number: 2 })
    );
    assert_eq!(
        Revision::read(&second, second_hash, 3, hash),
        Err(Damaged::Number {
            number: 2,
            expected: 3
        })
    );
    let text = "{}";
    let damaged = Revision::read(text, Digest::of(text.as_bytes()), 1, hash);
    assert!(
        matches!(damaged, Err(Damaged::Text { number: 1, .. })),
        "{damaged:?}"
    );
    let text = format!(r#"{{"{}":1}}"#, "ä".repeat(10_000));
    let damaged = Revision::read(&text, Digest::of(text.as_bytes()), 1, hash)
        .unwrap_err()
        .to_string();
    assert!(
        damaged.len() < 1000 && damaged.ends_with('…'),
        "{} bytes",
        damaged.len()
    );
}

#[test]
fn a_version_that_a_label_names_stays() {
    let state = state(&[
        serve("t", "1", 1, None),
        serve("t", "2", 2, None),
        label("t", "stable", Some("1"), None),
    ]);
    let refused = state
        .delete(&name("t"), Some(&version("1")))
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        "t/1 can't go: the label `stable` points at it; move or delete the label first"
    );
    assert_eq!(
        state.delete(&name("t"), Some(&version("2"))).unwrap().len(),
        1
    );
    // Without a version, everything of the name is deleted at once.
    assert_eq!(state.delete(&name("t"), None).unwrap().len(), 3);
}

#[test]
fn a_label_points_at_what_is_served_and_is_no_version() {
    let state = state(&[
        serve("t", "1", 1, None),
        label("t", "stable", Some("1"), None),
    ]);
    let outcome = |label: &str, to: Option<&str>| {
        state
            .label(&name("t"), &version(label), to.map(version).as_ref())
            .map_err(|misfit| misfit.to_string())
    };
    assert_eq!(
        outcome("canary", Some("2")),
        Err("there is no t/2".to_owned())
    );
    assert_eq!(
        outcome("1", Some("1")),
        Err("`1` can't be a label of `t`: a version has this name".to_owned())
    );
    assert_eq!(
        outcome("canary", None),
        Err("`t` has no label `canary`".to_owned())
    );
    assert_eq!(outcome("stable", Some("1")), Ok(None));
    assert_eq!(state.verdict("t", "stable", digest(9)), Verdict::IsLabel);
}

#[test]
fn a_version_that_a_route_names_stays() {
    let routed = |seed, versions: &[&str], replaces: Option<u8>| Change::Route {
        pipeline: name("t"),
        digest: digest(seed),
        versions: versions.iter().map(|text| version(text)).collect(),
        replaces: replaces.map(digest),
    };
    let mut state = state(&[
        serve("t", "1", 1, None),
        serve("t", "2", 2, None),
        routed(7, &["1", "2"], None),
    ]);
    let refused = state
        .delete(&name("t"), Some(&version("1")))
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        "t/1 can't go: the route `t` names it; change or delete the route first"
    );
    assert_eq!(state.delete(&name("t"), None).unwrap().len(), 3);
    let outcome = |change: &Change| state.clone().make(change).unwrap_err().to_string();
    assert_eq!(
        outcome(&routed(8, &["1"], None)),
        "another route of `t` is in force than the change says"
    );
    assert_eq!(outcome(&routed(8, &["3"], Some(7))), "there is no t/3");
    state.make(&routed(8, &["2"], Some(7))).unwrap();
    state
        .make(&state.delete(&name("t"), Some(&version("1"))).unwrap()[0])
        .unwrap();
    assert_eq!(state.documents().count(), 2);
    state.make(&state.unroute(&name("t")).unwrap()).unwrap();
    assert_eq!(
        state.unroute(&name("t")).unwrap_err().to_string(),
        "`t` has no route"
    );
}

#[test]
fn a_version_is_one_digest() {
    let mut state = state(&[serve("t", "1", 1, None)]);
    assert_eq!(state.verdict("t", "1", digest(1)), Verdict::Unchanged);
    assert_eq!(
        state.verdict("t", "1", digest(2)),
        Verdict::Differs(digest(1))
    );
    assert_eq!(state.verdict("t", "2", digest(1)), Verdict::New);
    assert_eq!(state.verdict("u", "1", digest(1)), Verdict::New);
    assert!(state.make(&serve("t", "1", 2, None)).is_err());
    state.make(&serve("t", "1", 2, Some(1))).unwrap();
    assert_eq!((state.digest("t", "1"), state.len()), (Some(digest(2)), 1));
}

#[test]
fn a_change_that_does_not_fit_changes_nothing() {
    let mut state = State::default();
    assert!(state.make(&serve("t", "1", 1, Some(2))).is_err());
    assert_eq!(state, State::default());
}

/// A state of few names, versions and labels, so that states meet often.
fn states() -> impl Strategy<Value = State> {
    proptest::collection::vec((0..3_u8, 0..4_u8, 0..3_u8, 0..4_u8), 0..16).prop_map(|parts| {
        let mut state = State::default();
        for (pipeline, number, seed, kind) in parts {
            let pipeline = ["a", "b", "c"][usize::from(pipeline)];
            let text = ["1", "2", "3", "x"][usize::from(number)];
            // Changes that do not fit are skipped.
            let _ = match kind {
                0 => {
                    let to = ["1", "2", "3"][usize::from(seed)];
                    let was = state
                        .model(pipeline)
                        .and_then(|entry| entry.labels.get("l").cloned());
                    state
                        .clone()
                        .make(&label(
                            pipeline,
                            "l",
                            Some(to),
                            was.as_ref().map(Version::as_str),
                        ))
                        .and_then(|()| {
                            state.make(&label(
                                pipeline,
                                "l",
                                Some(to),
                                was.as_ref().map(Version::as_str),
                            ))
                        })
                }
                1 => {
                    let entry = state.model(pipeline).cloned().unwrap_or_default();
                    let versions = entry
                        .versions
                        .into_keys()
                        .take(usize::from(seed) + 1)
                        .collect();
                    let replaces = entry.route.map(|routed| routed.digest);
                    state.make(&Change::Route {
                        pipeline: name(pipeline),
                        digest: digest(number),
                        versions,
                        replaces,
                    })
                }
                _ => {
                    let replaces = state.digest(pipeline, text);
                    let (pipeline, version, digest) = (name(pipeline), version(text), digest(seed));
                    state.make(&Change::Serve {
                        pipeline,
                        version,
                        digest,
                        replaces,
                    })
                }
            };
        }
        state
    })
}

proptest! {
    #[test]
    fn any_state_leads_to_any_other(from in states(), to in states()) {
        let mut walked = from.clone();
        for change in from.changes_to(&to) {
            walked.make(&change).map_err(|misfit| TestCaseError::fail(format!("{change:?}: {misfit}")))?;
        }
        prop_assert_eq!(&walked, &to);
        prop_assert_eq!(walked.len(), to.pipelines().count());
        prop_assert!(walked.changes_to(&to).is_empty());
    }

    #[test]
    fn labels_and_routes_never_lead_nowhere(state in states()) {
        for (_, entry) in state.models() {
            prop_assert!(!entry.versions.is_empty());
            prop_assert!(entry.labels.values().all(|version| entry.versions.contains_key(version)));
            prop_assert!(entry.labels.keys().all(|label| !entry.versions.contains_key(label)));
            let named = entry.route.iter().flat_map(|routed| &routed.versions);
            prop_assert!(named.into_iter().all(|version| entry.versions.contains_key(version)));
        }
    }
}
