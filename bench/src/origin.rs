//! Paths of what was built: from the environment that `cargo xtask bench` sets, else the places
//! where a build leaves them.

use std::env;
use std::path::{Path, PathBuf};

/// The paths of one run.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// The server. `HOTSTAGE_BIN`.
    pub(crate) server: PathBuf,
    /// The bundled components. `HOTSTAGE_COMPONENTS`.
    pub(crate) components: PathBuf,
    /// The guest programs of the tests; some rows need them. `HOTSTAGE_GUESTS`.
    pub(crate) guests: PathBuf,
    /// The example that is served.
    pub(crate) tumor: PathBuf,
}

impl Origin {
    pub(crate) fn find() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .unwrap_or(Path::new("."))
            .to_owned();
        let named =
            |name, default| env::var_os(name).map_or_else(|| root.join(default), PathBuf::from);
        Self {
            server: named("HOTSTAGE_BIN", "target/release/hotstage"),
            components: named("HOTSTAGE_COMPONENTS", "target/components"),
            guests: named("HOTSTAGE_GUESTS", "target/guests"),
            tumor: root.join("examples/tumor"),
        }
    }

    /// The manifest of the example's version 1. The checks and the floor expect its answers.
    pub(crate) fn manifest(&self) -> PathBuf {
        self.tumor.join("tumor-v1.yaml")
    }

    /// Whether the guest program was built.
    pub(crate) fn has_guest(&self, name: &str) -> bool {
        self.guests.join(format!("{name}.wasm")).is_file()
    }
}
