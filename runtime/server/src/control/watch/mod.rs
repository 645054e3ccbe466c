//! `serve --watch`: applies the documents of a folder whenever they change.
//!
//! Files are scanned four times a second (`scan.rs`, `folder.rs`). The action for a document
//! depends on three states: when it was last applied, now, and what is served
//! ([`hotstage_core::follow`]). A document that did not change is ignored, even when a promotion, a
//! rollback or another client changed what is served. A document that changed in both places is
//! reported as a conflict and not applied until a person decides. Documents of one name, with those
//! of its graphs, are applied together; if that is refused, one by one. Refused documents are
//! retried when what is served changes, and periodically. Removing a document removes what it
//! brought; at a start only with `--prune`. No content of a file ends the watching.

mod folder;
mod key;
mod memory;
mod pass;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotstage_core::digest::Digest;
use tokio::task::JoinHandle;

use self::folder::{Folder, Seen};
use self::key::Key;
use self::memory::Memory;
use super::{Control, ControlError, ErrorKind};
use crate::control::deploy::Progress;
use hotstage_client::Applied;

/// Interval between scans.
const SCAN_INTERVAL: Duration = Duration::from_millis(250);
/// How long a start waits for the first scan; files read later are still applied.
const FIRST_SCAN_MAX: Duration = Duration::from_secs(10);
/// Minimum delay between retries of refused documents.
const AGAIN: Duration = Duration::from_secs(1);
/// First delay of the periodic retry; it doubles each time.
const AGAIN_MIN: Duration = Duration::from_secs(5);
/// Maximum delay of the periodic retry.
const AGAIN_MAX: Duration = Duration::from_secs(300);
/// The actor in the journal.
pub(super) const ACTOR: &str = "watch";

/// Options.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// Files, and folders of manifests.
    pub paths: Vec<PathBuf>,
    /// Replace served versions that differ, at the start. `--replace`.
    pub replace: bool,
    /// Remove what is missing from the files at the start. `--prune`.
    pub prune: bool,
}

/// An event for the operator.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// Documents of one name were applied.
    Applied(&'a Applied),
    /// They were refused.
    Refused(&'a ControlError),
    /// A document is ignored; the text says why.
    Kept(&'a str),
}

/// Follows files.
pub struct Watcher {
    control: Arc<Control>,
    options: WatchOptions,
    memory: Memory,
    /// None while a blocking thread is reading it.
    folder: Option<Folder>,
    scanning: Option<JoinHandle<(Folder, bool)>>,
    seen: Seen,
    refused: BTreeMap<Key, Refused>,
    /// Documents that were missing at the start and whose versions stay.
    orphans: BTreeSet<Key>,
    /// Messages that were reported and still apply.
    told: BTreeSet<String>,
    is_first: bool,
    head: u64,
    passed: Instant,
    /// Receives progress reports.
    progress: Box<dyn Progress + Send>,
}

/// A document that was not applied.
struct Refused {
    /// Its identity when it was refused.
    identity: Option<Digest>,
    trouble: ErrorKind,
    /// The reported message.
    text: String,
    is_pipeline: bool,
    again: Instant,
    wait: Duration,
}

impl Watcher {
    /// Follows these paths from now on, comparing them with what was last applied.
    pub async fn new(
        control: Arc<Control>,
        options: WatchOptions,
        progress: Box<dyn Progress + Send>,
    ) -> Result<Self, ControlError> {
        let absolute = options
            .paths
            .iter()
            .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        let paths: Vec<PathBuf> = absolute.collect();
        let memory = Memory::read(&control).await?;
        let folder = Folder::new(Arc::clone(&control), paths.clone());
        Ok(Self {
            options: WatchOptions { paths, ..options },
            memory,
            folder: Some(folder),
            scanning: None,
            seen: Seen::default(),
            refused: BTreeMap::new(),
            orphans: BTreeSet::new(),
            told: BTreeSet::new(),
            is_first: true,
            head: control.head(),
            passed: Instant::now(),
            progress,
            control,
        })
    }

    /// Reads the files before anything is served, which also stores the referenced bytes. Files
    /// that take too long are applied later.
    pub async fn read(&mut self) {
        self.begin_scan();
        // After a timeout, `first` reports that the files can't be read yet.
        let _ = tokio::time::timeout(FIRST_SCAN_MAX, self.scanned()).await;
    }

    /// Applies what was read.
    pub async fn first(&mut self, say: &(dyn Fn(News<'_>) + Send + Sync)) {
        if self.is_scanning() {
            say(News::Kept(
                "the watched files can't be read yet; they are applied when they can",
            ));
            return;
        }
        self.pass(say).await;
    }

    /// Follows the files until the future is dropped.
    pub async fn follow(mut self, say: impl Fn(News<'_>) + Send + Sync) {
        loop {
            if !self.is_scanning() {
                tokio::time::sleep(SCAN_INTERVAL).await;
                self.begin_scan();
            }
            let changed = self.scanned().await;
            if changed || self.is_due() {
                self.pass(&say).await;
            }
        }
    }

    const fn is_scanning(&self) -> bool {
        self.scanning.is_some()
    }

    /// Starts a scan on a blocking thread.
    fn begin_scan(&mut self) {
        let (control, paths) = (Arc::clone(&self.control), self.options.paths.clone());
        let mut folder = self
            .folder
            .take()
            .unwrap_or_else(|| Folder::new(control, paths));
        self.scanning = Some(tokio::task::spawn_blocking(move || {
            let changed = folder.look();
            (folder, changed)
        }));
    }

    /// Waits for the scan; returns whether it found a change. Cancel safe: it may be called again.
    async fn scanned(&mut self) -> bool {
        let Some(scanning) = &mut self.scanning else {
            return false;
        };
        let scanned = scanning.await;
        self.scanning = None;
        match scanned {
            Ok((folder, changed)) => {
                if changed {
                    self.seen = folder.seen();
                }
                self.folder = Some(folder);
                changed
            }
            Err(error) => {
                tracing::error!(%error, "scanning watched files failed; this is a defect of the server");
                false
            }
        }
    }

    /// Whether a refused or ignored document may have a different result now.
    fn is_due(&self) -> bool {
        if self.passed.elapsed() < AGAIN {
            return false;
        }
        let waits = !self.told.is_empty() || !self.refused.is_empty();
        let has_moved = waits && self.control.head() != self.head;
        has_moved
            || self
                .refused
                .values()
                .any(|refused| refused.again <= Instant::now())
    }
}
