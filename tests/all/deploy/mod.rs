//! From manifests on disk to pipelines that could serve, and everything that a person reads when
//! they can't.

use std::os::unix::fs::symlink;

use crate::harness::guest;
use crate::harness::state::Folder;

mod accepted;
mod ceilings;
mod confined;
mod refused;
mod served;

/// What every manifest of these tests begins with, as far as its stages.
pub(crate) const HEAD: &str = "apiVersion: hotstage.dev/v1\nkind: Pipeline\nmetadata: { name: p, version: \"1\" }\nspec:\n  stages:\n";

/// A stage that is nothing but right.
pub(crate) const ECHO: &str = "    - { name: echo, role: model, component: ./echo.wasm }\n";

/// A folder in which these guests lie under their own names.
pub(crate) fn with_guests(names: &[&str]) -> Folder {
    let folder = Folder::new();
    for name in names {
        symlink(guest(name), folder.path().join(format!("{name}.wasm"))).unwrap();
    }
    folder
}
