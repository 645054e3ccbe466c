//! Flips bits on disk, one at a time, in any file of the state directory. Traffic is not affected;
//! the next start serves only valid content, and names the damaged file.

use std::fs;
use std::path::{Path, PathBuf};

use super::effort::{self, Chance, tell};
use super::load::Load;
use super::pipelines::doubles;
use crate::harness::admin::{Admin, ask};
use crate::harness::server::{Ended, Server, Setup};
use crate::harness::state::warm;

const PATH: &str = "/v2/models/m/infer";

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if fs::metadata(&path).unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Flips one bit. Writes a new file, because a cache file may be hard-linked from other state
/// directories.
fn flip(path: &Path, chance: &mut Chance) -> Vec<u8> {
    let good = fs::read(path).unwrap();
    let mut bad = good.clone();
    let at = usize::try_from(chance.below(good.len() as u64)).unwrap();
    bad[at] ^= 1 << chance.below(8);
    write(path, &bad);
    good
}

fn write(path: &Path, bytes: &[u8]) {
    let permissions = fs::metadata(path).unwrap().permissions();
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, permissions).unwrap();
}

/// After a start with a damaged file: either the start is refused and names the file, or served
/// versions are right and the damaged file is named.
#[track_caller]
fn check(started: Result<Server, Ended>, path: &Path, round: u32) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let (output, is_named) = match started {
        Ok(server) => {
            let missing = (1..6).filter(|number| !is_served(&server, *number, round));
            let is_missing = missing.count() > 0;
            (server.stop().stderr.join("\n"), is_missing)
        }
        Err(ended) => {
            let output = ended.stderr.join("\n");
            let path = path.display();
            assert_eq!(ended.code, Some(4), "round {round}, {path}: {output}");
            (output, true)
        }
    };
    assert_eq!(
        is_named,
        output.contains(name),
        "round {round}: `{name}` is damaged, but the output is: {output}"
    );
}

/// Whether a version answers (it must be right) or is out of service.
#[track_caller]
fn is_served(server: &Server, number: u64, round: u32) -> bool {
    let path = format!("/v2/models/m/versions/{number}/infer");
    match ask(&mut server.connect(), &path) {
        Ok(answer) => {
            let expected = (2.0 * number as f64, number.to_string());
            assert_eq!(answer, expected, "round {round}, {path}");
            true
        }
        Err(response) => {
            assert_eq!(response.status, 503, "round {round}, {path}");
            false
        }
    }
}

#[test]
fn a_flipped_bit_is_never_served() {
    let state = warm();
    let rounds = effort::of(12, 500);
    tell(format_args!(
        "damage: {rounds} times one bit flipped in one file of the state directory"
    ));
    let server = Setup::of([doubles("m", 1)]).state(state.path()).start();
    let admin = Admin::of(&server);
    (2..6).for_each(|number| _ = admin.apply(&[doubles("m", number)]).ok());
    assert_eq!(server.stop().code, Some(0));
    let (mut chance, mut refused) = (Chance::new(2), 0);
    for round in 0..rounds {
        let candidates = files(state.path());
        let path = &candidates[usize::try_from(chance.below(candidates.len() as u64)).unwrap()];
        let good = flip(path, &mut chance);
        let started = Setup::of([]).state(state.path()).try_start();
        refused += u32::from(started.is_err());
        check(started, path, round);
        // A start replaces files that it can recreate, and removes the file with the listen
        // address.
        if path.exists() {
            write(path, &good);
        }
    }
    tell(format_args!(
        "  {refused} starts were refused and named the file, the others served what is right alone"
    ));
    let server = Setup::of([]).state(state.path()).start();
    assert_eq!(
        ask(&mut server.connect(), PATH).unwrap(),
        (10.0, "5".to_owned())
    );
}

#[test]
fn traffic_does_not_notice_damage_until_a_start() {
    let state = warm();
    let server = Setup::of([doubles("m", 1)]).state(state.path()).start();
    let admin = Admin::of(&server);
    let load = Load::begin(server.address, PATH, Some(500.0));
    let mut chance = Chance::new(3);
    for blob in files(&state.path().join("blobs")) {
        let good = flip(&blob, &mut chance);
        let verified = admin.get("/v1/verify");
        assert_eq!(verified["ok"], false);
        let name = blob.file_name().unwrap().to_str().unwrap();
        assert!(
            verified["problems"].to_string().contains(name),
            "{verified}"
        );
        write(&blob, &good);
    }
    assert_eq!(admin.get("/v1/verify")["ok"], true);
    load.end().faultless();
}
