//! Opens files that manifests and operators name: components, weights and golden tests of a
//! manifest, and manifests themselves.
//!
//! Only regular files are opened, and opening never blocks: a FIFO, a device, a socket or a folder
//! is an error that names its type. A file of a manifest must lie in the manifest's own folder, or
//! in a directory that the operator allows (`--allow-path`), after all symbolic links and `..` are
//! followed; files of `/proc`, `/sys` and the like are refused unless the allowed directory itself
//! is one of theirs. The file that was checked is the file that is read: the check uses the
//! directories that were opened during the walk (`walk.rs`), and no path is opened twice.
//!
//! Default: the manifest's folder only. Bound: `LINKS_MAX` symbolic links in one path.

mod beneath;
mod walk;

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

/// Makes the entries of a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Directories that manifests may use in addition to their own folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Arc<[PathBuf]>);

impl Allowed {
    /// Allows these directories.
    pub fn new(directories: &[PathBuf]) -> Self {
        Self(directories.into())
    }
}

/// The directories in which the files of one manifest may lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confined {
    folder: PathBuf,
    allowed: Allowed,
}

/// Why a file is not opened. The message begins with the path as written.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    #[error("there is no file {}", path.display())]
    Missing { path: PathBuf },
    #[error("{} is {what}, not a file{}", path.display(), hint(what))]
    NotAFile { path: PathBuf, what: &'static str },
    #[error(
        "{} leads out of the manifest's folder, to {}; move the file into {}, or allow its directory with --allow-path \
         {}",
        path.display(), found.display(), shown_folder(folder), parent(found).display()
    )]
    Outside {
        path: PathBuf,
        folder: PathBuf,
        found: PathBuf,
    },
    #[error("{} is on a kernel file system; a manifest's files must be on a disk", path.display())]
    Kernel { path: PathBuf },
    #[error("can't read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl OpenError {
    fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Io { path, source },
        }
    }
}

impl Confined {
    /// The files that a manifest in this folder may name.
    pub fn new(folder: &Path, allowed: &Allowed) -> Self {
        Self {
            folder: folder.to_owned(),
            allowed: allowed.clone(),
        }
    }

    /// The files that this manifest may name: those in its folder, or, for standard input (`-`), in
    /// the current folder.
    pub fn of(manifest: &str, allowed: &Allowed) -> Self {
        Self::new(
            Path::new(manifest).parent().unwrap_or(Path::new("")),
            allowed,
        )
    }

    /// Resolves a path relative to the folder.
    pub fn path(&self, written: impl AsRef<Path>) -> PathBuf {
        self.folder.join(written)
    }

    /// Opens a path relative to the folder, for reading.
    pub fn open(&self, written: impl AsRef<Path>) -> Result<File, OpenError> {
        let path = self.path(&written);
        // First let the kernel check, which succeeds for files in the folder, the common case.
        if let Some(file) = beneath::open(here(&self.folder), written.as_ref()) {
            return regular(file, &path, None);
        }
        let found = walk::open(&path).map_err(|error| error.named(&path))?;
        let roots = self
            .allowed
            .0
            .iter()
            .map(PathBuf::as_path)
            .chain([here(&self.folder)]);
        let roots: Vec<fs::Metadata> = roots.filter_map(|root| fs::metadata(root).ok()).collect();
        match roots
            .iter()
            .find(|root| found.is_below((root.dev(), root.ino())))
        {
            Some(root) => regular(found.file, &path, Some(root.dev())),
            None if walk::is_kernels(&found.file) => Err(OpenError::Kernel { path }),
            None => Err(OpenError::Outside {
                path,
                folder: self.folder.clone(),
                found: found.place,
            }),
        }
    }
}

/// Opens a file that the operator names, in any directory; links are followed.
pub fn open(path: &Path) -> Result<File, OpenError> {
    // Check the type first: opening a device may have side effects.
    let about = fs::metadata(path).map_err(|error| OpenError::io(path, error))?;
    is_file(&about, path)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = flag_bits(flags);
    let file = File::options()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| OpenError::io(path, error))?;
    let about = file
        .metadata()
        .map_err(|error| OpenError::io(path, error))?;
    is_file(&about, path)?;
    Ok(file)
}

/// Opens the server's own file, in a directory where only the server writes; never follows a link
/// in its place.
pub fn open_own(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
    let file = File::options()
        .read(true)
        .custom_flags(flag_bits(flags))
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

fn flag_bits(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or_default()
}

/// Returns the file if it is regular and not on a kernel file system, unless it is on the same
/// device as the allowed directory.
fn regular(file: File, path: &Path, allowed: Option<u64>) -> Result<File, OpenError> {
    let about = file
        .metadata()
        .map_err(|error| OpenError::io(path, error))?;
    is_file(&about, path)?;
    if allowed != Some(about.dev()) && walk::is_kernels(&file) {
        return Err(OpenError::Kernel {
            path: path.to_owned(),
        });
    }
    Ok(file)
}

fn is_file(about: &fs::Metadata, path: &Path) -> Result<(), OpenError> {
    let kind = about.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let what = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        walk::FIFO
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(OpenError::NotAFile {
        path: path.to_owned(),
        what,
    })
}

fn hint(what: &str) -> &'static str {
    if what == walk::FIFO {
        "; to read a program's output, use standard input with `-f -`"
    } else {
        ""
    }
}

fn here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn shown_folder(folder: &Path) -> impl fmt::Display + '_ {
    here(folder).display()
}

#[cfg(test)]
mod tests;
