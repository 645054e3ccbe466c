//! `serve --watch`: a folder is the truth, and what is served follows it.
//!
//! Manifests, and every file that they point at, are looked at four times a second: size, time and inode. A change is
//! applied once nothing has moved for one look, so a file that is being written is not read half. An edit may change
//! what a version is, and a document that is gone ends its version, as this is for whoever writes pipelines: every such
//! step is a revision all the same. A bad edit changes nothing and says why, once.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hotstage_core::manifest::{ComponentRef, DocumentRef, Documents, FileRef, Test};
use hotstage_core::name::{ModelName, Version};

use super::{Ask, Control, ControlError, Gone};
use crate::api::Applied;
use crate::deploy::{Quiet, documents};

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// What the journal says who did it.
const ACTOR: &str = "watch";

/// What files look like from outside: path, size, time, inode; or that there is none.
type Stamps = Vec<(PathBuf, Option<(u64, i64, i64, u64)>)>;

/// Everything that is watched, at one moment.
#[derive(Clone, PartialEq, Eq)]
struct Look {
    manifests: Stamps,
    pointed: Stamps,
}

/// Follows the paths until the future is dropped. `told` gets one line for every change, good or bad.
pub async fn watch(control: Arc<Control>, paths: Vec<PathBuf>, told: impl Fn(Result<&Applied, &ControlError>)) {
    let mut seen = Seen::default();
    // What was applied at the start is what lies there now.
    let mut settled = seen.look(&paths);
    let mut last = settled.clone();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = seen.look(&paths);
        let still = now == last;
        last = now;
        if !still || last == settled {
            continue;
        }
        settled.clone_from(&last);
        match follow(&control, &paths, &mut seen, &mut settled.pointed).await {
            Ok(applied) if applied.changes.is_empty() => {}
            Ok(applied) => told(Ok(&applied)),
            Err(error) => told(Err(&error)),
        }
    }
}

/// Applies what lies there. `pointed` becomes the files that the manifests point at, as they were before they were
/// read: one that moves while this runs is news afterwards, and none is because a manifest names it for the first time.
async fn follow(
    control: &Control,
    paths: &[PathBuf],
    seen: &mut Seen,
    pointed: &mut Stamps,
) -> Result<Applied, ControlError> {
    let documents = documents(paths)?;
    let before = (seen.versions.clone(), seen.routes.clone());
    seen.learn(&documents);
    *pointed = seen.pointed();
    let gone = Gone {
        versions: before.0.difference(&seen.versions).cloned().collect(),
        routes: before.1.difference(&seen.routes).cloned().collect(),
    };
    let ask = Ask { reason: "a watched file changed".to_owned(), ..Ask::default() };
    let applied = control.apply_local(ACTOR, &ask, &documents, true, &gone, &Quiet).await;
    if applied.is_err() {
        // What should have gone is still there.
        seen.versions.extend(before.0);
        seen.routes.extend(before.1);
    }
    applied
}

/// What the documents said when they could last be read.
#[derive(Default)]
struct Seen {
    versions: BTreeSet<(ModelName, Version)>,
    routes: BTreeSet<ModelName>,
    files: BTreeSet<PathBuf>,
}

impl Seen {
    fn look(&mut self, paths: &[PathBuf]) -> Look {
        if self.versions.is_empty()
            && self.routes.is_empty()
            && let Ok(documents) = documents(paths)
        {
            self.learn(&documents);
        }
        let mut manifests: BTreeSet<PathBuf> = paths.iter().cloned().collect();
        for path in paths {
            let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
            let is_manifest = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml");
            manifests.extend(entries.filter(is_manifest));
        }
        Look { manifests: stamps(manifests), pointed: self.pointed() }
    }

    fn pointed(&self) -> Stamps {
        stamps(self.files.iter().cloned())
    }

    fn learn(&mut self, documents: &Documents) {
        self.versions.clear();
        self.files.clear();
        self.routes = documents.routes.iter().map(|route| route.name().clone()).collect();
        for document in &documents.pipelines {
            let pipeline = document.pipeline();
            self.versions.insert((pipeline.name.clone(), pipeline.version.clone()));
            let base = Path::new(document.file()).parent().unwrap_or(Path::new("."));
            for stage in &pipeline.stages {
                if let ComponentRef::Path(path) = &stage.component {
                    self.files.insert(base.join(&**path));
                }
                for file in stage.files.values() {
                    if let FileRef::Path(path) = file {
                        self.files.insert(base.join(&**path));
                    }
                }
            }
            self.learn_tests(base, &pipeline.tests);
        }
        for document in &documents.graphs {
            let graph = document.graph();
            self.versions.insert((graph.name.clone(), graph.version.clone()));
            self.learn_tests(Path::new(document.file()).parent().unwrap_or(Path::new(".")), &graph.tests);
        }
    }

    fn learn_tests(&mut self, base: &Path, tests: &[Test<DocumentRef>]) {
        for document in tests.iter().flat_map(|test| [&test.request, &test.expect]) {
            if let DocumentRef::Path(path) = document {
                self.files.insert(base.join(&**path));
            }
        }
    }
}

fn stamps(paths: impl IntoIterator<Item = PathBuf>) -> Stamps {
    paths.into_iter().map(|path| (path.clone(), stamp(&path))).collect()
}

fn stamp(path: &Path) -> Option<(u64, i64, i64, u64)> {
    let about = std::fs::metadata(path).ok()?;
    // A folder changes with every editor's swap file; what counts of it are its manifests.
    about.is_file().then(|| (about.size(), about.mtime(), about.mtime_nsec(), about.ino()))
}
