//! Manifests that refer to files outside of their folder, or to special files: refused without
//! waiting.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{ECHO, HEAD};
use crate::harness::admin::Admin;
use crate::harness::command::{Ran, run};
use crate::harness::manifest::pipeline;
use crate::harness::server::{Setup, program};
use crate::harness::state::{Folder, harvest, warm};
use crate::harness::{components, golden, guest};

/// `vendor` with a manifest's own component, and `outside` with unrelated files.
fn folder() -> Folder {
    let folder = Folder::new();
    for name in ["vendor", "outside"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::copy(guest("echo"), folder.path().join(name).join("echo.wasm")).unwrap();
    }
    folder.write("outside/secret", "a secret");
    symlink("../outside/secret", folder.path().join("vendor/link")).unwrap();
    symlink("../outside", folder.path().join("vendor/links")).unwrap();
    fifo(&folder.path().join("vendor/fifo"));
    folder
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// As a user types it, without the flags that tests add.
fn check(folder: &Folder, arguments: &[&str]) -> Ran {
    let state = warm();
    let mut command = program();
    command
        .env_remove("HOTSTAGE_ALLOW_PATH")
        .current_dir(folder.path())
        .arg("check")
        .args(arguments);
    command
        .arg("--state")
        .arg(state.path())
        .arg("--components")
        .arg(components());
    let ran = run(command, b"");
    harvest(state.path());
    ran
}

fn with_file(path: &str) -> String {
    format!(
        "{HEAD}    - {{ name: echo, role: model, component: ./echo.wasm, files: {{ weights: {path} }} }}\n"
    )
}

/// Files of a stage by each way out of the folder, and the errors.
const OUTSIDE: [(&str, &str); 8] = [
    (
        "../outside/secret",
        "files.weights: vendor/../outside/secret leads out of the manifest's folder, to ",
    ),
    (
        "./link",
        "files.weights: vendor/./link leads out of the manifest's folder, to ",
    ),
    ("./links/secret", "leads out of the manifest's folder, to "),
    (
        "/etc/passwd",
        "files.weights: /etc/passwd leads out of the manifest's folder, to /etc/passwd; ",
    ),
    (
        "/proc/self/environ",
        "files.weights: /proc/self/environ is on a kernel file system",
    ),
    (
        "/dev/zero",
        "files.weights: /dev/zero is a device, not a file",
    ),
    (
        "./fifo",
        "files.weights: vendor/./fifo is a FIFO, not a file",
    ),
    ("./", "files.weights: vendor/./ is a folder, not a file"),
];

/// A manifest whose test has these documents.
fn with_test(request: &str, expect: &str) -> String {
    format!("{HEAD}{ECHO}  tests:\n    - {{ name: t, request: {request}, expect: {expect} }}\n")
}

#[test]
fn what_leads_out_of_the_folder_is_refused_whatever_names_it() {
    let folder = folder();
    let absolute = folder.path().join("outside/secret");
    let mut manifests: Vec<(String, &str)> =
        OUTSIDE.map(|(path, says)| (with_file(path), says)).into();
    manifests.extend([
        (
            with_file(absolute.to_str().unwrap()),
            "leads out of the manifest's folder, to ",
        ),
        (
            format!("{HEAD}{ECHO}").replace("./echo", "../outside/echo"),
            "component: vendor/../outside/echo.wasm leads out",
        ),
        (
            with_test("./links/secret", "./expect.json"),
            "tests[0].request: vendor/./links/secret leads out",
        ),
        (
            with_test("./fifo", "./fifo"),
            "tests[0].expect: vendor/./fifo is a FIFO",
        ),
    ]);
    let outside = folder.path().canonicalize().unwrap().join("outside");
    let flag = format!("--allow-path {}", outside.display());
    for (manifest, says) in manifests {
        folder.write("vendor/p.yaml", &manifest);
        let ran = check(&folder, &["vendor/p.yaml"]).ended(3);
        assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
        // A folder gives no other way out.
        assert_eq!(
            check(&folder, &["-f", "vendor"]).ended(3).stderr,
            ran.stderr
        );
        if says.contains("leads out") && manifest.contains("outside") {
            assert!(ran.stderr.contains(&flag), "{flag}: {}", ran.stderr);
        }
    }
}

#[test]
fn an_allowed_directory_is_reached_by_every_way() {
    let folder = folder();
    for path in [
        "../outside/secret",
        "./link",
        "./links/secret",
        folder.path().join("outside/secret").to_str().unwrap(),
    ] {
        folder.write("vendor/p.yaml", with_file(path));
        check(
            &folder,
            &[
                "vendor/p.yaml",
                "--allow-path",
                "nowhere",
                "--allow-path",
                "outside",
            ],
        )
        .ended(0);
        check(&folder, &["vendor/p.yaml", "--allow-path", "vendor"]).ended(3);
    }
    // The root is a directory; the kernel's virtual files are not regular files below it.
    folder.write("vendor/p.yaml", with_file("/proc/self/environ"));
    let ran = check(&folder, &["vendor/p.yaml", "--allow-path", "/"]).ended(3);
    assert!(
        ran.stderr
            .contains("/proc/self/environ is on a kernel file system"),
        "{}",
        ran.stderr
    );
}

/// As ConfigMaps are mounted: each name is a link through a link to a dated folder.
#[test]
fn links_that_stay_in_the_folder_are_followed() {
    let folder = folder();
    let vendor = folder.path().join("vendor");
    fs::create_dir(vendor.join("..day")).unwrap();
    folder.write("vendor/..day/p.yaml", with_file("./weights"));
    folder.write("vendor/..day/weights", "w");
    symlink("..day", vendor.join("..data")).unwrap();
    for name in ["p.yaml", "weights"] {
        symlink(format!("..data/{name}"), vendor.join(name)).unwrap();
    }
    check(&folder, &["-f", "vendor"]).ended(0);
    check(&folder, &["-f", "vendor/p.yaml"]).ended(0);
}

#[test]
fn manifests_themselves_are_files() {
    let folder = folder();
    folder.write("vendor/p.yaml", format!("{HEAD}{ECHO}"));
    fifo(&folder.path().join("vendor/q.yaml"));
    fs::create_dir(folder.path().join("vendor/r.yaml")).unwrap();
    symlink("/etc/passwd", folder.path().join("vendor/s.yaml")).unwrap();
    symlink("p.yaml", folder.path().join("vendor/t.yaml")).unwrap();
    golden::check(
        "errors/manifests-are-files",
        &check(&folder, &["-f", "vendor"]).ended(3).stderr,
    );
    let ran = check(&folder, &["vendor/q.yaml"]).ended(3);
    let says = "vendor/q.yaml:1:1: is a FIFO, not a file; to read a program's output, use standard input with `-f -`";
    assert!(ran.stderr.contains(says), "{}", ran.stderr);
}

#[test]
fn a_fifo_in_a_watched_folder_is_one_error_and_stops_nothing() {
    let folder = folder();
    let manifest = folder.write("vendor/p.yaml", format!("{HEAD}{ECHO}"));
    let server = Setup::files([folder.path().join("vendor")])
        .args("--watch")
        .start();
    let edit = |version: &str| {
        fs::write(&manifest, format!("{HEAD}{ECHO}").replace("\"1\"", version)).unwrap();
        let added = format!("added p/{}", version.trim_matches('"'));
        assert!(
            server
                .starting
                .stderr
                .find(|line| line.contains(&added))
                .is_some()
        );
    };
    // It watches once it has applied an edit.
    edit("\"2\"");
    let pipe = folder.path().join("vendor/q.yaml");
    fifo(&pipe);
    assert!(
        server
            .starting
            .stderr
            .find(|line| line.contains("q.yaml: is no regular file"))
            .is_some()
    );
    fs::remove_file(&pipe).unwrap();
    edit("\"3\"");
    server.infer("p", &crate::guests::numbers(&[1.0])).ok();
}

/// The client reads the files that it sends, so the flag belongs to the client.
#[test]
fn apply_uploads_nothing_from_elsewhere() {
    let folder = folder();
    let server = Setup::of([pipeline("other", [crate::harness::manifest::model("echo")])]).start();
    folder.write("vendor/p.yaml", with_file("./link"));
    let apply = |more: &[&str]| {
        let mut command = program();
        command
            .env_remove("HOTSTAGE_ALLOW_PATH")
            .current_dir(folder.path())
            .args(["apply", "-f", "vendor/p.yaml"]);
        run(
            {
                command
                    .args(more)
                    .arg("--state")
                    .arg(&server.starting.state);
                command
            },
            b"",
        )
    };
    let ran = apply(&[]).ended(3);
    assert!(
        ran.stderr.contains("leads out of the manifest's folder")
            && !ran.stderr.contains("uploading"),
        "{ran:?}"
    );
    let digest = crate::harness::sha256(b"a secret");
    assert_eq!(
        Admin::of(&server).get(&format!("/v1/uploads/{digest}"))["offset"],
        0
    );
    assert!(
        apply(&["--allow-path", "outside"])
            .ended(0)
            .stderr
            .contains("uploading vendor/link (")
    );
}
