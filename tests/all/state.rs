//! The state directory: damaged files are never trusted, incomplete files are ignored.

mod cache;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::deploy::{ECHO, HEAD, with_guests};
use crate::guests::ask;
use crate::harness::command::{check_with, hotstage};
use crate::harness::components;
use crate::harness::manifest::{model, pipeline};
use crate::harness::server::{Server, Setup};
use crate::harness::state::{Folder, warm};

const RECOMPILED: &str = "an entry of the compile cache was damaged or not ours; compiled again";

fn start(state: &Path) -> Server {
    Setup::of([pipeline("p", [model("echo")])])
        .state(state)
        .start()
}

/// Starts a server, sends a request, stops it; returns the log.
#[track_caller]
fn serves(state: &Path) -> Vec<String> {
    let server = start(state);
    assert_eq!(ask(&server, "p", &[1.5]), [1.5]);
    let ended = server.stop();
    assert_eq!(ended.code, Some(0));
    ended.stderr
}

/// The files of a folder and of its subfolders.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

/// A state directory with exactly one component in its cache.
fn with_one_entry() -> (Folder, PathBuf) {
    let folder = Folder::new();
    serves(folder.path());
    let entries = files(&folder.path().join("cache"));
    let [entry] = &entries[..] else {
        panic!("{entries:?}")
    };
    (folder, entry.clone())
}

#[test]
fn one_server_at_a_time_runs_on_a_directory() {
    let state = warm();
    let server = start(state.path());
    let Err(ended) = Setup::of([pipeline("p", [model("echo")])])
        .state(state.path())
        .try_start()
    else {
        panic!("two serve from it")
    };
    let expected = format!(
        "error: another server runs on the state directory {}; stop it, or choose another directory with --state",
        state.path().display()
    );
    assert_eq!((ended.code, ended.stderr), (Some(4), vec![expected]));
    // `check` may use it at the same time.
    let folder = with_guests(&["echo"]);
    folder.write("pipeline.yaml", format!("{HEAD}{ECHO}"));
    check_with(
        folder.path(),
        state.path(),
        &components(),
        ["-f", "pipeline.yaml"],
        b"",
    )
    .ended(0);
    assert_eq!(ask(&server, "p", &[1.5]), [1.5]);
    server.stop();
    serves(state.path());
}

#[test]
fn secret_files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (state, entry) = with_one_entry();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    let cache = state.path().join("cache");
    for path in [
        &state.path().join("cache.key"),
        &entry,
        &cache,
        &state.path().join("blobs"),
    ] {
        assert_eq!(mode(path), 0, "{}", path.display());
    }
}

#[test]
fn loose_permissions_are_refused_with_the_command_to_type() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = with_guests(&["echo"]);
    folder.write("pipeline.yaml", format!("{HEAD}{ECHO}"));
    let state = warm();
    let check = || {
        check_with(
            folder.path(),
            state.path(),
            &components(),
            ["-f", "pipeline.yaml"],
            b"",
        )
    };
    check().ended(0);
    for (name, loose, right, says) in [
        (
            "",
            0o777,
            0o700,
            "others can write into the state directory",
        ),
        ("", 0o770, 0o755, "`chmod go-w "),
        (
            "cache",
            0o702,
            0o700,
            "others can write into the state directory",
        ),
        (
            "cache.key",
            0o644,
            0o600,
            "cache.key can't be used: others can read it; remove their rights with chmod 600",
        ),
    ] {
        let path = state.path().join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(loose)).unwrap();
        let ran = check().ended(4);
        assert!(
            ran.stderr.contains(says) && ran.stderr.contains(name),
            "{name}: {}",
            ran.stderr
        );
        let Err(ended) = Setup::of([pipeline("p", [model("echo")])])
            .state(state.path())
            .try_start()
        else {
            panic!("it serves from {name} with {loose:o}")
        };
        assert_eq!(ended.code, Some(4), "{ended:?}");
        fs::set_permissions(&path, fs::Permissions::from_mode(right)).unwrap();
        check().ended(0);
    }
}

