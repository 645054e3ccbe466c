//! Paths and packages of the workspace, from `cargo metadata`: the root, the target directory, the
//! plugins and the guests.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::run::{Outcome, Stop, answer, cargo, rustc, rustup};

/// The target for which components are compiled.
pub(crate) const WASM: &str = "wasm32-wasip2";

/// The package whose examples are the guest programs of the black-box tests. It builds for [`WASM`]
/// only.
pub(crate) const GUESTS: &str = "hotstage-guests";

/// The name of the server's package and program.
pub(crate) const SERVER: &str = "hotstage";

/// The cargo profile of programs for this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For users and benchmarks.
    Release,
    /// For tests: the project's own crates compile much faster, with overflow checks.
    Tests,
}

impl Profile {
    /// The profile's name, and its folder in the target directory.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Tests => "tests",
        }
    }
}

/// The workspace as `cargo metadata` describes it.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Respects `CARGO_TARGET_DIR` and cargo's own configuration.
    pub(crate) target: PathBuf,
    /// Packages under `plugins/`.
    pub(crate) plugins: Vec<String>,
    /// Whether the package of the guest programs exists.
    pub(crate) has_guests: bool,
    /// The profile of programs that this command builds and runs.
    pub(crate) profile: Profile,
}

impl Workspace {
    /// The workspace with the release profile.
    pub(crate) fn read() -> Outcome<Self> {
        let mut command = cargo();
        // The alias may run in any directory; this crate's path gives the workspace.
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        command
            .args([
                "metadata",
                "--no-deps",
                "--format-version",
                "1",
                "--manifest-path",
            ])
            .arg(manifest);
        let text = answer(&mut command).ok_or_else(|| {
            Stop::new("`cargo metadata` failed; run it in the workspace to see why")
        })?;
        Self::parse(&text).ok_or_else(|| {
            Stop::new("`cargo metadata` answered without a root, a target or packages")
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let metadata: Value = serde_json::from_str(text).ok()?;
        let root = PathBuf::from(metadata["workspace_root"].as_str()?);
        let target = PathBuf::from(metadata["target_directory"].as_str()?);
        let packages = metadata["packages"].as_array()?;
        let name = |package: &Value| package["name"].as_str().map(str::to_owned);
        let is_plugin = |package: &&Value| {
            package["manifest_path"]
                .as_str()
                .is_some_and(|path| Path::new(path).starts_with(root.join("plugins")))
        };
        let plugins = packages.iter().filter(is_plugin).filter_map(name).collect();
        let has_guests = packages.iter().any(|package| package["name"] == GUESTS);
        Some(Self {
            plugins,
            has_guests,
            root,
            target,
            profile: Profile::Release,
        })
    }

    /// Directory of the bundled components, as `NAME.wasm`.
    pub(crate) fn components(&self) -> PathBuf {
        self.target.join("components")
    }

    /// Directory of the guest programs of the black-box tests.
    pub(crate) fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// The server and command line.
    pub(crate) fn binary(&self) -> PathBuf {
        self.program(SERVER)
    }

    /// A program of the workspace.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target.join(self.profile.name()).join(name)
    }

    /// The distribution (`cargo xtask dist`).
    pub(crate) fn dist(&self) -> PathBuf {
        self.target.join("dist")
    }

    /// Sets the environment variables with which tests and benches find what was built.
    pub(crate) fn export(&self, command: &mut Command) {
        command
            .current_dir(&self.root)
            .env("HOTSTAGE_BIN", self.binary())
            .env("HOTSTAGE_COMPONENTS", self.components())
            .env("HOTSTAGE_GUESTS", self.guests());
    }

    /// A path relative to the workspace.
    pub(crate) fn short<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// Installs the wasm32-wasip2 target with rustup if it is missing.
pub(crate) fn ensure_wasm_target() -> Outcome {
    let sysroot = rustc(&["--print", "sysroot"])?;
    let is_there = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(WASM)
        .is_dir();
    if is_there || rustup(&format!("the {WASM} target"), &["target", "add", WASM]) {
        return Ok(());
    }
    Err(Stop::new(format!(
        "Rust's {WASM} target is missing and could not be installed; run `rustup target add {WASM}`, or, where Rust \
         comes from a distribution, install its package with the standard library for {WASM}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_under_plugins_are_plugins_and_the_target_directory_is_cargos() {
        let text = r#"{"workspace_root": "/w", "target_directory": "/elsewhere", "packages": [
            {"name": "hotstage-plugin-scale", "manifest_path": "/w/plugins/scale/Cargo.toml"},
            {"name": "hotstage-guests", "manifest_path": "/w/tests/guests/Cargo.toml"}]}"#;
        let workspace = Workspace::parse(text).unwrap();
        assert_eq!(workspace.plugins, ["hotstage-plugin-scale"]);
        assert!(workspace.has_guests);
        assert_eq!(workspace.binary(), Path::new("/elsewhere/release/hotstage"));
        let workspace = Workspace {
            profile: Profile::Tests,
            ..workspace
        };
        assert_eq!(workspace.binary(), Path::new("/elsewhere/tests/hotstage"));
        assert_eq!(workspace.components(), Path::new("/elsewhere/components"));
    }

    #[test]
    fn an_answer_without_packages_is_refused() {
        assert!(
            Workspace::parse(r#"{"workspace_root": "/w", "target_directory": "/t"}"#).is_none()
        );
    }
}
