//! Data shared between loaded pipelines, once each: file contents, machine code, and which blobs
//! were verified.
//!
//! An entry lives as long as a pipeline uses it; [`Shared::sweep`] drops the others.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hotstage_core::digest::Digest;
use hotstage_engine::compile::Compiled;
use hotstage_engine::{Keeper, Role};

use super::transient::Transient;
use crate::state::store::{Store, StoreError};

/// Data in use, by digest.
pub(super) struct Shared {
    store: Arc<Store>,
    bytes: Mutex<HashMap<Digest, Bytes>>,
    /// Contents of large files while an instance or a graph uses them.
    transient: Transient,
    compiled: Mutex<HashMap<(Digest, Role), Arc<Compiled>>>,
    /// Blobs verified since the last sweep.
    right: Mutex<HashSet<Digest>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// An empty cache.
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            bytes: Mutex::default(),
            transient: Transient::default(),
            compiled: Mutex::default(),
            right: Mutex::default(),
        }
    }

    fn find(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        if let Some(bytes) = locked(&self.bytes).get(digest) {
            return Ok(Some(bytes.clone()));
        }
        self.store.get(digest)
    }

    /// The contents of this digest; they stay in memory while they are in use.
    pub(super) fn hold(&self, digest: &Digest) -> Result<Bytes, String> {
        Ok(self.keep(*digest, self.read(digest)?))
    }

    /// Shares these bytes, or returns the copy that is already shared.
    fn keep(&self, digest: Digest, bytes: Bytes) -> Bytes {
        locked(&self.bytes).entry(digest).or_insert(bytes).clone()
    }

    /// Whether the store has this blob and its digest is right, without keeping it in memory.
    pub(super) fn look(&self, digest: &Digest) -> Result<bool, StoreError> {
        if locked(&self.bytes).contains_key(digest) || locked(&self.right).contains(digest) {
            return Ok(true);
        }
        let is_here = self.store.claim(digest)?.is_some();
        if is_here {
            self.looked_at(*digest);
        }
        Ok(is_here)
    }

    /// Marks this blob as present and verified.
    pub(super) fn looked_at(&self, digest: Digest) {
        locked(&self.right).insert(digest);
    }

    pub(super) fn compiled(&self, component: Digest, role: Role) -> Option<Arc<Compiled>> {
        locked(&self.compiled).get(&(component, role)).cloned()
    }

    pub(super) fn keep_compiled(&self, role: Role, compiled: Compiled) -> Arc<Compiled> {
        let key = (compiled.digest, role);
        Arc::clone(
            locked(&self.compiled)
                .entry(key)
                .or_insert_with(|| Arc::new(compiled)),
        )
    }

    /// Drops what no pipeline uses; returns the freed bytes of files.
    pub(super) fn sweep(&self) -> u64 {
        locked(&self.right).clear();
        locked(&self.compiled).retain(|_, compiled| Arc::strong_count(compiled) > 1);
        let mut freed = 0;
        locked(&self.bytes).retain(|_, bytes| {
            let used = !bytes.is_unique();
            freed += if used { 0 } else { bytes.len() as u64 };
            used
        });
        freed
    }
}

impl Keeper for Shared {
    fn fetch(&self, digest: &Digest) -> Result<Bytes, String> {
        self.transient.get(digest, || self.read(digest))
    }
}

impl Shared {
    fn read(&self, digest: &Digest) -> Result<Bytes, String> {
        match self.find(digest) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(format!("{digest} is not in the store any more")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}
