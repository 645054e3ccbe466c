//! `cargo xtask lint`: checks that are not tests: formatting, clippy, licences, documentation.
//!
//! Clippy and rustdoc run in the dev profile. They share its checked dependencies and generate no
//! code, so on a clean clone it is the cheapest profile.

use crate::run::{Outcome, Stop, answer, cargo, check, step};
use crate::workspace::{GUESTS, WASM, Workspace, ensure_wasm_target};

/// Checks formatting, clippy (host and components), licences and documentation.
///
/// All checks run even if one fails, so that one run shows everything.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn main(_: &Args) -> Outcome {
    let workspace = Workspace::read()?;
    ensure_wasm_target()?;
    let mut failed = Vec::new();
    for (title, words) in checks(&workspace) {
        let mut command = cargo();
        command
            .current_dir(&workspace.root)
            .env("RUSTDOCFLAGS", "-D warnings")
            .args(&words);
        if step(title, || check(&mut command)).is_err() {
            failed.push(title);
        }
    }
    if answer(cargo().args(["deny", "--version"])).is_none() {
        eprintln!(
            "==> checking dependencies: not run; `cargo install --locked cargo-deny` installs it"
        );
    } else if step("checking dependencies", || {
        check(cargo().current_dir(&workspace.root).args(DENY))
    })
    .is_err()
    {
        failed.push("checking dependencies");
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Stop::new(format!("failed: {}", failed.join(", "))))
    }
}

/// Without advisories, which need a database from the network and have their own run.
const DENY: [&str; 6] = ["deny", "--offline", "check", "bans", "licenses", "sources"];

/// Each check's title and cargo arguments.
fn checks(workspace: &Workspace) -> Vec<(&'static str, Vec<&str>)> {
    let warnings = ["--", "-D", "warnings"];
    let host = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--exclude",
        GUESTS,
    ];
    let mut components = vec!["clippy", "--target", WASM, "--lib", "-p", "hotstage-sdk"];
    components.extend(workspace.plugins.iter().flat_map(|name| ["-p", name]));
    let mut checks = vec![
        ("checking formatting", vec!["fmt", "--all", "--check"]),
        ("clippy", [&host[..], &warnings].concat()),
        (
            "clippy for components",
            [&components[..], &warnings].concat(),
        ),
    ];
    if workspace.has_guests {
        let guests = [
            "clippy",
            "--target",
            WASM,
            "--lib",
            "--examples",
            "-p",
            GUESTS,
        ];
        checks.push((
            "clippy for guest programs",
            [&guests[..], &warnings].concat(),
        ));
    }
    let docs = [
        "doc",
        "--no-deps",
        "--workspace",
        "--document-private-items",
        "--exclude",
        GUESTS,
    ];
    checks.push(("documentation", docs.to_vec()));
    checks
}
