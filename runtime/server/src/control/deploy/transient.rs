//! Contents of large files while they are in use: one copy for all concurrent readers, freed with
//! the last one.
//!
//! A guest may open a file once per handle, and every instance of every version may open the same
//! file. Bound: each file once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use hotstage_core::digest::Digest;

/// Contents in use, by digest.
#[derive(Default)]
pub(super) struct Transient {
    places: Mutex<HashMap<Digest, Arc<Place>>>,
}

/// Slot for the contents of one file while they are in use. The reader holds the lock, so that the
/// file is read only once.
type Place = Mutex<Weak<Bytes>>;

/// A reference to the contents.
struct Share(Arc<Bytes>);

impl AsRef<[u8]> for Share {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Transient {
    /// The contents in use, or else what `read` returns.
    pub(super) fn get(
        &self,
        digest: &Digest,
        read: impl FnOnce() -> Result<Bytes, String>,
    ) -> Result<Bytes, String> {
        let place = self.place(digest);
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = place.upgrade() {
            return Ok(Bytes::from_owner(Share(bytes)));
        }
        let bytes = Arc::new(read()?);
        *place = Arc::downgrade(&bytes);
        Ok(Bytes::from_owner(Share(bytes)))
    }

    fn place(&self, digest: &Digest) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(digest) {
            return Arc::clone(place);
        }
        // Few files are open at a time: unused entries are removed when another is added.
        places.retain(|_, place| {
            Arc::strong_count(place) > 1
                || place
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .strong_count()
                    > 0
        });
        Arc::clone(places.entry(*digest).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrent_readers_share_memory_and_nothing_stays() {
        let (transient, digest) = (Transient::default(), Digest::of(b"file"));
        let read = || Ok(Bytes::from(vec![7; 1000]));
        let first = transient.get(&digest, read).unwrap();
        let part = transient
            .get(&digest, || Err("read twice".to_owned()))
            .unwrap()
            .slice(10..20);
        assert_eq!(part.as_ptr(), first[10..].as_ptr());
        drop(first);
        // A slice keeps the contents alive.
        assert_eq!(
            transient
                .get(&digest, || Err("read twice".to_owned()))
                .unwrap()
                .len(),
            1000
        );
        drop(part);
        assert_eq!(
            transient.get(&digest, || Err("gone".to_owned())),
            Err("gone".to_owned())
        );
        assert!(transient.get(&digest, read).is_ok());
        for index in 0..100_u32 {
            transient
                .get(&Digest::of(&index.to_le_bytes()), read)
                .unwrap();
        }
        assert!(transient.places.lock().unwrap().len() < 3);
    }

    #[test]
    fn many_at_once_read_once() {
        let (transient, digest) = (Transient::default(), Digest::of(b"file"));
        let reads = std::sync::atomic::AtomicUsize::new(0);
        let read = || {
            reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(Bytes::from(vec![7; 1000]))
        };
        let all = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let bytes = transient.get(&digest, read).unwrap();
                    // All threads hold the contents before any releases them.
                    all.wait();
                    assert_eq!(bytes.len(), 1000);
                });
            }
        });
        assert_eq!(reads.into_inner(), 1);
    }
}
