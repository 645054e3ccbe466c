//! Parses a stage's settings into the author's struct, and derives their JSON Schema.
//!
//! An error names the key path, the expected type and the value found:
//! `settings.std[3]: expected f64, found string "x"`.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::error::OpenError;

/// For a stage without settings. Any key is refused.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Parses the settings.
pub(crate) fn parse<S: DeserializeOwned>(text: &str) -> Result<S, OpenError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let settings = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| OpenError::Settings(explain(error.path(), &error.inner().to_string())))?;
    reader
        .end()
        .map_err(|error| OpenError::Settings(format!("settings: {error}")))?;
    Ok(settings)
}

/// The JSON Schema (draft 2020-12) of the settings.
pub(crate) fn schema<S: JsonSchema>() -> String {
    SchemaGenerator::default()
        .into_root_schema_for::<S>()
        .as_value()
        .to_string()
}

fn explain(path: &Path, message: &str) -> String {
    let mut place = "settings".to_owned();
    for segment in path {
        match segment {
            Segment::Map { key } => place = format!("{place}.{key}"),
            Segment::Enum { variant } => place = format!("{place}.{variant}"),
            Segment::Seq { index } => place = format!("{place}[{index}]"),
            Segment::Unknown => {}
        }
    }
    // The host generates the JSON text, so line and column mean nothing to the user.
    let message = message
        .rsplit_once(" at line ")
        .map_or(message, |(message, _)| message);
    for prefix in ["invalid type: ", "invalid value: "] {
        if let Some((found, expected)) = message
            .strip_prefix(prefix)
            .and_then(|rest| rest.rsplit_once(", expected "))
        {
            return format!("{place}: expected {expected}, found {found}");
        }
    }
    format!("{place}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        /// One for each column.
        #[expect(dead_code, reason = "the tests only check its key path in errors")]
        std: Vec<f64>,
    }

    fn refusal(text: &str) -> String {
        parse::<Settings>(text).unwrap_err().to_string()
    }

    #[test]
    fn an_error_says_the_key_path() {
        assert_eq!(
            refusal(r#"{"std": [1, 2, 3, "x"]}"#),
            r#"settings.std[3]: expected f64, found string "x""#
        );
        assert_eq!(
            refusal(r#"{"sdt": []}"#),
            "settings.sdt: unknown field `sdt`, expected `std`"
        );
        assert_eq!(refusal("{}"), "settings: missing field `std`");
    }

    #[test]
    fn no_settings_take_none() {
        parse::<NoSettings>("{}").unwrap();
        parse::<NoSettings>(r#"{"a": 1}"#).unwrap_err();
    }

    #[test]
    fn the_schema_names_its_draft() {
        let schema = schema::<Settings>();
        assert!(
            schema.contains("https://json-schema.org/draft/2020-12/schema"),
            "{schema}"
        );
        assert!(schema.contains("One for each column."), "{schema}");
    }
}
