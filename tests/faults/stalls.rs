//! A disk whose flushes take seconds: requests do not wait for it, admin queries are answered, and
//! a change is acknowledged only when it is on the disk.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::effort::{self, figure, tell};
use super::load::{Load, Round, attempt};
use super::pipelines::doubles;
use crate::harness::admin::{Admin, applies, ask};
use crate::harness::http::Request;
use crate::harness::server::{Server, Setup};
use crate::harness::state::{Folder, warm};
use crate::harness::{pause, root, skipped};

const PATH: &str = "/v2/models/m/infer";
const RATE: f64 = 1000.0;

/// The library that stalls flushes and records them.
pub(crate) fn library(folder: &Folder) -> Option<PathBuf> {
    let path = folder.path().join("stall.so");
    let source = root().join("tests/faults/stall.c");
    let cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&path)
        .arg(source)
        .arg("-ldl")
        .output();
    cc.is_ok_and(|output| output.status.success())
        .then_some(path)
}

/// A server whose flushes stall while a file exists.
struct Stalling {
    state: Folder,
    library: PathBuf,
    /// The file.
    flag: PathBuf,
}

impl Stalling {
    fn setup(&self, manifests: Vec<Value>) -> Setup {
        let setup = Setup::of(manifests).state(self.state.path());
        setup
            .env("LD_PRELOAD", self.library.to_str().unwrap())
            .env("STALL_FILE", self.flag.to_str().unwrap())
    }

    fn begin(&self) {
        fs::write(&self.flag, "").unwrap();
    }

    fn end(&self) {
        fs::remove_file(&self.flag).unwrap();
    }
}

#[test]
fn a_disk_that_stalls_stalls_no_request() {
    let folder = Folder::new();
    let Some(library) = library(&folder) else {
        return skipped("a stalled disk needs a C compiler, `cc`");
    };
    let disk = Stalling {
        state: warm(),
        library,
        flag: folder.path().join("stalled"),
    };
    let server = disk.setup(vec![doubles("m", 1)]).start();
    let took = effort::of(Duration::from_secs(1), Duration::from_secs(10));
    let steady = Load::during(server.address, PATH, Some(RATE), took).faultless();
    let stalled = stall_a_change(&disk, &server, took);
    assert_eq!(
        ask(&mut server.connect(), PATH).unwrap(),
        (4.0, "2".to_owned())
    );
    tell(format_args!(
        "stalls: flushes that take {took:?} while {RATE} requests a second are answered"
    ));
    figure(
        "p99 while the disk is stalled, to steady",
        stalled.took(99) / steady.took(99),
        "×",
        None,
    );
    kill_in_a_flush(&disk, server);
    // All stored content is complete.
    let server = disk.setup(Vec::new()).start();
    let (value, version) = ask(&mut server.connect(), PATH).unwrap();
    assert!(
        value == 2.0 * version.parse::<f64>().unwrap() && matches!(version.as_str(), "2" | "3"),
        "{version}"
    );
    assert_eq!(Admin::of(&server).get("/v1/verify")["ok"], true);
}

/// Applies version 2 while the disk stalls for this long; returns the traffic meanwhile.
fn stall_a_change(disk: &Stalling, server: &Server, stall: Duration) -> Round {
    let admin = Admin::of(server);
    disk.begin();
    let load = Load::begin(server.address, PATH, Some(RATE));
    let began = Instant::now();
    std::thread::scope(|scope| {
        let applying = scope.spawn(|| {
            let status = admin.apply(&[doubles("m", 2)]).status;
            (status, began.elapsed())
        });
        while began.elapsed() < stall {
            // A query is answered meanwhile, with the state before the change.
            assert_eq!(admin.get("/v1/status")["head"], 1);
            assert_eq!(
                ask(&mut server.connect(), PATH).unwrap(),
                (2.0, "1".to_owned())
            );
            pause(Duration::from_millis(50));
        }
        assert!(
            !applying.is_finished(),
            "a change was acknowledged that is not on the disk"
        );
        let stalled = load.end().faultless();
        disk.end();
        let (status, took) = applying.join().unwrap();
        assert_eq!(status, 200);
        assert!(took >= stall);
        stalled
    })
}

/// Kills the server in the middle of a stalled flush of version 3.
fn kill_in_a_flush(disk: &Stalling, server: Server) {
    let admin = Admin::of(&server);
    disk.begin();
    std::thread::scope(|scope| {
        let applying = scope.spawn(|| {
            let request = applies(&[doubles("m", 3)], &json!({}));
            attempt(&admin, request).is_ok()
        });
        pause(Duration::from_millis(200));
        admin.ask(Request::get("/v1/status")).ok();
        server.starting.signal("KILL");
        assert!(
            !applying.join().unwrap(),
            "a change was acknowledged that is not on the disk"
        );
    });
    drop(server);
    disk.end();
}
