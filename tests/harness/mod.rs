//! Harness of the black-box tests, which drive the built program from outside.
//!
//! - [`admin`]: the admin API, and pipelines whose answers identify their version
//! - [`server`]: start `hotstage serve` with [`server::Setup`], send requests, stop it;
//!   [`server::program`] for other verbs
//! - [`http`]: requests and answers to the byte, over a plain socket
//! - [`command`]: commands that run to their end
//! - [`golden`]: user-visible texts, compared with files
//! - [`manifest`]: pipelines of bundled components and guests, as manifests
//! - [`state`]: state directories with compiled components
//! - [`lines`]: the output of a process, line by line, without sleeping
//! - [`metrics`]: `/metrics`, parsed strictly
//! - [`onnx`]: small ONNX models
//! - [`process`]: the memory and processes of a server, from the kernel
//! - [`tumor`]: rows of the example with their answers
//! - [`wat`]: components from WebAssembly text
//!
//! `cargo xtask test` sets the locations: `HOTSTAGE_BIN`, `HOTSTAGE_COMPONENTS` and
//! `HOTSTAGE_GUESTS`. Default: the output folders of a build. Each wait is bounded by
//! [`PATIENCE`], so a hanging server is a failed test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) mod admin;
pub(crate) mod command;
pub(crate) mod golden;
pub(crate) mod http;
pub(crate) mod lines;
pub(crate) mod manifest;
pub(crate) mod metrics;
pub(crate) mod onnx;
pub(crate) mod process;
pub(crate) mod server;
pub(crate) mod state;
pub(crate) mod tumor;
pub(crate) mod wat;

/// The bound of every wait. Much longer than any step takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// `target/components`: the bundled components.
pub(crate) fn components() -> PathBuf {
    found("HOTSTAGE_COMPONENTS", "target/components")
}

/// `target/guests/<name>.wasm`: a test guest.
pub(crate) fn guest(name: &str) -> PathBuf {
    let path = guests().join(format!("{name}.wasm"));
    assert!(
        path.is_file(),
        "{} is not there; run the tests with `cargo xtask test`",
        path.display()
    );
    path
}

/// The folder of the guests.
pub(crate) fn guests() -> PathBuf {
    found("HOTSTAGE_GUESTS", "target/guests")
}

fn found(variable: &str, place: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| root().join(place), PathBuf::from)
}

/// Sleeps. Only to let something happen at a moment, never to wait until something has happened.
pub(crate) fn pause(duration: Duration) {
    #[expect(clippy::disallowed_methods, reason = "a test's own thread may sleep")]
    std::thread::sleep(duration);
}

/// The digest of bytes, as the blob store names it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let digits: String = sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{digits}")
}

/// Reports that a test was skipped, and why; bypasses the test runner, which shows only failures.
pub(crate) fn skipped(why: &str) {
    // The output may be closed.
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// Polls until the condition holds. The condition should query the server, which takes a moment.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(
            began.elapsed() < PATIENCE,
            "after {PATIENCE:?} still not: {what}"
        );
    }
}
