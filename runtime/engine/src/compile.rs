//! A component that is ready to be opened as a stage: its machine code, from the cache or fresh
//! from a compiler.
//!
//! The bytes of a component are decoded and compiled elsewhere ([`crate::compiler`]), as a rule in
//! another process; what arrives here is machine code. An entry of the cache holds the engine's
//! settings and the component's digest in its name; what is in it is trusted only as `load` says.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::check::{self, Role};
use crate::engine::Engine;
use crate::load::SigningKey;
use crate::stage::Pre;
use hotstage_core::digest::Digest;

/// Where entries are kept. A cache may forget; it must not fail.
pub trait Artifacts: Send + Sync {
    /// Whether there is an entry of this name.
    fn has(&self, name: &str) -> bool;
    /// The entry of this name, if there is one.
    fn load(&self, name: &str) -> Option<Vec<u8>>;
    /// Keeps an entry, if it can.
    fn save(&self, name: &str, entry: &[u8]);
}

/// A component that is ready to be opened as a stage.
///
/// It is shared by all stages that are made of it, which so have their machine code and its links
/// once.
pub struct Compiled {
    pub(crate) pre: Pre,
    /// The component's name.
    pub digest: Digest,
    /// Where the machine code came from.
    pub origin: Origin,
}

/// Where machine code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The cache had it.
    Cached,
    /// It was compiled now: nothing was there.
    Compiled,
    /// It was compiled now, because the entry that was there was damaged or not ours.
    Recompiled,
}

/// Bytes that are no component that can serve in this role.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is something else.
    #[error("{0}")]
    NotAComponent(String),
    /// It is larger than components may be.
    #[error("{0}")]
    TooLarge(String),
    /// It does not fit the world of its role.
    #[error("{0}")]
    Unfit(String),
    /// The compiler refuses it.
    #[error("the component can't be compiled: {0}")]
    Refused(String),
}

/// What the cache knows of a component.
pub enum Cached {
    /// Its machine code, linked.
    Ready(Compiled),
    /// Its machine code, which does not link in this role. Why is in the component:
    /// [`crate::compiler::check`].
    Unlinked(String),
    /// Nothing.
    Absent,
    /// An entry that is damaged or was not signed by this server.
    Untrusted,
}

impl Engine {
    /// Whether the cache seems to have this component, which then costs no compilation.
    pub fn is_cached(&self, digest: &Digest, artifacts: &dyn Artifacts) -> bool {
        artifacts.has(&self.entry_name(digest))
    }

    /// The component as the cache has it.
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

    /// Signs the machine code that a compiler made of a component, keeps it in the cache and links
    /// it.
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
