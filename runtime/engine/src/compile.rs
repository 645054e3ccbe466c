//! A component's bytes → machine code, from the cache when it is there.
//!
//! An entry's name holds the engine's settings and the component's digest; what is in it is trusted only as
//! `load` says. Compiling takes 0.1 s for a small component and 20 s for one with a language runtime
//! inside: call it where that may block.

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
/// It is shared by all stages that are made of it, which so have their machine code and its links once.
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
    /// It does not fit the world of its role.
    #[error("{0}")]
    Unfit(String),
    /// The compiler refuses it.
    #[error("the component can't be compiled: {0}")]
    Refused(String),
}

impl Engine {
    /// Whether the cache seems to have this component, so that nobody need be told that it takes a while.
    pub fn is_cached(&self, digest: &Digest, artifacts: &dyn Artifacts) -> bool {
        artifacts.has(&self.entry_name(digest))
    }

    /// Compiles, or loads what was compiled before, and checks that the component fits its role's world.
    pub fn compile(
        &self,
        bytes: &[u8],
        digest: Digest,
        role: Role,
        artifacts: &dyn Artifacts,
        key: &SigningKey,
    ) -> Result<Compiled, CompileError> {
        let name = self.entry_name(&digest);
        let compatibility = self.compatibility();
        let entry = artifacts.load(&name);
        let cached = entry.as_ref().and_then(|entry| key.load(&self.wasmtime, compatibility, &digest, entry));
        let (component, origin) = match cached {
            Some(component) => (component, Origin::Cached),
            None => {
                // Before the compiler, which takes a thousand times as long.
                check::fits(bytes, role)?;
                let code = self
                    .wasmtime
                    .precompile_component(bytes)
                    .map_err(|error| CompileError::Refused(format!("{error:#}")))?;
                let signed = key.sign(compatibility, &digest, &code);
                let component = key
                    .load(&self.wasmtime, compatibility, &digest, &signed)
                    .ok_or_else(|| CompileError::Refused("its machine code can't be loaded".into()))?;
                artifacts.save(&name, &signed);
                (component, if entry.is_some() { Origin::Recompiled } else { Origin::Compiled })
            }
        };
        let pre = check::links(self, &component, role).map_err(|error| match check::fits(bytes, role) {
            Err(explained) => explained,
            Ok(()) => CompileError::Unfit(format!("the component does not link: {error:#}")),
        })?;
        Ok(Compiled { pre, digest, origin })
    }

    fn compatibility(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.wasmtime.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    fn entry_name(&self, digest: &Digest) -> String {
        format!("{:016x}-{}.cwasm", self.compatibility(), digest.hex())
    }
}
