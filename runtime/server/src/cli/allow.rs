//! What manifests may name and ask for: `--allow-path`, directories in which they may name files
//! beside their own folders (default: none), and the ceilings on their `limits`.

use std::path::PathBuf;

use super::ceilings::Ceilings;
use crate::control::deploy::Deployer;
use crate::files::Allowed;

/// Of every verb that reads manifests from a disk.
#[derive(Debug, clap::Args)]
pub(super) struct AllowPath {
    /// A directory in which manifests may name files, beside their own folder; may be given several
    /// times [default: none].
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

/// Of every verb that opens what they describe.
#[derive(Debug, clap::Args)]
pub(super) struct Bounds {
    #[command(flatten)]
    allow: AllowPath,
    #[command(flatten)]
    ceilings: Ceilings,
}

impl Bounds {
    /// Has the deployer keep to them.
    pub(super) fn set(&self, deployer: &mut Deployer) {
        deployer.allowed = self.allow.allowed();
        deployer.ceiling = self.ceilings.resolve();
    }
}
