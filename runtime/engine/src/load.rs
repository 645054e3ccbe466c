//! Loads signed machine code; this needs `unsafe`.
//!
//! Compiled components are machine code that runs with the server's rights, so an entry of the
//! cache is loaded only when this server signed it: HMAC-SHA-256 over the engine's settings, the
//! component's digest and the code, with a key that never leaves the state directory. A damaged
//! entry, one of another server, another component or another version of the engine fails the check
//! and is compiled again.

use hmac::{Hmac, KeyInit as _, Mac as _};
use hotstage_core::digest::Digest;
use hotstage_core::limits::FAILURE_TEXT_BYTES_MAX;
use hotstage_core::printable;
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

const SIGNATURE: usize = 32;

/// The server's secret for its own cache entries.
#[derive(Clone)]
pub struct SigningKey(pub [u8; 32]);

impl SigningKey {
    fn mac(&self, compatibility: u64, digest: &Digest, code: &[u8]) -> Hmac<Sha256> {
        let mut key = [0; 64];
        key[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&key.into());
        mac.update(&compatibility.to_le_bytes());
        mac.update(digest.to_string().as_bytes());
        mac.update(code);
        mac
    }

    /// The entry for the code of a component.
    pub(crate) fn sign(&self, compatibility: u64, digest: &Digest, code: &[u8]) -> Vec<u8> {
        let mut entry = Vec::with_capacity(SIGNATURE + code.len());
        entry.extend_from_slice(
            &self
                .mac(compatibility, digest, code)
                .finalize()
                .into_bytes(),
        );
        entry.extend_from_slice(code);
        entry
    }

    /// The component of an entry that this server signed.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        compatibility: u64,
        digest: &Digest,
        entry: &[u8],
    ) -> Result<Component, LoadError> {
        let (signature, code) = entry
            .split_at_checked(SIGNATURE)
            .ok_or(LoadError::Untrusted)?;
        self.mac(compatibility, digest, code)
            .verify_slice(signature)
            .map_err(|_| LoadError::Untrusted)?;
        deserialize(engine, code).map_err(|error| {
            LoadError::Refused(printable::within(
                format_args!("{error:#}"),
                FAILURE_TEXT_BYTES_MAX,
            ))
        })
    }
}

/// Machine code that is not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// This server did not sign it.
    #[error("it is damaged, or was not signed here")]
    Untrusted,
    /// The engine refuses it: it needs more than one instance may have.
    #[error("{0}")]
    Refused(String),
}

/// JUSTIFICATION: compiling takes 0.1 s for a small component and 20 s for a large one; loading
/// takes a millisecond. There is no safe way to load machine code.
#[expect(unsafe_code, reason = "see JUSTIFICATION and SAFETY")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime requires that the bytes come unchanged from `Component::serialize` of the
    // same wasmtime. The only caller has checked a signature over them that only `SigningKey::sign`
    // makes, which only `compile` calls, with just those bytes; the key is as secret as the
    // server's memory is.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_entries_pass() {
        let (key, other) = (SigningKey([1; 32]), SigningKey([2; 32]));
        let (digest, foreign) = (Digest::of(b"a"), Digest::of(b"b"));
        let check = |key: &SigningKey, compatibility, digest: &Digest, entry: &[u8]| {
            let (signature, code) = entry.split_at(SIGNATURE);
            key.mac(compatibility, digest, code)
                .verify_slice(signature)
                .is_ok()
        };
        let entry = key.sign(7, &digest, b"code");
        assert!(check(&key, 7, &digest, &entry));
        assert!(!check(&other, 7, &digest, &entry));
        assert!(!check(&key, 8, &digest, &entry));
        assert!(!check(&key, 7, &foreign, &entry));
        for index in 0..entry.len() {
            let mut damaged = entry.clone();
            damaged[index] ^= 1;
            assert!(!check(&key, 7, &digest, &damaged), "byte {index}");
        }
    }

    #[test]
    fn a_short_entry_is_no_entry() {
        let engine = Engine::default();
        assert!(
            SigningKey([1; 32])
                .load(&engine, 7, &Digest::of(b"a"), b"short")
                .is_err()
        );
    }
}
