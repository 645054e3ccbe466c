//! From manifests on disk to pipelines, and the errors for manifests that can't be served.

use std::os::unix::fs::symlink;

use crate::harness::guest;
use crate::harness::state::Folder;

mod accepted;
mod ceilings;
mod confined;
mod refused;
mod served;

/// The beginning of every manifest of these tests, up to its stages.
pub(crate) const HEAD: &str = "apiVersion: hotstage.dev/v1\nkind: Pipeline\nmetadata: { name: p, version: \"1\" }\nspec:\n  stages:\n";

/// A valid stage.
pub(crate) const ECHO: &str = "    - { name: echo, role: model, component: ./echo.wasm }\n";

/// A folder with these guests under their own names.
pub(crate) fn with_guests(names: &[&str]) -> Folder {
    let folder = Folder::new();
    for name in names {
        symlink(guest(name), folder.path().join(format!("{name}.wasm"))).unwrap();
    }
    folder
}
