//! Fast random numbers for random assignments. Clients can't predict them; they are not for
//! secrets.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};

/// The next number of this thread's own sequence (SplitMix64; Steele, Lea & Flood 2014).
pub(crate) fn next_u64() -> u64 {
    thread_local! {
        static LAST: Cell<u64> = Cell::new(RandomState::new().hash_one(0));
    }
    let next = LAST.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    LAST.set(next);
    next
}
