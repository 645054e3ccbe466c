//! Metadata of the watched files: which files exist, and the size, time and inode of each.
//!
//! Only regular files are opened. A FIFO or a device is reported and never blocks.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Two writes within this time may have the same metadata.
const TICK: Duration = Duration::from_millis(50);

/// Metadata of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: u64,
    seconds: i64,
    nanoseconds: i64,
    inode: u64,
}

impl Stamp {
    /// Of a regular file; None if there is no file, and a message for anything else.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, String> {
        match fs::metadata(path) {
            Ok(about) if about.is_file() => Ok(Some(Self {
                bytes: about.size(),
                seconds: about.mtime(),
                nanoseconds: about.mtime_nsec(),
                inode: about.ino(),
            })),
            Ok(_) => Err("is no regular file, and is left out".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("its metadata can't be read: {error}")),
        }
    }

    /// Whether it was written so recently that another write might not show.
    pub(super) fn is_fresh(&self) -> bool {
        let written = u64::try_from(self.seconds)
            .map(Duration::from_secs)
            .unwrap_or_default()
            + Duration::from_nanos(self.nanoseconds.unsigned_abs());
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        now.abs_diff(written) < TICK
    }
}

/// The manifests of some paths at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listing {
    /// Readable files.
    pub(super) files: BTreeMap<PathBuf, Stamp>,
    /// Files and folders that can't be read, and why. The files of such a folder are unknown.
    pub(super) troubles: BTreeMap<PathBuf, String>,
}

impl Listing {
    pub(super) fn of(paths: &[PathBuf]) -> Self {
        let mut listing = Self::default();
        for path in paths {
            if !path.is_dir() {
                listing.add(path, true);
                continue;
            }
            match fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
                Ok(entries) => {
                    entries
                        .iter()
                        .map(fs::DirEntry::path)
                        .filter(|path| is_manifest(path))
                        .for_each(|path| {
                            listing.add(&path, false);
                        });
                }
                Err(error) => {
                    listing
                        .troubles
                        .insert(path.clone(), format!("can't read the folder: {error}"));
                }
            }
        }
        listing
    }

    fn add(&mut self, path: &Path, is_named: bool) {
        let trouble = match Stamp::of(path) {
            Ok(Some(stamp)) => {
                self.files.insert(path.to_owned(), stamp);
                return;
            }
            Ok(None) if is_named => "there is no such file or folder".to_owned(),
            // It was removed while the folder was read.
            Ok(None) => return,
            Err(trouble) => trouble,
        };
        self.troubles.insert(path.to_owned(), trouble);
    }

    /// Whether the state of a file, or of its folder, is unknown.
    pub(super) fn is_unknown(&self, file: &Path) -> bool {
        self.troubles.contains_key(file)
            || file
                .parent()
                .is_some_and(|folder| self.troubles.contains_key(folder))
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|kind| kind == "yaml" || kind == "yml")
}
