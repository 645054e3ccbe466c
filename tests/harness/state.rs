//! State directories that start with everything compiled.
//!
//! Compiling a component takes about a second, so the tests of one run share what was compiled: a
//! shelf of cache entries and the key that signs them. A new state directory gets the key and a
//! link to each entry; what a server compiles itself goes to the shelf for the next. The server
//! replaces entries and never writes into them; a test that damages one must do the same (remove,
//! then write).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::server::program;
use super::{components, root};

/// A directory that nobody else uses, gone when it is dropped.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().tempdir_in(place()).unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and answers its path.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

/// A state directory whose cache knows what any test before has compiled.
pub(crate) fn warm() -> Folder {
    let folder = Folder::new();
    let shelf = shelf();
    for name in ["hotstage.json", "cache.key"] {
        fs::copy(shelf.join(name), folder.path().join(name)).unwrap();
    }
    link(&shelf.join("cache"), &folder.path().join("cache"));
    folder
}

/// Puts on the shelf what a server compiled for itself. Entries under another key are useless and
/// stay where they are.
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
        // It is there already, or a server is just replacing it: both cost a compilation at most.
        let _ = fs::hard_link(entry.path(), to.join(entry.file_name()));
    }
}

/// The directory with the entries, warmed with the box's components.
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

/// Where this run keeps its directories. Those of runs that are over, however they ended, are
/// removed.
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
        // A process id comes again.
        let _ = fs::remove_dir_all(&place);
        fs::create_dir_all(&place).unwrap();
        place
    })
}
