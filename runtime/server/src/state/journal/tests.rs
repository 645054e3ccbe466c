//! The journal on a disk: acknowledged revisions survive, damage is reported, and intact revisions
//! are recovered.

use hotstage_core::journal::{Change, Outcome, Verb};

use super::*;

fn revision(head: &Head, seed: u8) -> Revision {
    let pipeline = "p".parse().unwrap();
    let version = seed.to_string().parse().unwrap();
    let changes = vec![Change::Serve {
        pipeline,
        version,
        digest: Digest::of(&[seed]),
        replaces: None,
    }];
    Revision {
        number: head.number + 1,
        time_ms: i64::from(seed),
        actor: "operator".to_owned(),
        reason: String::new(),
        verb: Verb::Apply,
        to: None,
        name: None,
        changes,
        outcome: Outcome::default(),
        previous: head.hash,
    }
}

/// A journal with this many revisions.
fn filled(folder: &Path, revisions: u8) -> Head {
    let mut journal = Journal::open(folder).unwrap();
    let mut head = Head::default();
    for seed in 1..=revisions {
        let next = revision(&head, seed);
        let hash = journal.append(&next).unwrap();
        head = Head {
            number: next.number,
            hash,
            time_ms: next.time_ms,
        };
    }
    head
}

#[test]
fn what_was_appended_is_there_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let head = filled(folder.path(), 3);
    let replayed = Journal::open(folder.path()).unwrap().replay(None).unwrap();
    assert_eq!((replayed.head, replayed.state.len()), (head, 3));
    let before = Journal::open(folder.path())
        .unwrap()
        .replay(Some(2))
        .unwrap();
    assert_eq!((before.head.number, before.state.len()), (2, 2));
    assert_eq!(
        Journal::open(folder.path())
            .unwrap()
            .replay(Some(0))
            .unwrap()
            .state
            .len(),
        0
    );
}

#[test]
fn a_number_is_taken_once() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 1);
    let again = revision(&Head::default(), 9);
    assert!(
        Journal::open(folder.path())
            .unwrap()
            .append(&again)
            .is_err()
    );
    assert_eq!(
        Journal::open(folder.path())
            .unwrap()
            .replay(None)
            .unwrap()
            .head
            .number,
        1
    );
}

#[test]
fn what_was_altered_is_named_and_the_rest_is_saved() {
    for (what, statement) in [
        (
            "a body",
            "UPDATE revisions SET body = replace(body, 'operator', 'intruder') WHERE number = 3",
        ),
        ("a hash", "UPDATE revisions SET hash = 'x' WHERE number = 3"),
        (
            "a row that is gone",
            "DELETE FROM revisions WHERE number = 3",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        filled(folder.path(), 4);
        Connection::open(folder.path().join(FILE))
            .unwrap()
            .execute(statement, ())
            .unwrap();
        let Err(JournalError::Damaged { whole, .. }) =
            Journal::open(folder.path()).unwrap().replay(None)
        else {
            panic!("{what} was not seen")
        };
        assert_eq!(whole, 2, "{what}");
        let recovered = recover(folder.path()).unwrap();
        assert_eq!(recovered.whole, 2, "{what}");
        assert!(recovered.aside.unwrap().is_file());
        assert_eq!(
            Journal::open(folder.path())
                .unwrap()
                .replay(None)
                .unwrap()
                .head
                .number,
            2,
            "{what}"
        );
    }
}

#[test]
fn a_file_that_is_no_journal_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tmp")).unwrap();
    std::fs::write(folder.path().join(FILE), [7; 5000]).unwrap();
    assert!(matches!(
        Journal::open(folder.path()),
        Err(JournalError::NotOurs { .. })
    ));
    assert_eq!(recover(folder.path()).unwrap().whole, 0);
    assert_eq!(
        Journal::open(folder.path())
            .unwrap()
            .replay(None)
            .unwrap()
            .head
            .number,
        0
    );
}

#[test]
fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    Connection::open(folder.path().join(FILE))
        .unwrap()
        .execute("CREATE TABLE birds (name)", ())
        .unwrap();
    let before = std::fs::read(folder.path().join(FILE)).unwrap();
    assert!(matches!(
        Journal::open(folder.path()),
        Err(JournalError::NotOurs { .. })
    ));
    assert_eq!(std::fs::read(folder.path().join(FILE)).unwrap(), before);
}

#[test]
fn a_journal_that_is_whole_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 2);
    let recovered = recover(folder.path()).unwrap();
    assert_eq!((recovered.whole, recovered.aside), (2, None));
}
