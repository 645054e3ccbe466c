//! Every fuzz target over its corpus and seeded mutations of it, and some components through the
//! compile process: about one second each. `cargo xtask fuzz` runs longer.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the answer")]

use std::path::{Path, PathBuf};
use std::process::Command;

use hotstage_fuzz::{TARGETS, corpus, runner, target};

#[track_caller]
fn check(name: &str) {
    let target = target(name).unwrap();
    let ran = runner::run(target, runner::quick(target), 0);
    assert!(ran.executions >= runner::quick(target) || !ran.findings.is_empty());
    assert!(
        ran.findings.is_empty(),
        "{name}: see above; kept as {:?}",
        ran.findings
    );
}

macro_rules! each {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_run_here_and_by_libfuzzer() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let fuzz = corpus::folder().join("..");
            let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
            for name in names {
                assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no {name}");
                let program = std::fs::read_to_string(fuzz.join("fuzz_targets").join(format!("{name}.rs"))).unwrap();
                assert!(program.contains(&format!("\"{name}\"")), "fuzz_targets/{name}.rs runs another target");
            }
        }
    };
}

each!(
    abi_conversion
    component_bounds
    csv_rows
    http_head
    journal_revision
    manifest
    request_binary
    request_compressed
    request_json
    state_files
);

#[test]
fn the_corpus_is_small() {
    let bytes = corpus::bytes().unwrap();
    assert!(bytes <= corpus::BYTES_MAX, "{bytes} bytes");
}

/// A panic of a target is a finding, and its input is stored.
#[test]
fn a_finding_is_kept() {
    let broken = hotstage_fuzz::Target {
        name: "csv_rows",
        run: |bytes| assert!(bytes.len() < 40, "this is to be found"),
        bytes_max: 100,
        quick: 100,
        seeds: Vec::new,
    };
    let mut ran = runner::run(&broken, 100, 0);
    ran.findings.sort();
    ran.findings.dedup();
    assert!(!ran.findings.is_empty());
    for path in ran.findings {
        assert!(std::fs::read(&path).unwrap().len() >= 40);
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn mutated_components_through_the_process_that_compiles() {
    let count = std::env::var("HOTSTAGE_FUZZ_COMPONENTS").unwrap_or_else(|_| "300".to_owned());
    let place = |variable: &str, default: &str| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        std::env::var_os(variable).map_or_else(|| root.join(default), PathBuf::from)
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotstage-fuzz"));
    command
        .args(["worker", "--count", &count, "--components"])
        .arg(place("HOTSTAGE_COMPONENTS", "target/components"));
    let output = command
        .arg("--components")
        .arg(place("HOTSTAGE_GUESTS", "target/guests"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("0 findings; this process goes on"), "{said}");
}
