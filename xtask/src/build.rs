//! `cargo xtask build`: builds the components and the server.
//!
//! Output: `target/components/<name>.wasm` and `target/release/hotstage`. Components are built
//! first, because they take seconds and the server takes minutes: a plugin author sees a mistake
//! soon.

use std::fs;

use crate::artifacts::{self, Component};
use crate::run::{OrStop, Outcome, cargo, check, step};
use crate::workspace::{GUESTS, Profile, Workspace, ensure_wasm_target};

/// Builds the components and the server.
///
/// Installs Rust's wasm32-wasip2 target with rustup if it is missing. Output:
/// target/components/NAME.wasm and target/release/hotstage.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build only one of the two
    #[arg(long, value_enum)]
    only: Option<Half>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Half {
    /// The plugins, for wasm32-wasip2
    Components,
    /// The server and command line
    Runtime,
}

pub(crate) fn main(args: &Args) -> Outcome {
    let workspace = Workspace::read()?;
    let mut rows = Vec::new();
    if args.only != Some(Half::Runtime) {
        rows.extend(
            components(&workspace)?
                .iter()
                .map(|component| row(&workspace, component)),
        );
    }
    if args.only != Some(Half::Components) {
        runtime(&workspace)?;
        let path = workspace.binary();
        let bytes = fs::metadata(&path)
            .or_stop(|| format!("can't read {}", path.display()))?
            .len();
        rows.push((workspace.short(&path).display().to_string(), bytes, ""));
    }
    let width = rows.iter().map(|(path, ..)| path.len()).max().unwrap_or(0);
    for (path, bytes, note) in rows {
        println!(
            "{}",
            format!("{path:width$}  {:>11}  {note}", size(bytes)).trim_end()
        );
    }
    Ok(())
}

/// Builds everything that a running server needs.
pub(crate) fn all(workspace: &Workspace) -> Outcome {
    components(workspace)?;
    runtime(workspace)
}

pub(crate) fn components(workspace: &Workspace) -> Outcome<Vec<Component>> {
    ensure_wasm_target()?;
    let selection: Vec<&str> = workspace
        .plugins
        .iter()
        .flat_map(|name| ["-p", name])
        .collect();
    step("building components", || {
        artifacts::build(workspace, &selection, &workspace.components())
    })
}

/// Builds the guest programs of the black-box tests.
pub(crate) fn guests(workspace: &Workspace) -> Outcome {
    if !workspace.has_guests {
        return Ok(());
    }
    step("building guest programs", || {
        artifacts::build(
            workspace,
            &["-p", GUESTS, "--examples"],
            &workspace.guests(),
        )
        .map(|_| ())
    })
}

fn runtime(workspace: &Workspace) -> Outcome {
    step("building the server", || program(workspace, "hotstage"))
}

/// Builds one program of the workspace, for this machine.
///
/// Builds it as part of the whole workspace, as tests do. Dependencies then have the same features
/// in both builds, so the WebAssembly compiler, which takes minutes, is built once.
pub(crate) fn program(workspace: &Workspace, name: &str) -> Outcome {
    let mut command = cargo();
    command.current_dir(&workspace.root);
    command.args([
        "build",
        "--profile",
        workspace.profile.name(),
        "--workspace",
    ]);
    command.args(["--exclude", GUESTS, "--bin", name]);
    if workspace.profile == Profile::Tests {
        command.arg("--tests");
    }
    check(&mut command)
}

fn row(workspace: &Workspace, component: &Component) -> (String, u64, &'static str) {
    let note = if component.changed {
        "new"
    } else {
        "unchanged"
    };
    (
        workspace.short(&component.path).display().to_string(),
        component.bytes,
        note,
    )
}

/// A size for people: `66.3 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    let kib = bytes as f64 / 1024.0;
    if kib < 1024.0 {
        format!("{kib:.1} KiB")
    } else {
        format!("{:.1} MiB", kib / 1024.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        assert_eq!(size(512), "0.5 KiB");
        assert_eq!(size(66 * 1024), "66.0 KiB");
        assert_eq!(size(19 * 1024 * 1024), "19.0 MiB");
    }
}