#[test]
fn a_damaged_blob_is_named_and_storing_it_again_repairs_it() {
    let folder = with_guests(&["echo"]);
    let state = warm();
    let check = |stage: &str| {
        folder.write("pipeline.yaml", format!("{HEAD}{stage}"));
        check_with(
            folder.path(),
            state.path(),
            &components(),
            ["-f", "pipeline.yaml"],
            b"",
        )
    };
    check(ECHO).ended(0);
    // The largest file is the component.
    let blob = files(&state.path().join("blobs"))
        .into_iter()
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let digest = format!("sha256:{}", blob.file_name().unwrap().to_str().unwrap());
    let by_digest = ECHO.replace("./echo.wasm", &digest);
    check(&by_digest).ended(0);
    for damage in [&b"\0asm, but not as it was"[..], b""] {
        fs::write(&blob, damage).unwrap();
        let ran = check(&by_digest).ended(4);
        let expected = format!(
            "error: {} is damaged: its bytes do not match its digest; delete it, and it will be \
             stored again",
            blob.display()
        );
        assert_eq!((ran.stdout.as_str(), ran.stderr), ("", expected));
        check(ECHO).ended(0);
        check(&by_digest).ended(0);
    }
}

/// Killed at any moment: the next start finds no partial state.
#[test]
fn an_interrupted_start_leaves_no_partial_state() {
    let folder = Folder::new();
    let whole = {
        let began = Instant::now();
        serves(&folder.path().join("whole"));
        began.elapsed()
    };
    let manifest = || Setup::of([pipeline("p", [model("echo")])]);
    for step in 0..20_u32 {
        // A fresh directory the first time, then the interrupted one.
        let state = folder.path().join(format!("cut-{}", step % 10));
        let moment = whole * (step + 1) / 24;
        let starting = manifest().state(&state).spawn();
        let began = Instant::now();
        // Nothing reports the moment, so this polls.
        while began.elapsed() < moment.min(Duration::from_secs(2)) {
            std::thread::yield_now();
        }
        starting.signal("KILL");
        drop(starting);
        if step % 3 == 0 {
            serves(&state);
        }
    }
    for step in 0..10 {
        let state = folder.path().join(format!("cut-{step}"));
        let log = serves(&state);
        assert!(
            log.iter().all(|line| !line.contains(RECOMPILED)),
            "an entry was half there: {log:#?}"
        );
        serves(&state);
    }
}

#[test]
fn nothing_in_tmp_is_ever_read() {
    let (state, _) = with_one_entry();
    for name in ["1-0", "hotstage.json", "cache.key", "lock"] {
        fs::write(state.path().join("tmp").join(name), b"half").unwrap();
    }
    let log = serves(state.path());
    assert!(log.iter().all(|line| !line.contains("compil")), "{log:#?}");
    // An interrupted first start leaves only `tmp`; the directory is still ours.
    let folder = Folder::new();
    let cut = folder.path().join("cut");
    fs::create_dir_all(cut.join("tmp")).unwrap();
    fs::write(cut.join("tmp/1-0"), b"{\"form").unwrap();
    serves(&cut);
}

/// The marker's content decides before anything is written.
#[test]
fn a_marker_that_is_not_ours_is_not_overwritten() {
    let folder = with_guests(&["echo"]);
    folder.write("pipeline.yaml", format!("{HEAD}{ECHO}"));
    for (text, says) in [
        ("", "hotstage.json is damaged"),
        ("{}", "hotstage.json is damaged"),
        ("{\"format\": \"1\"}", "hotstage.json is damaged"),
        ("{\"format\": 0}", "has format 0"),
        ("{\"format\": 99}", "has format 99"),
    ] {
        let state = Folder::new();
        let marker = state.write("hotstage.json", text);
        let ran = check_with(
            folder.path(),
            state.path(),
            &components(),
            ["-f", "pipeline.yaml"],
            b"",
        )
        .ended(4);
        assert!(ran.stderr.contains(says), "{text}: {}", ran.stderr);
        assert_eq!(fs::read_to_string(marker).unwrap(), text);
        assert_eq!(files(state.path()).len(), 1);
    }
    // `--help` touches nothing.
    hotstage(["check", "--help"]).ended(0);
}
