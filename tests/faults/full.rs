//! A disk that fills: a small tmpfs under the state directory. A change that does not fit is
//! refused and leaves nothing; serving continues, and once space is free, changes succeed again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::effort::tell;
use super::load::Load;
use super::pipelines::{another_scale, doubles, doubles_by};
use crate::harness::admin::{Admin, ask};
use crate::harness::server::Setup;
use crate::harness::skipped;
use crate::harness::state::{Folder, warm};

const PATH: &str = "/v2/models/m/infer";
/// Its size: a few compiled components.
const MEGABYTES: u32 = 16;

/// A small disk, unmounted on drop.
struct Disk(PathBuf);

impl Disk {
    /// `None` without the permission to mount.
    fn mount(at: &Path) -> Option<Self> {
        let size = format!("mode=700,size={MEGABYTES}m");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .output();
        mount
            .is_ok_and(|output| output.status.success())
            .then(|| Self(at.to_owned()))
    }

    /// Fills the rest of the disk.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        // It ends with an error, as intended.
        let _ = fs::write(&path, vec![0; MEGABYTES as usize * (1 << 20)]);
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, because a server that is just ending may still have open files.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_takes_nothing_away() {
    let folder = Folder::new();
    let Some(disk) = Disk::mount(folder.path()) else {
        return skipped("a full disk needs the right to mount a tmpfs");
    };
    tell(format_args!(
        "full: a disk of {MEGABYTES} MB that fills during changes"
    ));
    let state = disk.0.join("state");
    copy(warm().path(), &state);
    let server = Setup::of([doubles("m", 1)]).state(&state).start();
    let admin = Admin::of(&server);
    let load = Load::begin(server.address, PATH, Some(500.0));
    let elsewhere = Folder::new();
    // Applies components until one does not fit: as an upload, as a compiled entry, or as a
    // revision.
    let mut number = 1;
    let refused = loop {
        number += 1;
        let path = elsewhere.write("next.wasm", another_scale(number, 100_000));
        let uploaded = admin.try_upload(&fs::read(&path).unwrap());
        if uploaded.status != 200 {
            break uploaded;
        }
        let applied = admin.apply(&[doubles_by("m", number, path.to_str())]);
        if applied.status != 200 {
            break applied;
        }
        assert!(number < 1000, "{MEGABYTES} MB never fill");
    };
    assert_eq!(refused.status, 507, "{}", refused.text());
    let head = admin.get("/v1/status")["head"].as_u64().unwrap();
    assert_eq!(head, number - 1, "what was refused left a revision");
    // No byte is left: not even a label can be recorded.
    let filler = disk.fill();
    let labelled = admin.label("m", "stable", "1");
    assert_eq!(labelled.status, 507, "{}", labelled.text());
    assert_eq!(admin.get("/v1/status")["head"], head);
    assert_eq!(admin.get("/v1/models/m")["labels"], json!([]));
    fs::remove_file(filler).unwrap();
    // Refused content is unreferenced: `gc` frees its space.
    admin.post("/v1/gc", &json!({ "min_age_seconds": 0 })).ok();
    admin.label("m", "stable", "1").ok();
    assert_eq!(admin.get("/v1/verify")["problems"], json!([]));
    let round = load.end().faultless();
    tell(format_args!(
        "  {} components fitted; {} answers meanwhile, 0 failed",
        number - 2,
        round.answers
    ));
    server.stop();
    let server = Setup::of([]).state(&state).start();
    let newest = number - 1;
    assert_eq!(
        ask(&mut server.connect(), PATH).unwrap(),
        (2.0 * newest as f64, newest.to_string())
    );
    assert_eq!(Admin::of(&server).get("/v1/status")["head"], head + 1);
}

#[test]
fn a_start_on_a_full_disk_says_so() {
    let folder = Folder::new();
    let Some(disk) = Disk::mount(folder.path()) else {
        return skipped("a full disk needs the right to mount a tmpfs");
    };
    let state = disk.0.join("state");
    copy(warm().path(), &state);
    disk.fill();
    let Err(ended) = Setup::of([doubles("m", 1)]).state(&state).try_start() else {
        panic!("it serves from a full disk")
    };
    assert_eq!(ended.code, Some(5), "{}", ended.stderr.join("\n"));
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .arg("-r")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success());
}
