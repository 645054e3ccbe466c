//! State directories with compiled components.
//!
//! Compiling a component takes about a second, so the tests of one run share compiled components: a
//! shelf of cache entries and the key that signs them. A new state directory gets the key and a
//! link to each entry; entries that a server compiles are added to the shelf. The server replaces
//! entries and never writes into them; a test that damages an entry must do the same (remove, then
//! write).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::server::program;
use super::{components, root};

/// A private directory, removed on drop.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().tempdir_in(place()).unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

/// A state directory whose cache holds everything that earlier tests compiled.
pub(crate) fn warm() -> Folder {
    let folder = Folder::new();
    let shelf = shelf();
    for name in ["hotstage.json", "cache.key"] {
        fs::copy(shelf.join(name), folder.path().join(name)).unwrap();
    }
    link(&shelf.join("cache"), &folder.path().join("cache"));
    folder
}

/// Adds a server's compiled entries to the shelf. Entries under another key are useless and
/// skipped.
pub(crate) fn harvest(state: &Path) {
    let shelf = shelf();
    let key = |root: &Path| fs::read(root.join("cache.key")).ok();
    if key(state) == key(shelf) {
        link(&state.join("cache"), &shelf.join("cache"));
    }
}

fn link(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        // The entry exists already, or a server is replacing it; the cost is at most one
        // compilation.
        let _ = fs::hard_link(entry.path(), to.join(entry.file_name()));
    }
}

/// The shelf, with the bundled components compiled.
fn shelf() -> &'static Path {
    static SHELF: OnceLock<PathBuf> = OnceLock::new();
    SHELF.get_or_init(|| {
        let shelf = place().join("shelf");
        let manifest = root().join("examples/tumor/tumor-v1.yaml");
        let mut check = program();
        check
            .arg("check")
            .arg("-f")
            .arg(manifest)
            .arg("--state")
            .arg(&shelf)
            .arg("--components")
            .arg(components());
        let output = check.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        shelf
    })
}

/// The folder of this run's directories. Directories of ended runs are removed.
fn place() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
        for entry in fs::read_dir(all).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let process = name.to_str().and_then(|name| name.strip_prefix("run-"));
            if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                // Another run may be removing it too.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let place = all.join(format!("run-{}", std::process::id()));
        // Process ids are reused.
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        place
    })
}
