//! The journal: every change to what is served, in one SQLite file in the state directory.
//!
//! A row is a revision's canonical body and its hash; `hotstage_core::journal` defines the body.
//! When [`Journal::append`] returns, the revision survives a power cut: SQLite syncs its log before
//! it ends a transaction. Revisions are read in order, and each is checked against the previous
//! one; reading ends at the first that differs from what was recorded. Bound: none on the number of
//! revisions. Calls block: use the journal's thread.

mod handle;
mod recover;

use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use hotstage_core::digest::Digest;
use hotstage_core::journal::{Damaged, Misfit, Revision, State};
use rusqlite::{Connection, ErrorCode, OpenFlags};

pub use self::handle::JournalHandle;
pub use self::recover::{Recovered, recover};
use crate::state::store::StoreError;

/// The file's name in the state directory.
pub const FILE: &str = "journal.db";

/// SQLite's application id of the file: `hots` in ASCII.
const APPLICATION_ID: i32 = 0x686f_7473;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS revisions (
    number INTEGER PRIMARY KEY,
    body   TEXT NOT NULL,
    hash   TEXT NOT NULL
) STRICT";

/// An open journal.
pub struct Journal {
    connection: Connection,
    path: PathBuf,
}

/// A position in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The newest revision; 0 before the first.
    pub number: u64,
    /// Its hash.
    pub hash: Digest,
    /// Its time.
    pub time_ms: i64,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            number: 0,
            hash: Revision::genesis(),
            time_ms: 0,
        }
    }
}

