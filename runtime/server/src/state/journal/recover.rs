//! Recovery of a damaged journal: keeps the revisions before the damage.

use std::fs;
use std::path::{Path, PathBuf};

use hotstage_core::journal::Revision;

use super::{FILE, Journal, JournalError};
use crate::state::store::{StoreError, sync_directory};

/// The result of a recovery.
#[derive(Debug)]
pub struct Recovered {
    /// Intact revisions that were kept.
    pub whole: u64,
    /// The new path of the damaged file; `None` when the journal is intact.
    pub aside: Option<PathBuf>,
    /// What was damaged.
    pub why: Option<String>,
}

/// Moves the damaged file aside and writes a journal of the revisions before the damage. Leaves an
/// intact journal unchanged.
pub fn recover(state_directory: &Path) -> Result<Recovered, JournalError> {
    let path = state_directory.join(FILE);
    let mut revisions: Vec<Revision> = Vec::new();
    let looked = Journal::look(state_directory).and_then(|journal| match journal {
        Some(journal) => {
            let walked = journal.walk(|revision, _| {
                revisions.push(revision.clone());
                true
            });
            walked.and_then(|_| journal.replay(None)).map(|_| ())
        }
        None => Ok(()),
    });
    let (why, whole) = match looked {
        Ok(()) => {
            return Ok(Recovered {
                whole: revisions.len() as u64,
                aside: None,
                why: None,
            });
        }
        Err(JournalError::Damaged { why, whole, .. }) => (why, whole),
        Err(JournalError::NotOurs { why, .. }) => (why, 0),
        Err(error) => return Err(error),
    };
    revisions.truncate(usize::try_from(whole).unwrap_or(usize::MAX));
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Io { what, path, source }
    };
    let aside = free_name(state_directory);
    // The new journal is complete before it replaces the old one.
    let fresh = state_directory.join("tmp").join("recovered");
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).map_err(io("make the directory", &fresh))?;
    let mut journal = Journal::open(&fresh)?;
    for revision in &revisions {
        journal.append(revision)?;
    }
    journal.close()?;
    for end in ["-wal", "-shm"] {
        let beside = state_directory.join(format!("{FILE}{end}"));
        if beside.exists() {
            let target = PathBuf::from(format!("{}{end}", aside.display()));
            fs::rename(&beside, &target).map_err(io("move", &beside))?;
        }
    }
    fs::rename(&path, &aside).map_err(io("move", &path))?;
    fs::rename(fresh.join(FILE), &path).map_err(io("move", &fresh))?;
    sync_directory(state_directory)?;
    let _ = fs::remove_dir_all(&fresh);
    Ok(Recovered {
        whole: revisions.len() as u64,
        aside: Some(aside),
        why: Some(why),
    })
}

fn free_name(state_directory: &Path) -> PathBuf {
    let name = |number: u32| state_directory.join(format!("{FILE}.damaged-{number}"));
    (1..)
        .map(name)
        .find(|path| !path.exists())
        .unwrap_or_else(|| name(0))
}

impl Journal {
    /// Moves SQLite's log into the main file and closes it.
    fn close(self) -> Result<(), JournalError> {
        let path = self.path;
        self.connection
            .close()
            .map_err(|(_, source)| JournalError::Sqlite { path, source })
    }
}
