//! The compile cache: an entry that is damaged, foreign or not a file is compiled again.

use std::fs;

use super::{RECOMPILED, files, serves, start, with_one_entry};
use crate::guests::{ask, request};
use crate::harness::manifest::{model, pipeline};
use crate::harness::server::Setup;

#[test]
fn only_entries_that_this_server_signed_are_trusted() {
    let (state, entry) = with_one_entry();
    assert!(
        serves(state.path())
            .iter()
            .all(|line| !line.contains("compil")),
        "it was not cached"
    );
    let good = fs::read(&entry).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    // The same component, signed with another directory's key.
    let (_other, foreign) = with_one_entry();
    let foreign = fs::read(foreign).unwrap();
    assert_ne!(good[..32], foreign[..32], "two directories sign alike");
    let damages = [
        ("its signature", flipped(0)),
        ("its first byte of code", flipped(32)),
        ("its middle", flipped(good.len() / 2)),
        ("its end", flipped(good.len() - 1)),
        ("half of it", good[..good.len() / 2].to_vec()),
        ("only a signature", good[..32].to_vec()),
        ("less than a signature", good[..5].to_vec()),
        ("nothing", Vec::new()),
        ("more than it", [good.as_slice(), b"x"].concat()),
        ("a foreign one", foreign),
    ];
    for (what, bytes) in damages {
        fs::remove_file(&entry).unwrap();
        fs::write(&entry, &bytes).unwrap();
        let log = serves(state.path());
        assert_eq!(
            log.iter().filter(|line| line.contains(RECOMPILED)).count(),
            1,
            "{what}: {log:#?}"
        );
        assert!(fs::read(&entry).unwrap() != bytes, "{what} is still there");
        let log = serves(state.path());
        assert!(
            log.iter().all(|line| !line.contains("compil")),
            "{what}: {log:#?}"
        );
    }
}

#[test]
fn an_entry_of_another_component_is_not_taken() {
    let (state, echo) = with_one_entry();
    let traps = || {
        Setup::of([pipeline("t", [model("traps")])])
            .state(state.path())
            .start()
    };
    traps().stop();
    let other = files(&state.path().join("cache"))
        .into_iter()
        .find(|path| *path != echo)
        .unwrap();
    // It is valid and signed by this server, but it belongs to `echo`.
    fs::remove_file(&other).unwrap();
    fs::copy(&echo, &other).unwrap();
    let server = traps();
    assert_eq!(server.ask(&request("t", &[13.0])).status, 500);
    assert!(
        server
            .stop()
            .stderr
            .iter()
            .any(|line| line.contains(RECOMPILED))
    );
}

#[test]
fn a_damaged_or_missing_key_invalidates_only_the_cache() {
    let (state, _) = with_one_entry();
    let key = state.path().join("cache.key");
    for damage in [
        Some(&b"short"[..]),
        Some(b""),
        Some(&[7; 33]),
        Some(&[7; 32]),
        None,
    ] {
        match damage {
            Some(bytes) => fs::write(&key, bytes).unwrap(),
            None => fs::remove_file(&key).unwrap(),
        }
        let log = serves(state.path());
        assert!(
            log.iter().any(|line| line.contains(RECOMPILED)),
            "{damage:?}: {log:#?}"
        );
        let is_odd = damage.is_some_and(|bytes| bytes.len() != 32);
        assert_eq!(
            log.iter()
                .any(|line| line.contains("the cache's key was damaged")),
            is_odd,
            "{damage:?}: {log:#?}"
        );
        assert_eq!(fs::read(&key).unwrap().len(), 32);
        assert!(
            serves(state.path())
                .iter()
                .all(|line| !line.contains("compil"))
        );
    }
}

/// A special file in place of an entry must not block: the component is compiled again.
#[test]
fn a_fifo_or_a_link_in_the_cache_is_no_entry() {
    let (state, entry) = with_one_entry();
    let elsewhere = state.path().join("tmp/elsewhere");
    for make in [
        "mv \"$0\" \"$1\" && ln -s \"$1\" \"$0\"",
        "rm \"$0\" && mkfifo \"$0\"",
    ] {
        let made = std::process::Command::new("sh")
            .args(["-c", make])
            .args([&entry, &elsewhere])
            .status();
        assert!(made.unwrap().success());
        serves(state.path());
        assert!(fs::symlink_metadata(&entry).unwrap().is_file(), "{make}");
    }
}

#[test]
fn the_cache_may_be_deleted_while_the_server_runs() {
    let (state, _) = with_one_entry();
    let server = start(state.path());
    fs::remove_dir_all(state.path().join("cache")).unwrap();
    assert_eq!(ask(&server, "p", &[1.5]), [1.5]);
    server.stop();
    serves(state.path());
    assert_eq!(files(&state.path().join("cache")).len(), 1);
}