/// What can be wrong with a journal.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum JournalError {
    #[error(
        "the journal {path} is damaged: {why}; revisions 1 to {whole} are whole; `hotstage recover` keeps the damaged \
         file aside and continues from revision {whole}"
    )]
    Damaged {
        path: PathBuf,
        whole: u64,
        why: String,
    },
    #[error("the journal {path} is not Hotstage's: {why}")]
    NotOurs { path: PathBuf, why: String },
    #[error("the disk is full: can't write {path}; free some space and try again")]
    Full { path: PathBuf },
    #[error("can't use the journal {path}: {source}")]
    Sqlite {
        path: PathBuf,
        source: rusqlite::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of a replay.
#[derive(Debug, Default)]
pub struct Replayed {
    /// The last revision that was replayed.
    pub head: Head,
    /// What is served after it.
    pub state: State,
}

impl Journal {
    /// Opens the journal of a state directory; creates it when it is missing.
    pub fn open(state_directory: &Path) -> Result<Self, JournalError> {
        let path = state_directory.join(FILE);
        let connection = Connection::open(&path).map_err(|source| error(&path, source))?;
        let this = Self { connection, path };
        this.check_owner()?;
        this.prepare().map_err(|source| error(&this.path, source))?;
        crate::state::store::sync_directory(state_directory)?;
        Ok(this)
    }

    /// Opens the journal without writing to it. `None` when there is none.
    pub fn look(state_directory: &Path) -> Result<Option<Self>, JournalError> {
        let path = state_directory.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&path, flags).map_err(|source| error(&path, source))?;
        Ok(Some(Self { connection, path }))
    }

    /// Refuses a database of another program.
    fn check_owner(&self) -> Result<(), JournalError> {
        let number = |sql: &str| {
            self.connection
                .query_row(sql, (), |row| row.get::<_, i64>(0))
        };
        let read = |sql| number(sql).map_err(|source| error(&self.path, source));
        let owner = read("PRAGMA application_id")?;
        let is_new = owner == 0 && read("SELECT count(*) FROM sqlite_schema")? == 0;
        if is_new || owner == i64::from(APPLICATION_ID) {
            return Ok(());
        }
        let why = "another program's database".to_owned();
        Err(JournalError::NotOurs {
            path: self.path.clone(),
            why,
        })
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        // A commit is on the disk before it is acknowledged.
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        self.connection
            .pragma_update(None, "application_id", APPLICATION_ID)?;
        // Revisions are read sequentially, so a larger page cache would only use memory.
        self.connection.pragma_update(None, "cache_size", -64)?;
        self.connection.execute(SCHEMA, ())?;
        Ok(())
    }

    /// Appends a revision; returns its hash when it is on the disk.
    pub fn append(&mut self, revision: &Revision) -> Result<Digest, JournalError> {
        let body = revision.body();
        let hash = Digest::of(body.as_bytes());
        let number = i64::try_from(revision.number).unwrap_or(i64::MAX);
        let statement = "INSERT INTO revisions (number, body, hash) VALUES (?1, ?2, ?3)";
        let added = self
            .connection
            .execute(statement, (number, &body, hash.to_string()));
        added.map_err(|source| error(&self.path, source))?;
        Ok(hash)
    }

    /// Reads and checks revisions in order from the first, until `each` returns false or the
    /// journal ends.
    pub fn walk(
        &self,
        mut each: impl FnMut(&Revision, Digest) -> bool,
    ) -> Result<Head, JournalError> {
        let mut head = Head::default();
        let walked = self.walk_rows(&mut head, &mut each);
        walked
            .map_err(|source| self.damaged_or(source, head.number))?
            .map_err(|damaged| JournalError::Damaged {
                path: self.path.clone(),
                whole: head.number,
                why: damaged.to_string(),
            })?;
        Ok(head)
    }

    fn walk_rows(
        &self,
        head: &mut Head,
        each: &mut impl FnMut(&Revision, Digest) -> bool,
    ) -> rusqlite::Result<Result<(), Damaged>> {
        let mut statement = self
            .connection
            .prepare("SELECT number, body, hash FROM revisions ORDER BY number")?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let (number, body, hash): (i64, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let expected = head.number + 1;
            if u64::try_from(number) != Ok(expected) {
                let number = u64::try_from(number).unwrap_or(0);
                return Ok(Err(Damaged::Number { number, expected }));
            }
            let Ok(hash) = Digest::from_str(&hash) else {
                return Ok(Err(Damaged::Hash { number: expected }));
            };
            match Revision::read(&body, hash, expected, head.hash) {
                Ok(revision) => {
                    *head = Head {
                        number: expected,
                        hash,
                        time_ms: revision.time_ms,
                    };
                    if !each(&revision, hash) {
                        break;
                    }
                }
                Err(damaged) => return Ok(Err(damaged)),
            }
        }
        Ok(Ok(()))
    }

    /// The state after a revision, by default the newest.
    pub fn replay(&self, to: Option<u64>) -> Result<Replayed, JournalError> {
        let mut state = State::default();
        let mut misfit: Option<(u64, Misfit)> = None;
        let head = if to == Some(0) {
            Head::default()
        } else {
            self.walk(|revision, _| {
                for change in &revision.changes {
                    if let Err(found) = state.make(change) {
                        misfit = Some((revision.number, found));
                        return false;
                    }
                }
                to != Some(revision.number)
            })?
        };
        match misfit {
            Some((number, why)) => {
                let why =
                    format!("revision {number} does not fit what was served before it: {why}");
                Err(JournalError::Damaged {
                    path: self.path.clone(),
                    whole: number - 1,
                    why,
                })
            }
            None => Ok(Replayed { head, state }),
        }
    }

    fn damaged_or(&self, source: rusqlite::Error, whole: u64) -> JournalError {
        let is_damage = matches!(
            source,
            rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
        );
        match error(&self.path, source) {
            JournalError::Damaged { path, why, .. } => JournalError::Damaged { path, whole, why },
            JournalError::Sqlite { path, source } if is_damage => JournalError::Damaged {
                path,
                whole,
                why: source.to_string(),
            },
            other => other,
        }
    }
}

fn error(path: &Path, source: rusqlite::Error) -> JournalError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => JournalError::Full { path },
        Some(ErrorCode::DatabaseCorrupt) => JournalError::Damaged {
            path,
            whole: 0,
            why: source.to_string(),
        },
        Some(ErrorCode::NotADatabase) => JournalError::NotOurs {
            path,
            why: source.to_string(),
        },
        _ => JournalError::Sqlite { path, source },
    }
}

#[cfg(test)]
mod tests;
