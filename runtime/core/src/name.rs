//! Names that people choose: of models, versions, stages, bundled components, and a stage's files.
//!
//! A name is 1 to [`NAME_BYTES_MAX`] of the letters `A` to `Z` and `a` to `z`, the digits, `.`, `_`
//! and `-`, and starts with a letter or a digit. So it can stand in a URL's path, a header, a
//! metric's label and a file's name as it is, and is never `..`. Each kind has a type of its own,
//! so a name is checked once and a stage's can't be passed where a model's belongs.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::NAME_BYTES_MAX;
use crate::suggest::shown;

/// Text that is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a valid {what}: {why}; one is 1 to {NAME_BYTES_MAX} of A-Z, a-z, 0-9, `.`, `_` and `-`, \
     and starts with a letter or a digit",
    shown(.text)
)]
pub struct NotAName {
    what: &'static str,
    text: String,
    why: String,
}

fn check(what: &'static str, text: &str) -> Result<(), NotAName> {
    let allowed =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    let why = if text.is_empty() {
        "it is empty".to_owned()
    } else if text.len() > NAME_BYTES_MAX {
        format!("it has {} bytes", text.len())
    } else if let Some(character) = text.chars().find(|character| !allowed(*character)) {
        format!("it has a `{}`", character.escape_debug())
    } else if !text.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        format!("it starts with `{}`", &text[..1])
    } else {
        return Ok(());
    };
    // Messages cut the text anyway, so it need not carry megabytes.
    Err(NotAName {
        what,
        text: text.chars().take(2 * NAME_BYTES_MAX).collect(),
        why,
    })
}

macro_rules! name {
    ($(#[$meta:meta])* $type:ident, $what:literal) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NotAName;

            fn from_str(text: &str) -> Result<Self, NotAName> {
                check($what, text).map(|()| Self(text.into()))
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

name!(
    /// The name that clients use: `tumor` in `/v2/models/tumor`. All versions of a pipeline share
    /// it.
    ModelName,
    "model name"
);
name!(
    /// The label that a person gave to one pipeline, or the version of a bundled component.
    Version,
    "version"
);
name!(
    /// A stage, within its pipeline.
    StageName,
    "stage name"
);
name!(
    /// A node, within its graph.
    NodeName,
    "node name"
);
name!(
    /// A bundled component: `scale`.
    ComponentName,
    "component name"
);
name!(
    /// The name by which a stage opens one of its files: `weights`.
    FileName,
    "file name"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_are_taken() {
        for text in [
            "a",
            "7",
            "tumor",
            "Tumor_2.1-rc",
            "a..b",
            &"n".repeat(NAME_BYTES_MAX),
        ] {
            assert_eq!(
                text.parse::<ModelName>().map(|name| name.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn names_that_are_refused() {
        const RULE: &str = "one is 1 to 128 of A-Z, a-z, 0-9, `.`, `_` and `-`, and starts with a letter or a digit";
        for (text, why) in [
            ("", "`` is not a valid model name: it is empty"),
            (
                "tumor/../x",
                "`tumor/../x` is not a valid model name: it has a `/`",
            ),
            ("..", "`..` is not a valid model name: it starts with `.`"),
            ("-v", "`-v` is not a valid model name: it starts with `-`"),
            ("é", "`é` is not a valid model name: it has a `é`"),
            ("a\nb", "`a\\nb` is not a valid model name: it has a `\\n`"),
        ] {
            assert_eq!(
                text.parse::<ModelName>().unwrap_err().to_string(),
                format!("{why}; {RULE}")
            );
        }
        let long = "n"
            .repeat(1 << 20)
            .parse::<Version>()
            .unwrap_err()
            .to_string();
        assert!(
            long.contains("is not a valid version: it has 1048576 bytes"),
            "{long}"
        );
        assert!(long.len() < 400);
    }

    proptest! {
        #[test]
        fn a_name_never_escapes_its_folder(text in ".*") {
            if text.parse::<StageName>().is_ok() {
                prop_assert!(!text.contains(['/', '\\', '%', '?', '#', ' ']) && text != ".." && text != ".");
            }
        }
    }
}
