//! The SQLite file of experiments: answers with their variants and rewards, and the evidence of
//! each variant.
//!
//! A confidence interval needs the rewards in their order, but not each reward again. The evidence
//! is stored beside the rewards in the same transaction, so old answers may be deleted once their
//! experiment no longer accepts feedback for them. Calls block.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use hotstage_core::experiment::Evidence;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::trial::Part;
use super::{Id, Known, Note, Reward, Taken, Trial};
use crate::files::sync_directory;

/// The file's name in the state directory.
pub const FILE: &str = "experiments.db";
/// Answers kept over all experiments, about 700 MB. The oldest are deleted first.
pub(super) const ANSWERS_MAX: i64 = 10_000_000;
/// Answers examined by one sweep, in addition to twice as many as were added.
const SWEPT: i64 = 1000;
/// Experiments whose evidence stays in memory; above this, all of them are read again.
const OPEN_MAX: usize = 10_000;

/// SQLite's application id of the file: `hotx` in ASCII.
const APPLICATION_ID: i32 = 0x686f_7478;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS experiments (
        number  INTEGER PRIMARY KEY,
        id      BLOB NOT NULL UNIQUE,
        name    TEXT NOT NULL,
        reward  TEXT NOT NULL,
        keep_ms INTEGER NOT NULL,
        since   INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS evidence (
        experiment INTEGER NOT NULL,
        version    TEXT NOT NULL,
        body       TEXT NOT NULL,
        PRIMARY KEY (experiment, version)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS answers (
        number     INTEGER PRIMARY KEY,
        experiment INTEGER NOT NULL,
        id         BLOB NOT NULL,
        variant    INTEGER NOT NULL,
        time       INTEGER NOT NULL,
        reward     REAL
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS answers_by_id ON answers (id, experiment);";

/// The open file, inside or outside a transaction.
pub(super) struct ExperimentDb {
    connection: Connection,
    open: Opened,
}

/// Experiments whose evidence is in memory.
#[derive(Default)]
struct Opened(HashMap<Id, Open>);

/// One experiment in memory.
struct Open {
    number: i64,
    since_ms: i64,
    keep_ms: i64,
    /// Indexed by version.
    evidence: Vec<Evidence>,
    is_written: bool,
}

impl ExperimentDb {
    /// Opens the file in a state directory; creates it when it is missing.
    pub(super) fn open(state_directory: &Path) -> Result<Self, String> {
        let path: PathBuf = state_directory.join(FILE);
        let opened = Connection::open(&path).and_then(|connection| {
            let owner: i64 = connection.query_row("PRAGMA application_id", (), |row| row.get(0))?;
            let tables: i64 =
                connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
            let is_ours = owner == i64::from(APPLICATION_ID) || owner == 0 && tables == 0;
            Ok(is_ours.then_some(connection))
        });
        let described = |error: rusqlite::Error| format!("can't use {}: {error}", path.display());
        let Some(connection) = opened.map_err(described)? else {
            return Err(format!(
                "{} is another program's database; move it away",
                path.display()
            ));
        };
        let prepared = connection
            .pragma_update(None, "journal_mode", "WAL")
            .and_then(|()| {
                // A commit is on the disk before it is acknowledged.
                connection.pragma_update(None, "synchronous", "FULL")?;
                connection.pragma_update(None, "application_id", APPLICATION_ID)?;
                connection.execute_batch(SCHEMA)
            });
        prepared.map_err(described)?;
        sync_directory(state_directory).map_err(|error| error.to_string())?;
        Ok(Self {
            connection,
            open: Opened::default(),
        })
    }

    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        if self.open.0.len() > OPEN_MAX {
            self.open.0.clear();
        }
        self.connection.execute_batch("BEGIN IMMEDIATE")
    }

    /// Stores the evidence of the experiments, and commits.
    pub(super) fn commit(&mut self, trials: &[std::sync::Arc<Trial>]) -> rusqlite::Result<()> {
        for trial in trials {
            let Some(open) = self
                .open
                .0
                .get_mut(&trial.id)
                .filter(|open| !open.is_written)
            else {
                continue;
            };
            let sql =
                "INSERT OR REPLACE INTO evidence (experiment, version, body) VALUES (?1, ?2, ?3)";
            let mut statement = self.connection.prepare(sql)?;
            for (version, evidence) in trial.versions.iter().zip(&open.evidence) {
                let body = serde_json::to_string(evidence).unwrap_or_default();
                statement.execute((open.number, version, body))?;
            }
            open.is_written = true;
        }
        self.connection.execute_batch("COMMIT")
    }

    /// Rolls the transaction back.
    pub(super) fn roll_back(&mut self) {
        // The evidence in memory may be ahead of the file.
        self.open.0.clear();
        let _ = self.connection.execute_batch("ROLLBACK");
    }

    /// Stores answers; returns how many of them have a new id.
    pub(super) fn add(&mut self, notes: &[Note], now_ms: i64) -> rusqlite::Result<u64> {
        let Self { connection, open } = self;
        let sql =
            "INSERT OR IGNORE INTO answers (experiment, id, variant, time) VALUES (?1, ?2, ?3, ?4)";
        let mut statement = connection.prepare(sql)?;
        let mut added = 0;
        for Note {
            part: Part { trial, variant },
            id,
        } in notes
        {
            let found = open.experiment(connection, trial, now_ms)?;
            let place = i64::try_from(*variant).unwrap_or_default();
            let is_new = statement.execute((found.number, id.bytes(), place, now_ms))? == 1;
            if let Some(evidence) = found.evidence.get_mut(*variant).filter(|_| is_new) {
                evidence.answers += 1;
                found.is_written = false;
            }
            added += u64::from(is_new);
        }
        Ok(added)
    }

    /// Applies rewards.
    pub(super) fn take(
        &mut self,
        trial: &Trial,
        rewards: &[Reward],
        now_ms: i64,
    ) -> rusqlite::Result<Taken> {
        let Self { connection, open } = self;
        let open = open.experiment(connection, trial, now_ms)?;
        let since = now_ms.saturating_sub(open.keep_ms);
        let mut find = connection.prepare(
            "SELECT number, variant, reward IS NOT NULL FROM answers WHERE id = ?1 AND experiment = ?2 AND time >= ?3",
        )?;
        let mut store = connection.prepare("UPDATE answers SET reward = ?1 WHERE number = ?2")?;
        let mut taken = Taken::default();
        for (place, Reward { id, reward }) in rewards.iter().enumerate() {
            let read =
                |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, u32>(1)? as usize, row.get(2)?));
            let found: Option<(i64, usize, bool)> = find
                .query_row((id.bytes(), open.number, since), read)
                .optional()?;
            match found {
                None => taken.unknown.push(place),
                Some((_, _, true)) => taken.duplicates += 1,
                Some((number, variant, false)) => {
                    store.execute((reward, number))?;
                    if let Some(evidence) = open.evidence.get_mut(variant) {
                        evidence.sequence.add(*reward);
                        open.is_written = false;
                    }
                    taken.counted += 1;
                }
            }
        }
        Ok(taken)
    }

    /// The current evidence of an experiment.
    pub(super) fn known(&mut self, trial: &Trial, now_ms: i64) -> rusqlite::Result<Known> {
        let Self { connection, open } = self;
        let open = open.experiment(connection, trial, now_ms)?;
        let evidence = trial
            .places
            .iter()
            .filter_map(|place| open.evidence.get(*place).cloned())
            .collect();
        Ok(Known {
            since_ms: open.since_ms,
            evidence,
        })
    }

    /// Deletes the oldest answers: those past their experiment's retention and those above
    /// [`ANSWERS_MAX`].
    pub(super) fn sweep(&mut self, came: usize, now_ms: i64) -> rusqlite::Result<()> {
        let sql = "DELETE FROM answers WHERE number IN (SELECT number FROM answers ORDER BY number LIMIT ?1) \
                   AND (number <= (SELECT max(number) FROM answers) - ?2 \
                        OR time < ?3 - (SELECT keep_ms FROM experiments WHERE number = answers.experiment))";
        let looked_at = i64::try_from(came)
            .unwrap_or(i64::MAX)
            .saturating_mul(2)
            .saturating_add(SWEPT);
        self.connection
            .execute(sql, (looked_at, ANSWERS_MAX, now_ms))?;
        Ok(())
    }
}

