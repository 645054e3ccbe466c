//! Damaged or manipulated files of the state directory. The first byte selects the file.
//!
//! Each file must be accepted or refused with a readable error. Only `recover` may change a file:
//! it moves the damaged journal aside, and leaves a valid one.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::OnceLock;

use hotstage_core::digest::Digest;
use hotstage_core::journal::{Change, Outcome, Revision, Verb};
use hotstage_engine::compile::{Artifacts, Cached};
use hotstage_engine::{Role, SigningKey};
use hotstage_server::frontends::admin::{OPERATOR_FILE, Tokens};
use hotstage_server::state::journal::{self, Journal, recover};
use hotstage_server::state::store::{Access, Store};
use tempfile::TempDir;

use crate::{abi, assert_text};

pub(crate) fn run(bytes: &[u8]) {
    let Some((choice, content)) = bytes.split_first() else {
        return;
    };
    match choice % 5 {
        0 => one_file("hotstage.json", content, opened),
        1 if content.len() == 32 => one_file("cache.key", content, opened),
        2 => one_file(OPERATOR_FILE, content, |folder| {
            if let Err(error) = Tokens::open(folder) {
                assert_text(&error.to_string());
            }
        }),
        3 => cached(content),
        4 => journals(content),
        _ => damaged_key(content),
    }
}

/// A damaged key is replaced by a new one, which invalidates the compile cache.
fn damaged_key(content: &[u8]) {
    let folder = folder();
    let path = folder.path().join("cache.key");
    fs::write(folder.path().join("hotstage.json"), "{\"format\": 1}\n").unwrap();
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    opened(folder.path());
    assert_eq!(fs::metadata(&path).unwrap().len(), 32);
}

/// A folder in memory if possible, because a flush to disk takes milliseconds.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let builder = || tempfile::Builder::new();
    builder()
        .tempdir_in(memory)
        .or_else(|_| builder().tempdir())
        .unwrap()
}

/// Opens a state directory that holds this file; the file must be unchanged afterwards.
fn one_file(name: &str, content: &[u8], open: impl FnOnce(&Path)) {
    let folder = folder();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    if name != "hotstage.json" {
        fs::write(folder.path().join("hotstage.json"), "{\"format\": 1}\n").unwrap();
    }
    open(folder.path());
    assert_eq!(fs::read(&path).unwrap(), content, "{name} was changed");
}

fn opened(folder: &Path) {
    if let Err(error) = Store::open(folder, Access::Share) {
        assert_text(&error.to_string());
    }
}

/// A compile cache with one entry for every name.
struct Entry<'a>(&'a [u8]);

impl Artifacts for Entry<'_> {
    fn has(&self, _: &str) -> bool {
        true
    }

    fn load(&self, _: &str) -> Option<Vec<u8>> {
        Some(self.0.to_vec())
    }

    fn save(&self, _: &str, _: &[u8]) {}
}

/// An entry that this server did not sign must not be loaded.
fn cached(content: &[u8]) {
    let found = abi::engine().cached(
        Digest::of(b"a component"),
        Role::Model,
        &Entry(content),
        &SigningKey([7; 32]),
    );
    assert!(
        matches!(found, Cached::Untrusted),
        "unsigned machine code was loaded"
    );
}

/// The first two bytes give the number of trailing bytes that belong to SQLite's log.
fn journals(content: &[u8]) {
    let Some((length, content)) = content.split_first_chunk::<2>() else {
        return;
    };
    let log = usize::from(u16::from_le_bytes(*length)).min(content.len());
    let (main, log) = content.split_at(content.len() - log);
    let folder = folder();
    let path = folder.path().join(journal::FILE);
    fs::write(&path, main).unwrap();
    if !log.is_empty() {
        fs::write(folder.path().join(format!("{}-wal", journal::FILE)), log).unwrap();
    }
    let peeked = Journal::look(folder.path()).and_then(|journal| journal.unwrap().replay(None));
    let error = match peeked {
        Ok(replayed) => {
            assert_eq!(replayed.state.len(), replayed.state.pipelines().count());
            return;
        }
        Err(error) => error.to_string(),
    };
    assert_text(&error);
    assert_eq!(
        fs::read(&path).unwrap(),
        main,
        "reading a journal changed it"
    );
    if let Err(error) = Journal::open(folder.path()).and_then(|journal| journal.replay(None)) {
        assert_text(&error.to_string());
    }
    match recover(folder.path()) {
        Ok(recovered) => {
            let journal = Journal::open(folder.path()).unwrap();
            let head = journal.replay(None).unwrap().head;
            assert_eq!(head.number, recovered.whole);
            assert!(
                recovered.aside.is_none_or(|aside| aside.is_file()),
                "the damaged journal is gone"
            );
        }
        Err(error) => assert_text(&error.to_string()),
    }
}

/// A journal of three revisions, in one file or with SQLite's log beside it; and the small files.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    static MADE: OnceLock<(Vec<u8>, Vec<u8>, Vec<u8>)> = OnceLock::new();
    let (whole, main, log) = MADE.get_or_init(journal_files);
    let journal = |main: &[u8], log: &[u8]| {
        // The log's first pages, because the whole log is too long for a seed.
        let log = &log[..log.len().min(9000)];
        [
            &[4][..],
            &u16::try_from(log.len()).unwrap().to_le_bytes(),
            main,
            log,
        ]
        .concat()
    };
    vec![
        b"\0{\"format\": 1}\n".to_vec(),
        b"\0{\"format\": 2}".to_vec(),
        [&[1_u8][..], &[9; 32]].concat(),
        b"\x020123456789abcdef0123456789abcdef\n".to_vec(),
        [&[3_u8][..], &[0; 64]].concat(),
        journal(whole, &[]),
        journal(main, log),
    ]
}

/// The journal file after closing it; and the file and its log while it is open.
fn journal_files() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let folder = folder();
    let path = folder.path().join(journal::FILE);
    let mut journal = Journal::open(folder.path()).unwrap();
    let mut previous = Revision::genesis();
    for number in 1..=3 {
        let change = Change::Serve {
            pipeline: "m".parse().unwrap(),
            version: number.to_string().parse().unwrap(),
            digest: Digest::of(b"a manifest"),
            replaces: None,
        };
        previous = journal
            .append(&Revision {
                number,
                time_ms: 1_780_000_000_000,
                actor: "operator".to_owned(),
                reason: String::new(),
                verb: Verb::Apply,
                name: None,
                to: None,
                changes: vec![change],
                outcome: Outcome::default(),
                previous,
            })
            .unwrap();
    }
    let main = fs::read(&path).unwrap();
    let log = fs::read(folder.path().join(format!("{}-wal", journal::FILE))).unwrap_or_default();
    drop(journal);
    (fs::read(&path).unwrap(), main, log)
}
