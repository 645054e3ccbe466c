//! Every change to what is served: check → record → swap → drain.
//!
//! A change is prepared while the old version serves: its pipelines are resolved, compiled, opened
//! and tested beside others that are prepared at the same time. Then, one at a time: does it still
//! fit what is served? → its revision is on the disk → one pointer is stored → the caller is
//! answered. A failure at any step leaves what is served, and the journal, as they were. What is
//! out of service stays loaded for a while, so that a rollback is instant; then it drains and is
//! freed.
//!
//! Defaults: [`Options::default`]; the flags of `hotstage serve` change them.

mod adapt;
mod again;
mod apply;
mod cancel;
mod change;
mod commit;
pub mod compiler;
pub mod deploy;
mod describe;
mod error;
mod experiments;
mod graphs;
mod history;
mod line;
mod look;
mod mirrors;
mod models;
pub mod onnxruntime;
mod prepare;
mod retire;
mod rollback;
mod rollout;
mod routes;
mod start;
mod status;
mod sweep;
mod traffic;
mod watch;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hotstage_core::journal::State;
use hotstage_core::name::{ModelName, Version};

pub use self::adapt::adapt;
pub use self::cancel::{Cancel, CancelOnDrop, cancel_on_drop};
pub use self::error::{ControlError, ErrorKind};
use self::retire::Retired;
pub use self::rollout::watch_rollouts;
pub use self::start::Loading;
pub use self::watch::{News, WatchOptions, Watcher};
use crate::control::deploy::Deployer;
use crate::serving::Serving;
use crate::serving::registry::Snapshot;
use crate::state::journal::{Head, Journal, JournalHandle};
use crate::state::store::Store;

/// Beyond so many pipelines, those without traffic keep no instance: the first request makes one.
const WARM_MAX: usize = 100;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Versions of a name that stay loaded after they went out of service. `--keep-versions`.
    pub keep_versions: usize,
    /// How long a version that is given up may answer its last requests. `--drain-timeout`.
    pub drain: Duration,
    /// Ready, although a name can't answer because none of its versions can be opened.
    /// `--allow-damaged`.
    pub allow_damaged: bool,
    /// Refuse the start when a version can't be opened. `--require-all`.
    pub require_all: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep_versions: 2,
            drain: Duration::from_secs(25),
            allow_damaged: false,
            require_all: false,
        }
    }
}

/// What a caller says beside what it wants.
#[derive(Clone, Debug, Default)]
pub struct ChangeOptions {
    /// Why; kept in the journal.
    pub reason: String,
    /// Refuse when the newest revision is not this one.
    pub if_revision: Option<u64>,
    /// Make every check and change nothing.
    pub dry_run: bool,
}

/// What ends with a change.
#[derive(Clone, Debug, Default)]
pub struct Removals {
    /// Versions.
    pub versions: Vec<(ModelName, Version)>,
    /// Names whose routes end.
    pub routes: Vec<ModelName>,
}

/// What is served, as it is written down.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) state: State,
    pub(crate) head: Head,
}

/// Whoever changes what is served.
pub struct Control {
    pub(crate) serving: Arc<Serving>,
    deployer: Arc<Deployer>,
    journal: JournalHandle,
    ledger: ArcSwap<Ledger>,
    /// Held from the last check of a change to its swap.
    turn: tokio::sync::Mutex<()>,
    retired: Mutex<Retired>,
    options: Options,
    began: Instant,
    /// Bounds how many measure traffic at once.
    measuring: tokio::sync::Semaphore,
    inference: OnceLock<SocketAddr>,
    /// What is known of rollouts that are under way.
    rollouts: Mutex<rollout::Watches>,
    /// Of watched files, what is not applied, with the reasons.
    not_applied: Mutex<Vec<String>>,
    /// Said when one has moved.
    rollout_moved: tokio::sync::Notify,
}

impl Control {
    /// The state directory.
    pub fn store(&self) -> &Arc<Store> {
        &self.deployer.store
    }

    /// What is served right now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.serving.registry.read())
    }

    /// The newest revision.
    pub fn head(&self) -> u64 {
        self.ledger.load().head.number
    }

    /// Says where inference listens, for whoever asks.
    pub fn set_inference(&self, address: SocketAddr) {
        // It is said once.
        let _ = self.inference.set(address);
    }

    /// Says what of watched files is not applied, for whoever asks.
    fn set_not_applied(&self, texts: Vec<String>) {
        *locked(&self.not_applied) = texts;
    }

    /// Closes the journal: nothing more is changed, and nothing of the past is told.
    pub async fn close(&self) {
        self.journal.close().await;
    }

    /// Work on the journal, where it may block.
    async fn with_journal<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Journal) -> T + Send + 'static,
    ) -> Result<T, ControlError> {
        let lost = "work on the journal failed; this is a defect of the server";
        self.journal
            .ask(work)
            .await
            .map_err(|_| ControlError::new(ErrorKind::Defect, lost))
    }
}

/// Nothing that is guarded so is left half changed by a panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
