//! The control plane: every change to what is served. Check → record → swap → drain.
//!
//! A change is prepared while the old version serves: its pipelines are resolved, compiled, opened
//! and tested, concurrently with other changes. The rest happens under one lock: check that the
//! change still fits what is served, write its revision to disk, swap one pointer, answer the
//! caller. A failure at any step leaves what is served and the journal unchanged. A replaced
//! version stays loaded for a while, so that a rollback is immediate; then it drains and is freed.
//!
//! Defaults: [`Options::default`]; flags of `hotstage serve` change them.

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

/// Above this number of pipelines, those without traffic keep no instance; the first request
/// creates one.
const WARM_MAX: usize = 100;

/// Options of the control plane.
#[derive(Clone, Debug)]
pub struct Options {
    /// Versions per name that stay loaded after they went out of service. `--keep-versions`.
    pub keep_versions: usize,
    /// How long a version that is being unloaded may finish its requests. `--drain-timeout`.
    pub drain: Duration,
    /// Report ready even when a name can't answer because none of its versions can be opened.
    /// `--allow-damaged`.
    pub allow_damaged: bool,
    /// Refuse to start when a version can't be opened. `--require-all`.
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

/// Options of a change.
#[derive(Clone, Debug, Default)]
pub struct ChangeOptions {
    /// The reason; recorded in the journal.
    pub reason: String,
    /// Refuse the change unless this is the newest revision.
    pub if_revision: Option<u64>,
    /// Run every check without changing anything.
    pub dry_run: bool,
}

/// What a change removes.
#[derive(Clone, Debug, Default)]
pub struct Removals {
    /// Versions.
    pub versions: Vec<(ModelName, Version)>,
    /// Names whose routes are removed.
    pub routes: Vec<ModelName>,
}

/// The state recorded in the journal, and its newest revision.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) state: State,
    pub(crate) head: Head,
}

/// Makes every change to what is served.
pub struct Control {
    pub(crate) serving: Arc<Serving>,
    deployer: Arc<Deployer>,
    journal: JournalHandle,
    ledger: ArcSwap<Ledger>,
    /// Permit for committing: held from the last check of a change to its swap.
    turn: tokio::sync::Mutex<()>,
    retired: Mutex<Retired>,
    options: Options,
    began: Instant,
    /// Limits concurrent traffic measurements.
    measuring: tokio::sync::Semaphore,
    inference: OnceLock<SocketAddr>,
    /// Progress of the running rollouts.
    rollouts: Mutex<rollout::Watches>,
    /// Documents of watched files that are not applied, with the reasons.
    not_applied: Mutex<Vec<String>>,
    /// Notified after a rollout changed its step.
    rollout_moved: tokio::sync::Notify,
}

impl Control {
    /// The state directory.
    pub fn store(&self) -> &Arc<Store> {
        &self.deployer.store
    }

    /// The snapshot that is served now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.serving.registry.read())
    }

    /// The newest revision.
    pub fn head(&self) -> u64 {
        self.ledger.load().head.number
    }

    /// Sets the address of the inference listener, for the status report.
    pub fn set_inference(&self, address: SocketAddr) {
        // Only the first call counts.
        let _ = self.inference.set(address);
    }

    /// Sets the documents of watched files that are not applied, for the status report.
    fn set_not_applied(&self, texts: Vec<String>) {
        *locked(&self.not_applied) = texts;
    }

    /// Closes the journal. Changes and history queries fail afterwards.
    pub async fn close(&self) {
        self.journal.close().await;
    }

    /// Runs work on the journal, which may block, on its own thread.
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

/// A panic leaves no guarded value half-changed, so poisoning is ignored.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
