//! Tests of the store.

use std::os::unix::fs::MetadataExt as _;

use super::*;
use hotstage_core::digest::Digest;
use hotstage_engine::compile::Artifacts as _;

fn opened(root: &Path) -> Store {
    Store::open(root, Access::Share).unwrap()
}

#[test]
fn bytes_come_back_and_damage_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    let digest = store.put(b"hello").unwrap();
    assert_eq!(store.get(&digest).unwrap().unwrap(), "hello");
    assert_eq!(store.get(&Digest::of(b"absent")).unwrap(), None);

    let path = directory
        .path()
        .join("blobs")
        .join(&digest.hex()[..2])
        .join(digest.hex());
    fs::write(&path, b"hellO").unwrap();
    assert!(matches!(
        store.get(&digest),
        Err(StoreError::Damaged { .. })
    ));
    // Storing it again repairs it.
    store.put(b"hello").unwrap();
    assert_eq!(store.get(&digest).unwrap().unwrap(), "hello");
}

#[test]
fn a_file_is_kept_as_its_bytes_are() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    // More than one piece, and not a multiple of the piece size.
    let bytes: Vec<u8> = (0..200_001_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let path = directory.path().join("tmp/model");
    fs::write(&path, &bytes).unwrap();
    let put = || store.put_file(&fs::File::open(&path).unwrap()).unwrap();
    let digest = put();
    assert_eq!(digest, Digest::of(&bytes));
    assert_eq!(store.get(&digest).unwrap().unwrap(), bytes);
    assert_eq!(
        (store.size(&digest), store.check(&digest).unwrap()),
        (Some(200_001), Some(200_001))
    );

    let blob = directory
        .path()
        .join("blobs")
        .join(&digest.hex()[..2])
        .join(digest.hex());
    let written = |blob: &Path| fs::metadata(blob).unwrap().ino();
    let first = written(&blob);
    assert_eq!(
        (put(), written(&blob)),
        (digest, first),
        "what is there is not written again"
    );
    // Damage that keeps the length, in one byte of the last piece; and damage that truncates.
    let mut damaged = bytes.clone();
    damaged[200_000] ^= 1;
    for damaged in [&damaged[..], &bytes[..70_000]] {
        fs::write(&blob, damaged).unwrap();
        assert!(matches!(
            store.check(&digest),
            Err(StoreError::Damaged { .. })
        ));
        assert_eq!(put(), digest);
        assert_eq!(store.get(&digest).unwrap().unwrap(), bytes);
    }
    assert_eq!(store.check(&Digest::of(b"absent")).unwrap(), None);
    assert_eq!(
        fs::read_dir(directory.path().join("tmp")).unwrap().count(),
        1
    );
}

#[test]
fn nothing_half_written_stays() {
    let directory = tempfile::tempdir().unwrap();
    let store = opened(directory.path());
    fs::remove_dir_all(directory.path().join("cache")).unwrap();
    store.save("entry", b"code");
    assert_eq!(
        fs::read_dir(directory.path().join("tmp")).unwrap().count(),
        0
    );
}

#[test]
fn a_strange_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.tex"), "").unwrap();
    assert!(matches!(
        Store::open(directory.path(), Access::Share),
        Err(StoreError::NotOurs { .. })
    ));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(MARKER), "{\"format\": 99}").unwrap();
    assert!(matches!(
        Store::open(directory.path(), Access::Share),
        Err(StoreError::Format { found: 99, .. })
    ));
}

#[test]
fn a_damaged_marker_is_named_and_can_be_put_right() {
    let directory = tempfile::tempdir().unwrap();
    drop(opened(directory.path()));
    let marker = directory.path().join(MARKER);
    for damaged in [r#"{"format": 1"#, r#"{"gormat": 1}"#, "", "\0"] {
        fs::write(&marker, damaged).unwrap();
        let error = Store::open(directory.path(), Access::Share).err().unwrap();
        assert!(
            matches!(error, StoreError::Unmarked { .. }),
            "{damaged}: {error}"
        );
        let message = error.to_string();
        let right = message.split('`').nth(1).unwrap();
        assert!(message.contains(MARKER), "{message}");
        fs::write(&marker, right).unwrap();
        opened(directory.path());
    }
}

#[test]
fn one_server_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = Store::open(directory.path(), Access::Serve).unwrap();
    assert!(matches!(
        Store::open(directory.path(), Access::Serve),
        Err(StoreError::Locked { .. })
    ));
    assert!(Store::open(directory.path(), Access::Share).is_ok());
    drop(first);
    assert!(Store::open(directory.path(), Access::Serve).is_ok());
}

#[test]
fn the_secret_is_kept_and_its_own() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = opened(a.path()).signing_key().0;
    assert_eq!(opened(a.path()).signing_key().0, first);
    assert_ne!(opened(b.path()).signing_key().0, first);
}
