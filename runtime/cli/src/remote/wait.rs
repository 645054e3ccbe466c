//! `hotstage wait`: waits until a version is ready, or the timeout expires.
//!
//! It also waits for a server that is not reachable yet. An error that does not go away, such as a
//! wrong token or a version that can't be opened, ends it at once. Default bound: `--timeout`, 30
//! s.

use std::time::{Duration, Instant};

use super::client::{Client, ClientError};
use super::duration::duration;
use super::{CliError, Exit, Output, Remote, console, describe, get};
use hotstage_client::{Condition, ModelInfo, VersionInfo};

/// Interval between two requests.
const PAUSE: Duration = Duration::from_millis(200);
/// Digits of a digest that must be given, and its full length.
const DIGITS_MIN: usize = 8;
const DIGITS_MAX: usize = 64;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the pipeline, graph or route.
    name: String,
    /// A version or a label [default: the version that answers by default].
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Wait for a version with this digest; its first 8 digits suffice, with or without `sha256:`.
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    digest: Option<String>,
    /// Maximum time to wait.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    remote: Remote,
}

fn digest(text: &str) -> Result<String, String> {
    let digits = text.trim_end_matches('…');
    let digits = digits.strip_prefix("sha256:").unwrap_or(digits);
    let is_hex = digits
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex && (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) {
        return Ok(format!("sha256:{digits}"));
    }
    Err("a digest is 64 hexadecimal digits in lower case, or at least the first 8 of them; `sha256:` may stand before \
         them"
        .to_owned())
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let end = Instant::now() + args.timeout;
    let mut client = None;
    loop {
        let ending = match ask(args, &mut client).await? {
            Seen::Ready(model) => {
                print_ready(args, &model);
                return Ok(());
            }
            Seen::Not(ending) => ending,
            Seen::Never(ending) => return Err(ending),
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let message = format!("gave up after {:?}: {}", args.timeout, ending.message);
            return Err(CliError { message, ..ending });
        }
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}

/// The result of one request.
enum Seen {
    Ready(Box<ModelInfo>),
    /// Not ready, with the error to report on a timeout.
    Not(CliError),
    /// An error that waiting does not resolve.
    Never(CliError),
}

async fn ask(args: &Args, client: &mut Option<Client>) -> Result<Seen, CliError> {
    let known = match client {
        Some(client) => client,
        None => match args.remote.client() {
            Ok(new) => client.insert(new),
            Err(ending) if ending.exit == Exit::Unreachable => return Ok(Seen::Not(ending)),
            Err(ending) => return Err(ending),
        },
    };
    match describe::model(known, &args.name).await {
        Ok(model) => {
            let model = served(model);
            match what_is_missing(&model, args.version.as_deref(), args.digest.as_deref()) {
                Missing::Nothing => Ok(Seen::Ready(Box::new(model))),
                Missing::Yet(message) => Ok(Seen::Not(CliError::new(Exit::Failed, message))),
                Missing::ForGood(message) => Ok(Seen::Never(CliError::new(Exit::Failed, message))),
            }
        }
        Err(trouble) => {
            let is_away = matches!(trouble, ClientError::Away(_));
            let may_come = trouble.passes() || trouble.is_not_found();
            if is_away {
                // A restarted server has another port.
                *client = None;
            }
            if may_come {
                Ok(Seen::Not(trouble.into()))
            } else {
                Err(trouble.into())
            }
        }
    }
}

/// What the version still lacks.
#[derive(Debug, PartialEq, Eq)]
enum Missing {
    Nothing,
    Yet(String),
    ForGood(String),
}

/// The model without the versions that are out of service, which can't become ready.
fn served(mut model: ModelInfo) -> ModelInfo {
    model
        .versions
        .retain(|about| !matches!(about.condition, Condition::Kept | Condition::Draining));
    model
}

fn what_is_missing(model: &ModelInfo, word: Option<&str>, digest: Option<&str>) -> Missing {
    let name = &model.name;
    let has_digest =
        |about: &VersionInfo| digest.is_none_or(|digest| about.digest.starts_with(digest));
    let version = match (word, digest) {
        (None, Some(digest)) => match model.versions.iter().find(|about| has_digest(about)) {
            Some(about) => about.version.as_str(),
            None => return Missing::Yet(format!("no version of {name} has the digest {digest}")),
        },
        _ => match describe::version(model, word) {
            Ok(version) => version,
            Err(message) => return Missing::Yet(message),
        },
    };
    match model.versions.iter().find(|about| about.version == version) {
        None => Missing::Yet(format!("{name}/{version} is not served")),
        Some(about) if !has_digest(about) => {
            Missing::Yet(format!("{name}/{version} has the digest {}", about.digest))
        }
        Some(about) if about.condition == Condition::Failed => {
            let why = about.why.as_deref().unwrap_or_default();
            Missing::ForGood(format!("{name}/{version} can't be opened: {why}"))
        }
        Some(about) if about.condition != Condition::Ready => Missing::Yet(format!(
            "{name}/{version} is {}",
            get::condition(about.condition)
        )),
        Some(_) => Missing::Nothing,
    }
}

fn print_ready(args: &Args, model: &ModelInfo) {
    match args.remote.output {
        Output::Json => console::print(&serde_json::to_string(model).unwrap_or_default()),
        Output::Table => console::print(&format!("{} is ready", args.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_ready_when_it_answers_with_the_right_digest() {
        let about = |version: &str, condition, digit: &str| VersionInfo {
            version: version.to_owned(),
            condition,
            digest: format!("sha256:{}", digit.repeat(64)),
            ..VersionInfo::default()
        };
        let failed = VersionInfo {
            why: Some("damaged".to_owned()),
            ..about("4", Condition::Failed, "d")
        };
        let versions = vec![
            about("1", Condition::Ready, "a"),
            about("2", Condition::Loading, "b"),
            about("0", Condition::Kept, "e"),
            failed,
        ];
        let answers = Some("1".to_owned());
        let model = served(ModelInfo {
            name: "tumor".to_owned(),
            answers,
            versions,
            ..ModelInfo::default()
        });
        let yet = |text: &str| Missing::Yet(text.to_owned());
        for (word, digest, expect) in [
            (None, None, Missing::Nothing),
            (Some("1"), Some("sha256:aaaaaaaa"), Missing::Nothing),
            (None, Some("sha256:aaaaaaaa"), Missing::Nothing),
            (Some("2"), None, yet("tumor/2 is loading")),
            (
                Some("3"),
                None,
                yet("tumor has no version or label `3`; it has: 1, 2, 4"),
            ),
            (
                Some("4"),
                None,
                Missing::ForGood("tumor/4 can't be opened: damaged".to_owned()),
            ),
            (None, Some("sha256:bbbbbbbb"), yet("tumor/2 is loading")),
            (
                None,
                Some("sha256:cccccccc"),
                yet("no version of tumor has the digest sha256:cccccccc"),
            ),
        ] {
            assert_eq!(
                what_is_missing(&model, word, digest),
                expect,
                "{word:?} {digest:?}"
            );
        }
        let other = what_is_missing(&model, Some("1"), Some("sha256:bbbbbbbb"));
        assert!(matches!(other, Missing::Yet(text) if text.contains("has the digest")));
    }

    #[test]
    fn a_digest_may_be_short_but_not_too_short() {
        assert_eq!(
            digest("sha256:12ab34cd5678…").unwrap(),
            "sha256:12ab34cd5678"
        );
        assert_eq!(digest("12ab34cd").unwrap(), "sha256:12ab34cd");
        assert_eq!(digest(&"0a".repeat(32)).unwrap().len(), 71);
        for text in [
            "",
            "12ab34c",
            "sha256:12",
            "sha256:12AB34CD",
            "sha512:12ab34cd",
            &"0a".repeat(33),
        ] {
            assert!(digest(text).is_err(), "{text}");
        }
    }
}
