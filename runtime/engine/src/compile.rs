//! A component that is ready to be opened as a stage: its machine code, from the cache or from a
//! compiler.
//!
//! Components are decoded and compiled by [`crate::compiler`], usually in another process; this
//! module handles machine code only. The name of a cache entry holds the engine's settings and the
//! component's digest; `load` verifies the content before it is used.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::check::{self, Role};
use crate::engine::Engine;
use crate::load::SigningKey;
use crate::stage::Pre;
use hotstage_core::digest::Digest;

/// The cache of machine code. It may lose entries; it must not fail.
pub trait Artifacts: Send + Sync {
    /// Whether there is an entry of this name.
    fn has(&self, name: &str) -> bool;
    /// The entry of this name, if there is one.
    fn load(&self, name: &str) -> Option<Vec<u8>>;
    /// Stores an entry, if possible.
    fn save(&self, name: &str, entry: &[u8]);
}

/// A component that is ready to be opened as a stage.
///
/// All stages of the component share it, and so its machine code and its links.
pub struct Compiled {
    pub(crate) pre: Pre,
    /// The component's digest.
    pub digest: Digest,
    /// The origin of the machine code.
    pub origin: Origin,
}

/// The origin of machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The cache.
    Cached,
    /// Compiled now: the cache had no entry.
    Compiled,
    /// Compiled now, because the cache's entry was damaged or not signed by this server.
    Recompiled,
}

/// Bytes that are not a component that can serve in this role.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The bytes are something else.
    #[error("{0}")]
    NotAComponent(String),
    /// The component is larger than allowed.
    #[error("{0}")]
    TooLarge(String),
    /// The component does not fit the world of its role.
    #[error("{0}")]
    Unfit(String),
    /// The compiler refuses it.
    #[error("the component can't be compiled: {0}")]
    Refused(String),
}

/// The cache's entry for a component.
pub enum Cached {
    /// Its machine code, linked.
    Ready(Compiled),
    /// Its machine code, which does not link in this role. [`crate::compiler::check`] finds the
    /// reason in the component.
    Unlinked(String),
    /// No entry.
    Absent,
    /// An entry that is damaged or was not signed by this server.
    Untrusted,
}

impl Engine {
    /// Whether the cache seems to have this component, so that it needs no compilation.
    pub fn is_cached(&self, digest: &Digest, artifacts: &dyn Artifacts) -> bool {
        artifacts.has(&self.entry_name(digest))
    }

    /// The component from the cache.
    pub fn cached(
        &self,
        digest: Digest,
        role: Role,
        artifacts: &dyn Artifacts,
        key: &SigningKey,
    ) -> Cached {
        let Some(entry) = artifacts.load(&self.entry_name(&digest)) else {
            return Cached::Absent;
        };
        let Ok(component) = key.load(&self.wasmtime, self.compatibility(), &digest, &entry) else {
            return Cached::Untrusted;
        };
        match check::links(self, &component, role) {
            Ok(pre) => Cached::Ready(Compiled {
                pre,
                digest,
                origin: Origin::Cached,
            }),
            Err(error) => Cached::Unlinked(format!("{error:#}")),
        }
    }

    /// Signs the machine code of a component, stores it in the cache and links it.
    pub fn adopt(
        &self,
        code: &[u8],
        digest: Digest,
        role: Role,
        origin: Origin,
        artifacts: &dyn Artifacts,
        key: &SigningKey,
    ) -> Result<Compiled, CompileError> {
        let compatibility = self.compatibility();
        let signed = key.sign(compatibility, &digest, code);
        let component = key
            .load(&self.wasmtime, compatibility, &digest, &signed)
            .map_err(|error| {
                CompileError::Refused(format!("its machine code can't be loaded: {error}"))
            })?;
        artifacts.save(&self.entry_name(&digest), &signed);
        let pre = check::links(self, &component, role).map_err(|error| {
            CompileError::Unfit(format!("the component does not link: {error:#}"))
        })?;
        Ok(Compiled {
            pre,
            digest,
            origin,
        })
    }

    fn compatibility(&self) -> u64 {
        compatibility(&self.wasmtime)
    }

    fn entry_name(&self, digest: &Digest) -> String {
        format!("{:016x}-{}.cwasm", self.compatibility(), digest.hex())
    }
}

/// The settings that machine code depends on, as a number.
pub(crate) fn compatibility(engine: &wasmtime::Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}
