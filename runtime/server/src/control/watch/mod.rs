//! `serve --watch`: what lies in a folder is applied, document by document, as it changes.
//!
//! Files are looked at four times a second (`look.rs`, `folder.rs`). What happens to a document
//! follows from what it was when it was last applied, what it is now, and what is served
//! ([`hotstage_core::follow`]): one that nobody touched is left alone, whatever a promotion, a
//! rollback or another hand made of what is served since; one that was changed here and elsewhere
//! is shown and kept out until a person has decided. Documents of one name are applied together
//! (with those of a graph's members), and where that is refused each by itself. What is refused is
//! tried again: when what is served has changed, and from time to time. A document that is gone
//! ends what it brought; at a start only with `--prune`. Nothing that a file is, or holds, ends the
//! watching.

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
use crate::api::Applied;
use crate::control::deploy::Progress;

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a start waits for files to be read; they are followed all the same when that takes
/// longer.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(10);
/// What was refused is tried again at most so often.
const AGAIN: Duration = Duration::from_secs(1);
/// Without one, after so long; then after twice that, and so on.
const AGAIN_MIN: Duration = Duration::from_secs(5);
/// At most after so long.
const AGAIN_MAX: Duration = Duration::from_secs(300);
/// What the journal says who did it.
pub(super) const ACTOR: &str = "watch";

/// What can be chosen.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// Files, and folders of manifests.
    pub paths: Vec<PathBuf>,
    /// What is served already, and differs, is replaced at the start. `--replace`.
    pub replace: bool,
    /// What is gone at the start ends. `--prune`.
    pub prune: bool,
}

/// Something that people should know.
#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// A document, or some of one name, was applied.
    Applied(&'a Applied),
    /// It was not.
    Refused(&'a ControlError),
    /// It is left as it is, and why.
    Kept(&'a str),
}

/// Follows files.
pub struct Watcher {
    control: Arc<Control>,
    options: WatchOptions,
    memory: Memory,
    /// None while it is being read by another thread.
    folder: Option<Folder>,
    looking: Option<JoinHandle<(Folder, bool)>>,
    seen: Seen,
    refused: BTreeMap<Key, Refused>,
    /// Documents that were gone at the start and whose versions stay.
    orphans: BTreeSet<Key>,
    /// What was told and is still so.
    told: BTreeSet<String>,
    is_first: bool,
    head: u64,
    passed: Instant,
    /// Told what takes long.
    progress: Box<dyn Progress + Send>,
}

/// A document that was not applied.
struct Refused {
    /// What it said then.
    identity: Option<Digest>,
    trouble: ErrorKind,
    /// What was said.
    text: String,
    is_pipeline: bool,
    again: Instant,
    wait: Duration,
}

impl Watcher {
    /// Follows these from now on, as far as they differ from what was applied last.
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
            looking: None,
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

    /// Reads the files before anything is served, which puts into the store what they point at.
    /// Files that can't be read in time are applied later.
    pub async fn read(&mut self) {
        self.begin_to_look();
        // Too long is said by whoever would apply them.
        let _ = tokio::time::timeout(FIRST_LOOK_MAX, self.looked()).await;
    }

    /// Applies what was read.
    pub async fn first(&mut self, say: &(dyn Fn(News<'_>) + Send + Sync)) {
        if self.is_looking() {
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
            if !self.is_looking() {
                tokio::time::sleep(LOOK).await;
                self.begin_to_look();
            }
            let changed = self.looked().await;
            if changed || self.is_due() {
                self.pass(&say).await;
            }
        }
    }

    const fn is_looking(&self) -> bool {
        self.looking.is_some()
    }

    /// Has another thread look, as that may block.
    fn begin_to_look(&mut self) {
        let (control, paths) = (Arc::clone(&self.control), self.options.paths.clone());
        let mut folder = self
            .folder
            .take()
            .unwrap_or_else(|| Folder::new(control, paths));
        self.looking = Some(tokio::task::spawn_blocking(move || {
            let changed = folder.look();
            (folder, changed)
        }));
    }

    /// Whether the look that was begun found something new. It may be asked again when it was not
    /// waited for.
    async fn looked(&mut self) -> bool {
        let Some(looking) = &mut self.looking else {
            return false;
        };
        let looked = looking.await;
        self.looking = None;
        match looked {
            Ok((folder, changed)) => {
                if changed {
                    self.seen = folder.seen();
                }
                self.folder = Some(folder);
                changed
            }
            Err(error) => {
                tracing::error!(%error, "looking at watched files failed; this is a defect of the server");
                false
            }
        }
    }

    /// Whether something that was refused, or kept out, may have another answer now.
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
