//! Durability at a power cut: everything that an acknowledged revision needs is flushed before the
//! journal.
//!
//! The test can't cut the power; but when the flush of a file has returned, its content is on the
//! disk (`fsync(2)`), and when that of its folder has, so is its name.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::pipelines::{another_scale, doubles, doubles_by};
use super::stalls::library;
use crate::harness::admin::Admin;
use crate::harness::server::Setup;
use crate::harness::skipped;
use crate::harness::state::{Folder, warm};

#[test]
fn what_a_revision_needs_is_on_the_disk_before_the_revision() {
    let folder = Folder::new();
    let Some(library) = library(&folder) else {
        return skipped("flushes are watched by a library, which needs `cc`");
    };
    let (state, list) = (warm(), folder.path().join("flushed"));
    let setup = |manifests: Vec<Value>| {
        let setup = Setup::of(manifests).state(state.path());
        setup
            .env("LD_PRELOAD", library.to_str().unwrap())
            .env("FLUSHED_FILE", list.to_str().unwrap())
    };
    let disk = Disk {
        state: state.path(),
        list: &list,
    };
    let server = setup(vec![doubles("m", 1)]).start();
    let admin = Admin::of(&server);
    disk.has(&disk.blobs());
    let change = |manifests: &[Value]| disk.has(&disk.gains(|| drop(admin.apply(manifests).ok())));
    change(&[doubles("m", 2), doubles("n", 3)]);
    let component = admin.upload(&another_scale(1, 100));
    change(&[doubles_by("m", 4, Some(&component))]);
    // A dry run leaves unflushed blobs. The next change that needs them flushes them.
    let try_out = |number| {
        disk.gains(|| drop(admin.apply_with(&[doubles("m", number)], &json!({ "dry_run": true }))))
    };
    let left = try_out(6);
    admin.apply(&[doubles("m", 6)]).ok();
    disk.has(&left);
    // So does a server that is killed.
    let left = try_out(7);
    server.starting.signal("KILL");
    drop(server);
    let server = setup(Vec::new()).start();
    Admin::of(&server).apply(&[doubles("m", 7)]).ok();
    disk.has(&left);
}

struct Disk<'a> {
    state: &'a Path,
    /// The flushed files, in order.
    list: &'a Path,
}

impl Disk<'_> {
    fn blobs(&self) -> BTreeSet<PathBuf> {
        let list = |folder: PathBuf| {
            fs::read_dir(folder)
                .unwrap()
                .map(|entry| entry.unwrap().path())
        };
        list(self.state.join("blobs")).flat_map(list).collect()
    }

    /// The blobs that exist after it and did not exist before.
    #[track_caller]
    fn gains(&self, change: impl FnOnce()) -> BTreeSet<PathBuf> {
        let before = self.blobs();
        change();
        let gained: BTreeSet<PathBuf> = self.blobs().difference(&before).cloned().collect();
        assert!(
            gained.len() > 1,
            "a manifest and a test's answer were to come: {gained:?}"
        );
        gained
    }

    /// Asserts that these blobs and their names were flushed before the journal's newest row.
    #[track_caller]
    fn has(&self, blobs: &BTreeSet<PathBuf>) {
        let flushed = fs::read_to_string(self.list).unwrap();
        let flushed: Vec<u64> = flushed
            .lines()
            .map(|inode| inode.parse().unwrap())
            .collect();
        let journal = inode(&self.state.join("journal.db-wal"));
        let recorded = flushed
            .iter()
            .rposition(|flushed| *flushed == journal)
            .expect("the journal was never flushed");
        for path in blobs.iter().flat_map(|blob| blob.ancestors().take(3)) {
            let at = flushed.iter().position(|flushed| *flushed == inode(path));
            assert!(
                at.is_some_and(|at| at < recorded),
                "{} may be lost",
                path.display()
            );
        }
    }
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}
