//! Opens a path below a folder in one step of the kernel's: `openat2` with `RESOLVE_BENEATH`, on
//! Linux since 5.6.
//!
//! It answers the path's file or nothing. Nothing says little: the kernel may be too old or forbid
//! the call, a link may be absolute and yet lead back, or the path leads out. Whoever asks then
//! walks ([`walk`](super::walk)), and that decides.

use std::fs::File;
use std::path::Path;

/// The file, opened for reading without waiting, if the kernel is sure that it lies below the
/// folder.
#[cfg(target_os = "linux")]
pub(super) fn open(folder: &Path, path: &Path) -> Option<File> {
    use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};

    let within = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let folder = openat(
        CWD,
        folder,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    // Looked at before it is opened for reading: that would set a device going, or wake whoever
    // writes into a FIFO.
    let seen = openat2(
        &folder,
        path,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        within,
    )
    .ok()?;
    if FileType::from_raw_mode(fstat(&seen).ok()?.st_mode) != FileType::RegularFile {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    openat2(&folder, path, flags, Mode::empty(), within)
        .ok()
        .map(File::from)
}

/// Elsewhere there is no such step.
#[cfg(not(target_os = "linux"))]
pub(super) fn open(_: &Path, _: &Path) -> Option<File> {
    None
}
