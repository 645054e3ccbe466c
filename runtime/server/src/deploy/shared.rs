//! What pipelines share while they are loaded: files' bytes and components' machine code, each once.
//!
//! An entry lives as long as a pipeline uses it; [`Shared::sweep`] forgets the others.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hotstage_core::digest::Digest;
use hotstage_engine::compile::Compiled;
use hotstage_engine::{Keeper, Role};

use crate::store::{Store, StoreError};

/// By digest, what is in use.
pub(super) struct Shared {
    store: Arc<Store>,
    bytes: Mutex<HashMap<Digest, Bytes>>,
    compiled: Mutex<HashMap<(Digest, Role), Arc<Compiled>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Nothing is in use yet.
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, bytes: Mutex::default(), compiled: Mutex::default() }
    }

    /// The bytes of this name; from the store when nobody uses them yet.
    pub(super) fn bytes(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        Ok(self.find(digest)?.map(|bytes| self.keep(*digest, bytes)))
    }

    fn find(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        if let Some(bytes) = locked(&self.bytes).get(digest) {
            return Ok(Some(bytes.clone()));
        }
        self.store.get(digest)
    }

    /// Shares these bytes: the ones that are here already, if they are.
    pub(super) fn keep(&self, digest: Digest, bytes: Bytes) -> Bytes {
        locked(&self.bytes).entry(digest).or_insert(bytes).clone()
    }

    pub(super) fn compiled(&self, component: Digest, role: Role) -> Option<Arc<Compiled>> {
        locked(&self.compiled).get(&(component, role)).cloned()
    }

    pub(super) fn keep_compiled(&self, role: Role, compiled: Compiled) -> Arc<Compiled> {
        let key = (compiled.digest, role);
        Arc::clone(locked(&self.compiled).entry(key).or_insert_with(|| Arc::new(compiled)))
    }

    /// Forgets what no pipeline uses; says how many bytes of files that were.
    pub(super) fn sweep(&self) -> u64 {
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
