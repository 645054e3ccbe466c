//! The state directory: files that must survive the process.
//!
//!  ```text
//!  hotstage.json        marks the directory as a state directory, with its format
//!  journal.db           every change to what is served
//!  watched.json         what was applied of watched files, once some are
//!  experiments.db       answers and rewards of experiments, once there is one
//!  admin-address        the address of the admin API while a server runs
//!  admin-token          permits changes to what is served
//!  reader-token         permits reading
//!  lock                 held by the running server
//!  blobs/ab/abcd…       components, files and manifests, named by their SHA-256
//!  cache/…              signed machine code; may be deleted at any time
//!  cache.key            the secret that signs it
//!  tmp/                 files being written, and unfinished uploads
//!  ```
//!
//! Files are replaced atomically: a file is written to `tmp`, synced, renamed, and its directory
//! synced. Blobs are synced together before the journal names one of them; compiled code, which may
//! be lost, is not synced. Blobs are checked against their names when read. Only the owner may
//! write the directory or read the secrets. Default: see [`default_directory`]; `--state` changes
//! it.

mod blobs;
mod cache;
mod pieces;
mod secret;
mod sweep;
mod sync;
mod uploads;
mod write;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hotstage_engine::SigningKey;

pub use self::blobs::PutError;
pub use self::pieces::Blob;
pub(crate) use self::secret::secret;
use self::sync::Known;
pub use self::uploads::{Begun, Progress, Upload, UploadError};
pub(crate) use self::write::sync_directory;
use self::write::write_whole;

/// The format that this server reads and writes.
const FORMAT: u32 = 1;
const MARKER: &str = "hotstage.json";
/// The file with the address of the admin API while a server runs.
pub const ADMIN_ADDRESS: &str = "admin-address";

/// An open state directory.
pub struct Store {
    root: PathBuf,
    signing_key: SigningKey,
    known: Mutex<Known>,
    /// Held while the store is open.
    _lock: Option<fs::File>,
}

/// Why the state directory can't be used. Each message is one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum StoreError {
    #[error(
        "{path} is not a Hotstage state directory: it holds other files; choose an empty or a new one with --state"
    )]
    NotOurs { path: PathBuf },
    #[error(
        "{path}/{MARKER} is damaged: it doesn't say which format the directory has; if a Hotstage of this format wrote \
         it, put `{{\"format\": {FORMAT}}}` there, else choose another directory with --state"
    )]
    Unmarked { path: PathBuf },
    #[error(
        "the state directory {path} has format {found}, which this version can't read (it knows {FORMAT}), or its \
         {MARKER} is damaged; use the version that wrote it, or another directory"
    )]
    Format { path: PathBuf, found: u64 },
    #[error(
        "another server runs on the state directory {path}; stop it, or choose another directory with --state"
    )]
    Locked { path: PathBuf },
    #[error("the disk is full: can't write {path}; free some space and try again")]
    Full { path: PathBuf },
    #[error("can't {what} {path}: {source}")]
    Io {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "{path} is damaged: its bytes do not match its digest; delete it, and it will be stored again"
    )]
    Damaged { path: PathBuf },
    #[error("{path} can't be used: {why}; or delete it, and a new one is made at the next start")]
    Secret { path: PathBuf, why: &'static str },
    #[error(
        "others can write into the state directory {path}, and so choose what is served; remove that right with \
         `chmod go-w {path}`, or name a new directory in it with --state"
    )]
    Open { path: PathBuf },
}

impl StoreError {
    fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { what, path, source },
        }
    }
}

/// How the directory is shared with other processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// For a server: no other server may use it.
    Serve,
    /// For a command that reads and adds; blobs and cache allow that beside a server.
    Share,
}

impl Store {
    /// Opens the directory; creates it when it is missing.
    pub fn open(root: &Path, access: Access) -> Result<Self, StoreError> {
        make_directory(root)?;
        check_rights(root)?;
        check_marker(root)?;
        for name in ["blobs", "cache", "tmp"] {
            make_directory(&root.join(name))?;
            check_rights(&root.join(name))?;
        }
        let lock = match access {
            Access::Serve => Some(lock(root)?),
            Access::Share => None,
        };
        let signing_key = cache::signing_key(root)?;
        Ok(Self {
            root: root.to_owned(),
            signing_key,
            known: Mutex::default(),
            _lock: lock,
        })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes the address of the admin API, for the command line; `None` removes it.
    pub fn say_admin(&self, address: Option<SocketAddr>) -> Result<(), StoreError> {
        let path = self.root.join(ADMIN_ADDRESS);
        match address {
            Some(address) => write_whole(&self.root, &path, format!("{address}\n").as_bytes()),
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(StoreError::io("remove", &path, error))
                }
                _ => Ok(()),
            },
        }
    }

    /// Writes a small file of this name atomically.
    pub(crate) fn note(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        write_whole(&self.root, &self.root.join(name), bytes)
    }

    /// The key that signs cache entries.
    pub const fn signing_key(&self) -> &SigningKey {
        &self.signing_key
    }
}

/// The default state directory: below the user's state home, if there is one.
pub fn default_directory(state_home: Option<PathBuf>, home: Option<PathBuf>) -> PathBuf {
    match (state_home.filter(|path| path.is_absolute()), home) {
        (Some(state), _) => state.join("hotstage"),
        (None, Some(home)) => home.join(".local/state/hotstage"),
        (None, None) => PathBuf::from(".hotstage"),
    }
}

fn make_directory(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| StoreError::io("make the directory", path, error))
}

/// Checks that only the owner can write there, because machine code, blobs and the journal are
/// trusted.
fn check_rights(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = fs::metadata(path).map_err(|error| StoreError::io("read", path, error))?;
    if about.permissions().mode() & 0o022 != 0 {
        return Err(StoreError::Open {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Checks that this is a state directory, or an empty one, before anything is written.
fn check_marker(root: &Path) -> Result<(), StoreError> {
    let path = root.join(MARKER);
    match fs::read(&path) {
        Ok(text) => {
            let marker: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
            match marker.get("format").and_then(serde_json::Value::as_u64) {
                Some(found) if found == u64::from(FORMAT) => Ok(()),
                Some(found) => Err(StoreError::Format {
                    path: root.to_owned(),
                    found,
                }),
                None => Err(StoreError::Unmarked {
                    path: root.to_owned(),
                }),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut entries =
                fs::read_dir(root).map_err(|error| StoreError::io("read", root, error))?;
            // A first start that was interrupted leaves only `tmp`.
            if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "tmp")) {
                return Err(StoreError::NotOurs {
                    path: root.to_owned(),
                });
            }
            make_directory(&root.join("tmp"))?;
            write_whole(
                root,
                &path,
                format!("{{\"format\": {FORMAT}}}\n").as_bytes(),
            )
        }
        Err(error) => Err(StoreError::io("read", &path, error)),
    }
}

fn lock(root: &Path) -> Result<fs::File, StoreError> {
    let path = root.join("lock");
    let file = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path);
    let file = file.map_err(|error| StoreError::io("open", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::Locked {
            path: root.to_owned(),
        }),
        Err(fs::TryLockError::Error(error)) => Err(StoreError::io("lock", &path, error)),
    }
}

#[cfg(test)]
mod tests;
