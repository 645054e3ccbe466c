//! References of a manifest: components, files, and the documents of golden tests.
//!
//! `sha256:` starts a digest. A path starts with `./`, `../` or `/`, or ends in `.wasm`; it is
//! relative to the manifest's folder, which the loader knows. Any other component reference is the
//! name of a bundled component, with or without a version.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use crate::digest::Digest;
use crate::limits::PATH_BYTES_MAX;
use crate::name::{ComponentName, Version};
use crate::suggest::shown;

/// Where a component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentRef {
    /// In a file.
    Path(String),
    /// In the blob store.
    Digest(Digest),
    /// A bundled component.
    Box {
        /// Its name.
        name: ComponentName,
        /// Its version, or the start of it; `None` is the newest.
        version: Option<Version>,
    },
}

/// Where a stage's file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRef {
    /// In a file.
    Path(String),
    /// In the blob store.
    Digest(Digest),
}

/// Where a golden test's request, or its answer, is.
#[derive(Clone, Debug, PartialEq)]
pub enum DocumentRef {
    /// In a file.
    Path(String),
    /// In the blob store.
    Digest(Digest),
    /// In the manifest itself; its bytes are [`canonical_text`](super::canonical_text).
    Inline(Value),
}

impl FromStr for ComponentRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_path = ["./", "../", "/"]
            .iter()
            .any(|start| text.starts_with(start))
            || text.ends_with(".wasm");
        if is_path || text.starts_with("sha256:") {
            return Ok(match text.parse()? {
                FileRef::Path(path) => Self::Path(path),
                FileRef::Digest(digest) => Self::Digest(digest),
            });
        }
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let explain = |error: &dyn fmt::Display| {
            format!(
                "`{}` is neither a path (`./scale.wasm`), nor a digest (`sha256:…`), nor a bundled component \
                 (`scale`, `scale@0.1`): {error}",
                shown(text)
            )
        };
        Ok(Self::Box {
            name: name.parse().map_err(|error| explain(&error))?,
            version: version
                .map(str::parse)
                .transpose()
                .map_err(|error| explain(&error))?,
        })
    }
}

impl FromStr for FileRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("sha256:") {
            return text.parse().map(Self::Digest).map_err(|_| {
                format!(
                    "`{}` is not a valid digest; one is `sha256:` and 64 hexadecimal digits in lower case",
                    shown(text)
                )
            });
        }
        if text.chars().any(char::is_control) {
            return Err(format!(
                "the path `{}` has a control character",
                shown(text)
            ));
        }
        if text.len() > PATH_BYTES_MAX {
            return Err(format!(
                "the path has {} bytes; at most {PATH_BYTES_MAX} are allowed",
                text.len()
            ));
        }
        Ok(Self::Path(text.to_owned()))
    }
}

impl fmt::Display for ComponentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Digest(digest) => digest.fmt(f),
            Self::Box {
                name,
                version: None,
            } => name.fmt(f),
            Self::Box {
                name,
                version: Some(version),
            } => write!(f, "{name}@{version}"),
        }
    }
}

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> String {
        match text.parse() {
            Ok(ComponentRef::Path(path)) => format!("path {path}"),
            Ok(ComponentRef::Digest(digest)) => format!("digest {digest}"),
            Ok(ComponentRef::Box { name, version }) => format!("box {name} {version:?}"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_component_is_a_path_a_digest_or_a_name() {
        let empty = format!("sha256:{}", Digest::of(b"").hex());
        for (text, expect) in [
            ("./scale.wasm", "path ./scale.wasm".to_owned()),
            ("../a/b", "path ../a/b".to_owned()),
            ("/opt/x", "path /opt/x".to_owned()),
            ("scale.wasm", "path scale.wasm".to_owned()),
            ("scale", "box scale None".to_owned()),
            ("scale@0.1", "box scale Some(\"0.1\")".to_owned()),
            (&empty, format!("digest {empty}")),
            (
                "sha256:12",
                "`sha256:12` is not a valid digest; one is `sha256:` and 64 hexadecimal digits in lower case".to_owned(),
            ),
            ("./a\u{0}b", "the path `./a\\0b` has a control character".to_owned()),
            (
                "plugins/scale",
                "`plugins/scale` is neither a path (`./scale.wasm`), nor a digest (`sha256:…`), nor a bundled component \
                 (`scale`, `scale@0.1`): `plugins/scale` is not a valid component name: it has a `/`; one is 1 to 128 of A-Z, \
                 a-z, 0-9, `.`, `_` and `-`, and starts with a letter or a digit"
                    .to_owned(),
            ),
            (
                "scale@",
                "`scale@` is neither a path (`./scale.wasm`), nor a digest (`sha256:…`), nor a bundled component \
                 (`scale`, `scale@0.1`): `` is not a valid version: it is empty; one is 1 to 128 of A-Z, a-z, 0-9, `.`, `_` \
                 and `-`, and starts with a letter or a digit"
                    .to_owned(),
            ),
        ] {
            assert_eq!(kind(text), expect, "{text}");
        }
    }

    #[test]
    fn what_is_shown_is_read() {
        for text in ["./scale.wasm", "scale", "scale@0.1"] {
            assert_eq!(text.parse::<ComponentRef>().unwrap().to_string(), text);
        }
    }
}
