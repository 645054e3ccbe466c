//! Opens a path below a folder in one system call: `openat2` with `RESOLVE_BENEATH`, on Linux since
//! 5.6.
//!
//! It returns the file or `None`. `None` proves nothing: the kernel may be too old or forbid the
//! call, an absolute link may lead back into the folder, or the path leads out. The caller then
//! walks the path ([`walk`](super::walk)), which decides.

use std::fs::File;
use std::path::Path;

/// Opens the file for reading without blocking, if the kernel confirms that it lies below the
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
    // Check the type first: opening a device for reading may start it, and opening a FIFO wakes its
    // writer.
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

/// Other systems have no such call.
#[cfg(not(target_os = "linux"))]
pub(super) fn open(_: &Path, _: &Path) -> Option<File> {
    None
}
