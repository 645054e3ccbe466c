//! Flags that bound what a manifest may refer to and ask for: `--allow-path`, directories outside
//! the manifest's own folder that hold files (default: none), and the ceilings on its `limits`.

use std::path::PathBuf;

use super::ceilings::Ceilings;
use hotstage_server::control::deploy::Deployer;
use hotstage_server::files::Allowed;

/// Flags of every verb that reads manifests from a disk.
#[derive(Debug, clap::Args)]
pub(super) struct AllowPath {
    /// A directory, besides a manifest's own folder, whose files manifests may refer to; repeatable
    /// [default: none].
    #[arg(
        long,
        value_name = "DIR",
        env = "HOTSTAGE_ALLOW_PATH",
        value_delimiter = ':'
    )]
    allow_path: Vec<PathBuf>,
}

impl AllowPath {
    pub(super) fn allowed(&self) -> Allowed {
        Allowed::new(&self.allow_path)
    }
}

/// Flags of every verb that opens pipelines.
#[derive(Debug, clap::Args)]
pub(super) struct Bounds {
    #[command(flatten)]
    allow: AllowPath,
    #[command(flatten)]
    ceilings: Ceilings,
}

impl Bounds {
    /// Passes the bounds to the deployer.
    pub(super) fn set(&self, deployer: &mut Deployer) {
        deployer.allowed = self.allow.allowed();
        deployer.ceiling = self.ceilings.resolve();
    }
}
