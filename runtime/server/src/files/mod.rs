//! Opens files that others name: a manifest its components, weights and golden tests, an operator a
//! manifest.
//!
//! Only regular files are opened, and opening never blocks: a FIFO, a device, a socket or a folder
//! is an error that says so. What a manifest names must lie in the manifest's own folder, or in a
//! directory that the operator allows (`--allow-path`), after every symbolic link and `..` is
//! followed; files of `/proc`, `/sys` and the like are refused unless the allowed directory itself
//! is one of theirs. What was checked is what is read: the check is made on the directories that
//! were opened on the way (`walk.rs`), never on a path that is opened again.
//!
//! Default: nothing but the folder. Bounds: `LINKS_MAX` symbolic links on a way.

mod beneath;
mod walk;

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The directories that manifests may reach beside their own folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed(Arc<[PathBuf]>);

impl Allowed {
    /// These.
    pub fn new(directories: &[PathBuf]) -> Self {
        Self(directories.into())
    }
}

/// Where the files of one manifest may lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confined {
    folder: PathBuf,
    allowed: Allowed,
}

/// Why a file is not opened. The text begins with the path as it was asked for.
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
    #[error("{} is made up by the kernel; a manifest's files lie on a disk", path.display())]
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

    /// What a manifest of this name may name: its folder's files. Standard input, `-`, counts from
    /// the current folder.
    pub fn of(manifest: &str, allowed: &Allowed) -> Self {
        Self::new(
            Path::new(manifest).parent().unwrap_or(Path::new("")),
            allowed,
        )
    }

    /// A path that counts from the folder.
    pub fn path(&self, written: impl AsRef<Path>) -> PathBuf {
        self.folder.join(written)
    }

    /// Opens a path that counts from the folder, for reading.
    pub fn open(&self, written: impl AsRef<Path>) -> Result<File, OpenError> {
        let path = self.path(&written);
        // The kernel's own check, where there is one: of what stays in the folder, as nearly all
        // does.
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

/// Opens a file that the operator names, wherever it lies; its links are followed.
pub fn open(path: &Path) -> Result<File, OpenError> {
    // Looked at first: opening a device may set something going.
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

/// Opens a file of the server's own, in a directory where nobody else writes: never through a link
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
        Err(io::Error::other("it is no regular file"))
    }
}

fn flag_bits(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or_default()
}

/// The file, if it is a regular one and no fiction of the kernel's. Its device may be that of a
/// directory that is allowed, which then is such a fiction itself.
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
        "; what a program writes is taken from standard input, with `-f -`"
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
