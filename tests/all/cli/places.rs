//! Full disks and read-only directories. Only root can create them; other users skip these tests,
//! with a message.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::deploy::{ECHO, HEAD, with_guests};
use crate::harness::command::{Ran, check_with};
use crate::harness::manifest::{model, pipeline};
use crate::harness::server::Setup;
use crate::harness::state::Folder;
use crate::harness::{components, skipped};

/// A mounted file system, unmounted on drop.
struct Mount {
    path: PathBuf,
    _folder: Folder,
}

impl Mount {
    fn new(options: &str) -> Option<Self> {
        let folder = Folder::new();
        let path = folder.path().join("mount");
        std::fs::create_dir(&path).unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("mode=700,{options}"), "tmpfs"])
            .arg(&path)
            .output();
        if !done.is_ok_and(|done| done.status.success()) {
            skipped("only root can mount a file system");
            return None;
        }
        Some(Self {
            path,
            _folder: folder,
        })
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(
            Command::new("mount")
                .args(["-o", &options])
                .arg(&self.path)
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, because a server that is just ending may have open files.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn check(folder: &Folder, state: &Path) -> Ran {
    check_with(
        folder.path(),
        state,
        &components(),
        ["-f", "pipeline.yaml"],
        b"",
    )
}

fn folder() -> Folder {
    let folder = with_guests(&["echo"]);
    folder.write("pipeline.yaml", format!("{HEAD}{ECHO}"));
    folder
}

/// The disk has 64 KiB, too little for the blob.
#[test]
fn a_full_disk_ends_with_5_and_leaves_nothing_half_written() {
    let Some(mount) = Mount::new("size=128k") else {
        return;
    };
    let folder = folder();
    for _ in 0..2 {
        let ran = check(&folder, &mount.path);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(5), ""), "{ran:?}");
        assert!(
            ran.stderr
                .starts_with("error: the disk is full: can't write "),
            "{}",
            ran.stderr
        );
        assert!(
            ran.stderr.contains("free some space and try again") && ran.stderr.lines().count() == 1,
            "{}",
            ran.stderr
        );
        assert_eq!(
            std::fs::read_dir(mount.path.join("tmp")).unwrap().count(),
            0
        );
    }
    let Err(ended) = Setup::files([folder.path().join("pipeline.yaml")])
        .state(&mount.path)
        .try_start()
    else {
        panic!("it serves")
    };
    assert_eq!((ended.code, ended.stdout.len()), (Some(5), 0), "{ended:?}");
    mount.remount("size=32m");
    check(&folder, &mount.path).ended(0);
}

/// Compiled code is only a cache: without it the next start takes longer.
#[test]
fn a_disk_without_room_for_compiled_code_serves_all_the_same() {
    // The component has 214 KiB, its machine code more than a megabyte.
    let Some(mount) = Mount::new("size=400k") else {
        return;
    };
    let folder = folder();
    let ran = check(&folder, &mount.path).ended(0);
    assert!(ran.stdout.starts_with("ok p version 1 "), "{ran:?}");
    assert!(
        ran.stderr
            .contains("compiled code was not kept; the next start compiles again"),
        "{ran:?}"
    );
    assert_eq!(
        std::fs::read_dir(mount.path.join("cache")).unwrap().count(),
        0
    );
    assert_eq!(
        std::fs::read_dir(mount.path.join("tmp")).unwrap().count(),
        0
    );
}

#[test]
fn a_read_only_directory_ends_with_4() {
    let Some(mount) = Mount::new("size=32m") else {
        return;
    };
    let folder = folder();
    mount.remount("ro");
    let ran = check(&folder, &mount.path);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{ran:?}");
    assert!(
        ran.stderr.starts_with("error: can't ") && ran.stderr.contains("Read-only file system"),
        "{ran:?}"
    );
    let Err(ended) = Setup::of([pipeline("p", [model("echo")])])
        .state(&mount.path)
        .try_start()
    else {
        panic!("it serves")
    };
    assert_eq!(ended.code, Some(4), "{ended:?}");
}
