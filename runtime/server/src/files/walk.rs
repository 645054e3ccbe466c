//! Opens a path directory by directory, so that the file's real location is known.
//!
//! Each directory is opened from the previous one, never through a symbolic link: links are read
//! and followed here, and `..` goes back to the previous directory. So the open directories are
//! those above the file, even if files are renamed or linked meanwhile. Bounds: [`LINKS_MAX`]
//! links, [`STEPS_MAX`] steps.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

use super::OpenError;

/// The most symbolic links in one path; Linux has the same bound.
pub(super) const LINKS_MAX: u32 = 40;
/// The most names in one path, including those of links.
const STEPS_MAX: u32 = 4096;

/// The word for a FIFO in messages.
pub(super) const FIFO: &str = "a FIFO";

/// Directories are opened for traversal only, as their owner may forbid listing them.
#[cfg(target_os = "linux")]
const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// An opened file and its location.
pub(super) struct Found {
    pub(super) file: File,
    /// The path without links and `..`.
    pub(super) place: PathBuf,
    /// Device and inode of every directory above it.
    above: Vec<(u64, u64)>,
}

/// Why no file was opened.
pub(super) enum Lost {
    NotAFile(&'static str),
    Io(io::Error),
}

impl From<Errno> for Lost {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Lost {
    pub(super) fn named(self, path: &Path) -> OpenError {
        match self {
            Self::NotAFile(what) => OpenError::NotAFile {
                path: path.to_owned(),
                what,
            },
            Self::Io(error) => OpenError::io(path, error),
        }
    }
}

impl Found {
    /// Whether the directory is one of those above the file.
    pub(super) fn is_below(&self, directory: (u64, u64)) -> bool {
        self.above.contains(&directory)
    }
}

/// An open directory, and its name in the previous one.
struct Held {
    name: OsString,
    directory: File,
}

/// The directories walked so far, from the root.
struct Way {
    held: Vec<Held>,
    /// The names still to walk, the next one last.
    ahead: Vec<OsString>,
    links: u32,
}

/// Opens a regular file for reading, without blocking.
pub(super) fn open(path: &Path) -> Result<Found, Lost> {
    let path = std::path::absolute(path)?;
    let mut way = Way {
        held: vec![root()?],
        ahead: Vec::new(),
        links: 0,
    };
    way.follow(&path)?;
    for _ in 0..STEPS_MAX {
        let Some(name) = way.ahead.pop() else {
            return Err(Lost::NotAFile("a folder"));
        };
        if name == ".." {
            // The root is its own parent.
            way.held.truncate(way.held.len().saturating_sub(1).max(1));
            continue;
        }
        let about = statat(way.top(), &name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(about.st_mode) {
            FileType::Symlink => way.link(&name)?,
            FileType::Directory => {
                let directory = openat(way.top(), &name, DIRECTORY, Mode::empty())?.into();
                way.held.push(Held { name, directory });
            }
            FileType::RegularFile if way.ahead.is_empty() => return way.take(&name),
            FileType::RegularFile => return Err(Errno::NOTDIR.into()),
            FileType::Fifo => return Err(Lost::NotAFile(FIFO)),
            FileType::Socket => return Err(Lost::NotAFile("a socket")),
            _ => return Err(Lost::NotAFile("a device")),
        }
    }
    Err(Errno::NAMETOOLONG.into())
}

fn root() -> Result<Held, Errno> {
    Ok(Held {
        name: "/".into(),
        directory: openat(CWD, "/", DIRECTORY, Mode::empty())?.into(),
    })
}

impl Way {
    fn top(&self) -> &File {
        &self.held[self.held.len() - 1].directory
    }

    /// Puts the names of a path in front of the names still to walk.
    fn follow(&mut self, path: &Path) -> Result<(), Lost> {
        if path.has_root() {
            self.held.truncate(1);
        }
        let names = path.components().rev().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsStr::new("..").to_owned()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        });
        self.ahead.extend(names);
        let is_short = self.ahead.len() <= STEPS_MAX as usize;
        if is_short {
            Ok(())
        } else {
            Err(Errno::NAMETOOLONG.into())
        }
    }

    fn link(&mut self, name: &OsStr) -> Result<(), Lost> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Errno::LOOP.into());
        }
        let target = readlinkat(self.top(), name, Vec::new())?;
        self.follow(Path::new(&OsString::from_vec(target.into_bytes())))
    }

    fn take(&self, name: &OsStr) -> Result<Found, Lost> {
        let flags =
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(openat(self.top(), name, flags, Mode::empty())?);
        let identity = |held: &Held| {
            held.directory
                .metadata()
                .map(|about| (about.dev(), about.ino()))
        };
        let above = self.held.iter().map(identity).collect::<io::Result<_>>()?;
        let place = self
            .held
            .iter()
            .map(|held| held.name.as_os_str())
            .chain([name])
            .collect();
        Ok(Found { file, place, above })
    }
}

/// Whether the file is on a file system in which the kernel exposes its state and settings.
#[cfg(target_os = "linux")]
pub(super) fn is_kernels(file: &File) -> bool {
    /// proc, sysfs, debugfs, tracefs, securityfs, configfs, cgroup, cgroup2, bpf, devpts, pstore,
    /// efivarfs.
    const MAGIC: [u64; 12] = [
        0x9fa0,
        0x6265_6572,
        0x6462_6720,
        0x7472_6163,
        0x7363_6673,
        0x6265_6570,
        0x0027_e0eb,
        0x6367_7270,
        0xcafe_4a11,
        0x1cd1,
        0x6165_676c,
        0xde5e_81e4,
    ];
    // When the check fails, assume that it is.
    rustix::fs::fstatfs(file).map_or(true, |about| {
        u64::try_from(about.f_type).is_ok_and(|kind| MAGIC.contains(&kind))
    })
}

/// Other systems have no check.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_kernels(_: &File) -> bool {
    false
}
