//! Bytes of large files while somebody has them: one copy for all who ask meanwhile, none when the
//! last is done.
//!
//! A guest may open a file as often as it has handles, and every instance of every version may open
//! the same one. Bound: the files themselves, each once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use hotstage_core::digest::Digest;

/// By digest, the bytes that somebody has.
#[derive(Default)]
pub(super) struct Transient {
    places: Mutex<HashMap<Digest, Arc<Place>>>,
}

/// Where the bytes of one file are while somebody has them. Whoever reads them holds the lock, so
/// that nobody reads them twice.
type Place = Mutex<Weak<Bytes>>;

/// A share of the bytes.
struct Share(Arc<Bytes>);

impl AsRef<[u8]> for Share {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Transient {
    /// The bytes that somebody has, or else those that `read` brings.
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
        // A few files are open at a time: those that are not any more go when another comes.
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
    fn who_asks_meanwhile_gets_the_same_memory_and_nothing_stays() {
        let (transient, digest) = (Transient::default(), Digest::of(b"file"));
        let read = || Ok(Bytes::from(vec![7; 1000]));
        let first = transient.get(&digest, read).unwrap();
        let part = transient
            .get(&digest, || Err("read twice".to_owned()))
            .unwrap()
            .slice(10..20);
        assert_eq!(part.as_ptr(), first[10..].as_ptr());
        drop(first);
        // A part of it keeps it.
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
                    // Nobody is done before everybody has them.
                    all.wait();
                    assert_eq!(bytes.len(), 1000);
                });
            }
        });
        assert_eq!(reads.into_inner(), 1);
    }
}
