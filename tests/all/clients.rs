//! Third-party clients, unmodified: scripts in `tests/clients`, run by the Python that `cargo xtask
//! test` prepares.
//!
//! A script prints one line per check, and fails if one check fails.

mod onnxruntime;

use std::process::Command;

use crate::harness::manifest::{pipeline, stage};
use crate::harness::root;
use crate::harness::server::Setup;

#[track_caller]
fn check(script: &str, setup: Setup, checks: usize) {
    let python =
        std::env::var_os("HOTSTAGE_PYTHON").expect("run the tests with `cargo xtask test`");
    let server = setup.start();
    let mut command = Command::new(python);
    command
        .arg(root().join("tests/clients").join(script))
        .arg(server.address.to_string());
    command
        .arg(root().join("examples/tumor"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    assert_eq!(
        text.lines().filter(|line| line.starts_with("ok ")).count(),
        checks,
        "{text}"
    );
}

#[test]
fn tritons_client_works_unchanged() {
    let identity = pipeline("identity", [stage("preprocess", "identity_all")]);
    check("triton.py", Setup::tumor().and([identity]), 8);
}

#[test]
fn requests_works_as_scripts_use_it_and_as_kserve_asks() {
    check("plain.py", Setup::tumor(), 5);
}

#[test]
fn prometheus_reads_what_is_measured() {
    check("prometheus.py", Setup::tumor(), 2);
}

#[test]
fn the_bench_beside_other_servers_counts_rightly() {
    let python =
        std::env::var_os("HOTSTAGE_PYTHON").expect("run the tests with `cargo xtask test`");
    let mut command = Command::new(python);
    command
        .args(["-B", "-m", "unittest", "discover", "-s"])
        .arg(root().join("bench/peers"));
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