impl Opened {
    /// An experiment, from memory or from the file; a new one begins now.
    fn experiment(
        &mut self,
        from: &Connection,
        trial: &Trial,
        now_ms: i64,
    ) -> rusqlite::Result<&mut Open> {
        let keep_ms = i64::try_from(trial.plan.keep.as_millis()).unwrap_or(i64::MAX);
        if self
            .0
            .get(&trial.id)
            .is_none_or(|open| open.keep_ms != keep_ms)
        {
            self.0
                .insert(trial.id, Open::read(from, trial, keep_ms, now_ms)?);
        }
        // It was inserted above if it was missing.
        self.0
            .get_mut(&trial.id)
            .ok_or(rusqlite::Error::QueryReturnedNoRows)
    }
}

impl Open {
    fn read(from: &Connection, trial: &Trial, keep_ms: i64, now_ms: i64) -> rusqlite::Result<Self> {
        let sql = "INSERT INTO experiments (id, name, reward, keep_ms, since) VALUES (?1, ?2, ?3, ?4, ?5) \
                   ON CONFLICT (id) DO UPDATE SET keep_ms = excluded.keep_ms RETURNING number, since";
        let values = (
            trial.id.bytes(),
            &trial.name,
            &trial.plan.reward,
            keep_ms,
            now_ms,
        );
        let (number, since_ms) =
            from.query_row(sql, values, |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        let mut evidence = Vec::new();
        for version in &trial.versions {
            let sql = "SELECT body FROM evidence WHERE experiment = ?1 AND version = ?2";
            let body: Option<String> = from
                .query_row(sql, (number, version), |row| row.get(0))
                .optional()?;
            let read = body
                .map(|body| serde_json::from_str(&body).map_err(unreadable))
                .transpose()?;
            evidence.push(
                read.unwrap_or_else(|| Evidence::new(trial.plan.alpha, trial.versions.len())),
            );
        }
        Ok(Self {
            number,
            since_ms,
            keep_ms,
            evidence,
            is_written: true,
        })
    }
}

fn unreadable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
}
