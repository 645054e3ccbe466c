//! Memory that the server and the process of a graph share, and how one side wakes the other.
//!
//! An anonymous file in memory, mapped by both; its size is sealed, so that neither side can take
//! pages away from the other. It is large and sparse: a page takes memory once it was written. The
//! server trusts nothing that it reads here: it copies first and checks the copy. Bound: the length
//! that it is created with.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create,
};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The mapping.
pub(super) struct Shared {
    base: NonNull<u8>,
    length: usize,
    file: OwnedFd,
}

// SAFETY: a mapping has no owner thread; words that both sides access at once are atomics.
#[expect(unsafe_code, reason = "the pointer has no owner thread")]
unsafe impl Send for Shared {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "as above")]
unsafe impl Sync for Shared {}

impl Shared {
    /// New memory, all zeros.
    pub(super) fn create(length: usize) -> io::Result<Self> {
        let file = memfd_create(
            "hotstage-graph",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?;
        ftruncate(&file, length as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Self::attach(file, length)
    }

    /// The same memory in another process.
    ///
    /// JUSTIFICATION: no safe call maps memory, and a copy through a pipe costs more than the
    /// computation of a small graph.
    #[expect(unsafe_code, reason = "see JUSTIFICATION and SAFETY")]
    pub(super) fn attach(file: OwnedFd, length: usize) -> io::Result<Self> {
        let (protection, flags) = (
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::SHARED | MapFlags::NORESERVE,
        );
        // SAFETY: a new mapping at an address that the kernel chooses: it replaces none.
        let base = unsafe { mmap(ptr::null_mut(), length, protection, flags, &file, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, length, file })
    }

    /// The file behind it, for another process.
    pub(super) fn file(&self) -> io::Result<OwnedFd> {
        self.file.as_fd().try_clone_to_owned()
    }

    /// A word that both sides change.
    #[expect(unsafe_code, reason = "see SAFETY")]
    pub(super) fn word(&self, at: usize) -> &AtomicU32 {
        assert!(
            at.is_multiple_of(4) && at + 4 <= self.length,
            "a word outside of the shared memory"
        );
        // SAFETY: it is inside the mapping, at its border (the mapping begins at a page), lives as
        // long as `self`, and is only ever read and written as an atomic.
        unsafe { self.base.add(at).cast::<AtomicU32>().as_ref() }
    }

    /// The same with 64 bits.
    #[expect(unsafe_code, reason = "see SAFETY")]
    pub(super) fn long(&self, at: usize) -> &AtomicU64 {
        assert!(
            at.is_multiple_of(8) && at + 8 <= self.length,
            "a word outside of the shared memory"
        );
        // SAFETY: as in `word`.
        unsafe { self.base.add(at).cast::<AtomicU64>().as_ref() }
    }

    /// Writes bytes. The protocol (`lane`) gives a range to one side at a time.
    #[expect(unsafe_code, reason = "see SAFETY")]
    pub(super) fn put(&self, at: usize, bytes: &[u8]) {
        assert!(
            self.holds(at, bytes.len()),
            "bytes outside of the shared memory"
        );
        // SAFETY: the range is inside the mapping. `bytes` is not: nothing hands out slices of what
        // is written.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(at).as_ptr(), bytes.len());
        };
    }

    /// A copy of bytes: later writes of the other side do not affect it.
    #[expect(unsafe_code, reason = "see SAFETY")]
    pub(super) fn copy(&self, at: usize, length: usize) -> Vec<u8> {
        assert!(self.holds(at, length), "bytes outside of the shared memory");
        let mut copied = Vec::with_capacity(length);
        // SAFETY: the range is inside the mapping, the vector has the capacity for it and is full
        // afterwards. Where the other side breaks the protocol and writes meanwhile, some bytes are
        // old and some are new; any are bytes.
        unsafe {
            ptr::copy_nonoverlapping(self.base.add(at).as_ptr(), copied.as_mut_ptr(), length);
            copied.set_len(length);
        }
        copied
    }

    /// Bytes in place: only for the process of a graph, which trusts the server.
    #[expect(unsafe_code, reason = "see SAFETY")]
    pub(super) fn view(&self, at: usize, length: usize) -> &[u8] {
        assert!(self.holds(at, length), "bytes outside of the shared memory");
        // SAFETY: the range is inside the mapping and lives as long as `self`. The server writes it
        // only while this process computes nothing from it (`lane`), and this process writes to
        // other ranges.
        unsafe { std::slice::from_raw_parts(self.base.add(at).as_ptr(), length) }
    }

    /// Returns the memory of a range to the kernel; it reads as zeros afterwards.
    pub(super) fn give_back(&self, at: usize, length: usize) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if length > 0 && self.holds(at, length) {
            // If the kernel refuses, the memory is reused as it is.
            let _ = fallocate(&self.file, flags, at as u64, length as u64);
        }
    }

    fn holds(&self, at: usize, length: usize) -> bool {
        at.checked_add(length).is_some_and(|end| end <= self.length)
    }
}

impl Drop for Shared {
    #[expect(unsafe_code, reason = "see SAFETY")]
    fn drop(&mut self) {
        // SAFETY: it is the mapping that `attach` made, and every reference into it borrows `self`.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.length) };
    }
}

/// Sleeps until the word changes, the other side wakes it, or `most` has passed.
///
/// JUSTIFICATION: the kernel's futex is the quickest way to wake a thread of another process.
#[expect(unsafe_code, reason = "see JUSTIFICATION and SAFETY")]
pub(super) fn wait(word: &AtomicU32, seen: u32, most: Option<Duration>) {
    let most = most.map(|most| libc::timespec {
        tv_sec: libc::time_t::try_from(most.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(most.subsec_nanos().cast_signed()),
    });
    let most = most.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the word and the time live until the call returns; FUTEX_WAIT reads both and writes
    // neither.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, seen, most) };
}

/// Wakes all threads that sleep on the word, in every process.
#[expect(unsafe_code, reason = "see SAFETY")]
pub(super) fn wake(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE takes the address as a name, and touches nothing.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX) };
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering::SeqCst;

    use super::*;

    #[test]
    fn what_one_mapping_writes_another_reads_and_its_size_is_sealed() {
        let one = Shared::create(1 << 30).unwrap();
        let other = Shared::attach(one.file().unwrap(), 1 << 30).unwrap();
        one.put(4090, b"across pages");
        assert_eq!(other.copy(4090, 12), b"across pages");
        assert_eq!(other.view(4090, 6), b"across");
        one.give_back(4096, 4096);
        assert_eq!(other.copy(4090, 7), b"across\0");
        assert!(ftruncate(one.file().unwrap(), 4096).is_err());
    }

    #[test]
    fn a_sleeper_is_woken_and_a_time_ends() {
        let shared = Arc::new(Shared::create(4096).unwrap());
        wait(shared.word(0), 0, Some(Duration::from_millis(1)));
        let sleeper = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || {
                while shared.word(0).load(SeqCst) == 0 {
                    wait(shared.word(0), 0, None);
                }
            })
        };
        shared.word(0).store(1, SeqCst);
        while !sleeper.is_finished() {
            wake(shared.word(0));
            std::thread::yield_now();
        }
        sleeper.join().unwrap();
    }
}
