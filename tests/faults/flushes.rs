//! What a power cut would leave: whatever an acknowledged revision needs was flushed, and before the journal was.
//!
//! Nothing here can cut the power; but a file whose flush ended is on the disk (`fsync(2)`), and so is a name whose
//! folder's did.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::json;

use super::pipelines::{another_scale, doubles, doubles_by, wrong};
use super::stalls::library;
use crate::harness::admin::Admin;
use crate::harness::server::Setup;
use crate::harness::skipped;
use crate::harness::state::{Folder, warm};

#[test]
fn what_a_revision_needs_is_on_the_disk_before_the_revision() {
    let folder = Folder::new();
    let Some(library) = library(&folder) else { return skipped("flushes are watched by a library, which needs `cc`") };
    let (state, list) = (warm(), folder.path().join("flushed"));
    let setup = Setup::of([doubles("m", 1)]).state(state.path());
    let setup = setup.env("LD_PRELOAD", library.to_str().unwrap()).env("FLUSHED_FILE", list.to_str().unwrap());
    let server = setup.start();
    let admin = Admin::of(&server);
    check(state.path(), &list, 1);
    admin.apply(&[doubles("m", 2), doubles("n", 3)]).ok();
    check(state.path(), &list, 2);
    let component = admin.upload(&another_scale(1, 100));
    admin.apply(&[doubles_by("m", 4, Some(&component))]).ok();
    check(state.path(), &list, 3);
    // A refused change may leave blobs that are not flushed. Whoever uses them next has them flushed.
    assert_eq!(admin.apply(&[wrong("m", 5)]).status, 422);
    admin.apply_with(&[doubles("m", 6)], &json!({ "dry_run": true })).ok();
    admin.apply(&[doubles("m", 6)]).ok();
    check(state.path(), &list, 4);
}

/// Every blob was flushed, with the names of all, before the journal's newest row was.
#[track_caller]
fn check(state: &Path, list: &Path, revision: u64) {
    let flushed = fs::read_to_string(list).unwrap();
    let flushed: Vec<u64> = flushed.lines().map(|inode| inode.parse().unwrap()).collect();
    let journal = inode(&state.join("journal.db-wal"));
    let recorded = flushed.iter().rposition(|flushed| *flushed == journal).expect("the journal was never flushed");
    let blobs = state.join("blobs");
    let folders: Vec<_> = fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path()).collect();
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    for path in files.chain(folders.clone()).chain([blobs]) {
        let at = flushed.iter().position(|flushed| *flushed == inode(&path));
        assert!(at.is_some_and(|at| at < recorded), "revision {revision} does not have {} for sure", path.display());
    }
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}
