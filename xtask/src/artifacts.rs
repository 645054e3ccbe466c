//! Component files: finds those that a build made, and copies them to the components directory.
//!
//! File names are read from cargo's JSON messages, so a stale file is never taken for a new one.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::run::{OrStop, Outcome, Stop, cargo, shown};
use crate::workspace::{WASM, Workspace};

/// One built component.
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// Whether it differs from the previous file.
    pub(crate) changed: bool,
}

/// Builds the packages of `selection` (cargo arguments) for [`WASM`], and copies each component
/// into `into`.
pub(crate) fn build(
    workspace: &Workspace,
    selection: &[&str],
    into: &Path,
) -> Outcome<Vec<Component>> {
    let mut command = cargo();
    command.current_dir(&workspace.root).args([
        "build",
        "--profile",
        "component",
        "--target",
        WASM,
    ]);
    command
        .args(["--message-format", "json-render-diagnostics"])
        .args(selection);
    let shown = shown(&command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .or_stop(|| format!("can't start `{shown}`"))?;
    let messages = child
        .stdout
        .take()
        .map(BufReader::new)
        .into_iter()
        .flat_map(BufRead::lines);
    let made: Vec<(String, PathBuf)> = messages
        .map_while(Result::ok)
        .filter_map(|line| made(&line))
        .collect();
    let status = child.wait().or_stop(|| format!("lost `{shown}`"))?;
    if !status.success() {
        return Err(Stop::new(format!(
            "`{shown}` failed ({status}); its message is above"
        )));
    }
    fs::create_dir_all(into).or_stop(|| format!("can't make {}", into.display()))?;
    let mut components = Vec::new();
    for (name, from) in made {
        components.push(publish(name, &from, into)?);
    }
    components.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(components)
}

/// The name and file of a component, if this message of cargo's is about one.
///
/// A plugin is named after its directory (`plugins/scale`), a guest program after its example.
fn made(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let files = message["filenames"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str);
    let file = PathBuf::from(files.into_iter().find(|name| name.ends_with(".wasm"))?);
    let is_example = message["target"]["kind"]
        .as_array()?
        .iter()
        .any(|kind| kind == "example");
    let name = if is_example {
        message["target"]["name"].as_str()?.to_owned()
    } else {
        Path::new(message["manifest_path"].as_str()?)
            .parent()?
            .file_name()?
            .to_str()?
            .to_owned()
    };
    Some((name, file))
}

/// Copies a component atomically, and only if it differs. A server that watches the directory never
/// sees half a file or a change without a difference.
fn publish(name: String, from: &Path, into: &Path) -> Outcome<Component> {
    let bytes = fs::read(from).or_stop(|| format!("can't read {}", from.display()))?;
    let path = into.join(format!("{name}.wasm"));
    let changed = fs::read(&path).map_or(true, |old| old != bytes);
    if changed {
        let part = into.join(format!(".{name}.{}", std::process::id()));
        fs::write(&part, &bytes)
            .and_then(|()| fs::rename(&part, &path))
            .or_stop(|| format!("can't write {}", path.display()))?;
    }
    Ok(Component {
        name,
        path,
        bytes: bytes.len() as u64,
        changed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_named_by_directory_and_guests_by_example() {
        let plugin = r#"{"reason": "compiler-artifact", "manifest_path": "/w/plugins/scale/Cargo.toml",
            "target": {"kind": ["cdylib"], "name": "hotstage_plugin_scale"},
            "filenames": ["/t/libx.rlib", "/t/hotstage_plugin_scale.wasm"]}"#;
        assert_eq!(
            made(plugin),
            Some((
                "scale".to_owned(),
                PathBuf::from("/t/hotstage_plugin_scale.wasm")
            ))
        );
        let guest = r#"{"reason": "compiler-artifact", "manifest_path": "/w/tests/guests/Cargo.toml",
            "target": {"kind": ["example"], "name": "traps_on_nan"}, "filenames": ["/t/examples/traps_on_nan.wasm"]}"#;
        assert_eq!(
            made(guest),
            Some((
                "traps_on_nan".to_owned(),
                PathBuf::from("/t/examples/traps_on_nan.wasm")
            ))
        );
    }

    #[test]
    fn other_messages_and_libraries_are_no_components() {
        assert_eq!(
            made(r#"{"reason": "build-finished", "success": true}"#),
            None
        );
        assert_eq!(
            made(
                r#"{"reason": "compiler-artifact", "manifest_path": "/w/sdk/rust/Cargo.toml",
                    "target": {"kind": ["lib"], "name": "hotstage_sdk"}, "filenames": ["/t/libhotstage_sdk.rlib"]}"#
            ),
            None
        );
        assert_eq!(made("not json"), None);
    }

    #[test]
    fn the_same_bytes_are_not_written_twice() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("made");
        fs::write(&from, b"one").unwrap();
        let into = place.path();
        assert!(publish("c".to_owned(), &from, into).unwrap().changed);
        assert!(!publish("c".to_owned(), &from, into).unwrap().changed);
        fs::write(&from, b"two").unwrap();
        assert!(publish("c".to_owned(), &from, into).unwrap().changed);
        assert_eq!(fs::read(into.join("c.wasm")).unwrap(), b"two");
    }
}
