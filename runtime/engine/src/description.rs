//! Checks a component's description of itself, whose texts reach people and terminals.
//!
//! A text that is too long, or that contains a character that would control a terminal, is refused
//! by name, never cut. Bounds: [`ABOUT_NAME_BYTES_MAX`] for its name and its version,
//! [`FAILURE_TEXT_BYTES_MAX`] for its summary, [`SCHEMA_BYTES_MAX`] for its schema; [`ACCEPTS_MAX`]
//! content types of [`ACCEPTS_BYTES_MAX`] bytes; those of
//! [`Signature::check`](hotstage_core::signature::Signature::check).

use hotstage_core::failure::Kind;
use hotstage_core::limits::{
    ABOUT_NAME_BYTES_MAX, ACCEPTS_BYTES_MAX, ACCEPTS_MAX, FAILURE_TEXT_BYTES_MAX, SCHEMA_BYTES_MAX,
};
use hotstage_core::printable::is_unprintable;

use crate::bindings::stages;
use crate::convert;
use crate::instance::{About, OpenAnswer, OpenError, Opened};
use crate::trap::cut;

/// Checks its description.
pub(crate) fn about(description: stages::Description) -> Result<About, OpenError> {
    let stages::Description {
        name,
        version,
        summary,
        settings_schema,
    } = description;
    let texts = [
        ("name", &name, ABOUT_NAME_BYTES_MAX, ""),
        ("version", &version, ABOUT_NAME_BYTES_MAX, ""),
        ("summary", &summary, FAILURE_TEXT_BYTES_MAX, ""),
        // JSON for people has several lines.
        (
            "settings-schema",
            &settings_schema,
            SCHEMA_BYTES_MAX,
            "\n\r\t",
        ),
    ];
    for (what, text, bytes_max, fine) in texts {
        check(text, bytes_max, fine)
            .map_err(|problem| failed(format!("has a {what} {problem}")))?;
    }
    Ok(About {
        name,
        version,
        summary,
        settings_schema,
    })
}

/// Checks its answer to `open`.
pub(crate) fn opened(answer: OpenAnswer) -> Result<Opened, OpenError> {
    let (signature, accepts) = answer.map_err(|error| match error {
        stages::OpenError::Settings(text) => OpenError::Settings(cut(text)),
        stages::OpenError::File(text) => OpenError::File(cut(text)),
        stages::OpenError::Internal(text) => OpenError::Failed {
            kind: Kind::StageFailed,
            message: "reported a defect of its own".into(),
            cause: Some(cut(text)),
        },
    })?;
    let signature = convert::signature(signature)
        .map_err(|problem| failed(format!("has a signature that makes no sense: {problem}")))?;
    if accepts.len() > ACCEPTS_MAX {
        return Err(failed(format!(
            "accepts {} content types; at most {ACCEPTS_MAX} are allowed",
            accepts.len()
        )));
    }
    for (index, content_type) in accepts.iter().enumerate() {
        check(content_type, ACCEPTS_BYTES_MAX, "").map_err(|problem| {
            failed(format!("accepts as content type {index} a text {problem}"))
        })?;
    }
    let accepts = accepts
        .into_iter()
        .map(|content_type| content_type.to_ascii_lowercase())
        .collect();
    Ok(Opened { signature, accepts })
}

fn failed(message: String) -> OpenError {
    OpenError::Failed {
        kind: Kind::StageFailed,
        message,
        cause: None,
    }
}

fn check(text: &str, bytes_max: usize, fine: &str) -> Result<(), String> {
    if text.len() > bytes_max {
        return Err(format!(
            "of {} bytes; at most {bytes_max} are allowed",
            text.len()
        ));
    }
    match text
        .chars()
        .find(|character| is_unprintable(*character) && !fine.contains(*character))
    {
        Some(character) => Err(format!(
            "with U+{:04X} in it, which would disturb a terminal",
            u32::from(character)
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> stages::Description {
        stages::Description {
            name: "n".repeat(ABOUT_NAME_BYTES_MAX),
            version: "1".into(),
            summary: "Grüße".into(),
            settings_schema: "{\r\n\t}".into(),
        }
    }

    #[track_caller]
    fn refused<T: std::fmt::Debug>(answer: Result<T, OpenError>, says: &str) {
        assert_eq!(answer.unwrap_err().to_string(), format!("it {says}"));
    }

    #[test]
    fn a_description_is_harmless_and_bounded() {
        about(description()).unwrap();
        let with = |change: fn(&mut stages::Description)| {
            let mut description = description();
            change(&mut description);
            about(description)
        };
        refused(
            with(|it| it.name.push('n')),
            "has a name of 256 bytes; at most 255 are allowed",
        );
        refused(
            with(|it| it.version.push('\u{202e}')),
            "has a version with U+202E in it, which would disturb a terminal",
        );
        refused(
            with(|it| it.summary.push('\n')),
            "has a summary with U+000A in it, which would disturb a terminal",
        );
        refused(
            with(|it| it.settings_schema = " ".repeat(SCHEMA_BYTES_MAX + 1)),
            "has a settings-schema of 1048577 bytes; at most 1048576 are allowed",
        );
        refused(
            with(|it| it.settings_schema.push('\u{1b}')),
            "has a settings-schema with U+001B in it, which would disturb a terminal",
        );
    }

    #[test]
    fn content_types_are_few_short_and_harmless() {
        let open = |accepts: Vec<String>| {
            opened(Ok((
                stages::Signature {
                    inputs: Vec::new(),
                    outputs: Vec::new(),
                },
                accepts,
            )))
        };
        let most = vec!["image/PNG".to_owned(); ACCEPTS_MAX];
        assert_eq!(open(most.clone()).unwrap().accepts[0], "image/png");
        refused(
            open([most, vec![String::new()]].concat()),
            "accepts 65 content types; at most 64 are allowed",
        );
        refused(
            open(vec!["a/b".into(), "x".repeat(256)]),
            "accepts as content type 1 a text of 256 bytes; at most 255 are allowed",
        );
        refused(
            open(vec!["a/\u{9b}b".into()]),
            "accepts as content type 0 a text with U+009B in it, which would disturb a terminal",
        );
    }

    #[test]
    fn its_own_words_are_one_harmless_line() {
        for error in [
            stages::OpenError::Settings("a\n\u{1b}[31mb".into()),
            stages::OpenError::File("a\n\u{1b}[31mb".into()),
            stages::OpenError::Internal("a\n\u{1b}[31mb".into()),
        ] {
            let text = opened(Err(error)).unwrap_err().to_string();
            assert!(text.contains("a\\n\\u001b[31mb"), "{text}");
        }
    }
}
