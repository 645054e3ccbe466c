//! `POST …/feedback`: rewards for answers of an experiment, one or many at once.
//!
//! The whole body is validated before any reward is counted. Each answer has one reward, the first;
//! a retry changes nothing and is reported as a duplicate. Bounds: [`REWARDS_MAX`] rewards and
//! [`BODY_BYTES_MAX`] bytes per request.

use std::sync::Arc;

use bytes::Bytes;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::limits::REQUEST_ID_BYTES_MAX;
use hotstage_core::suggest::{hint, shown};
use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{Body, encoding, respond};
use crate::frontends::app::App;
use crate::serving::experiments::{Id, Reward, Trial};
use crate::serving::registry::{DefaultTarget, Phase};
use crate::serving::router;
use crate::transport::body::{self, Bounds};

/// Maximum rewards per request.
const REWARDS_MAX: usize = 10_000;
/// Maximum bytes of a body.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Maximum unknown ids that an error lists.
const NAMED_MAX: usize = 3;
const KEYS: [&str; 2] = ["id", "reward"];

pub(super) async fn take(
    app: &App,
    model: &str,
    head: &Parts,
    body: &mut Incoming,
) -> Result<Response<Body>, Failure> {
    let trial = trial(app, model)?;
    let bounds = Bounds::of(&app.limits, &app.intake.bodies, head.version).at_most(BODY_BYTES_MAX);
    let mut body = body::read_whole(body, 0, &bounds).await?;
    if let Some(encoding) = encoding::of_request(&head.headers)? {
        let (share, bytes_max) = (bounds.share(), bounds.bytes_max);
        let decoding = async move { encoding::decode(&body, encoding, share, bytes_max).await };
        body = app.serving.compute.away_in_slices(decoding).await?;
    }
    let (ids, rewards) = read(&body)?;
    let taken = app.serving.experiments.take(&trial, rewards).await?;
    let unknown: Vec<&str> = taken
        .unknown
        .iter()
        .filter_map(|place| ids.get(*place))
        .map(String::as_str)
        .collect();
    if unknown.len() == ids.len() {
        return Err(unknown_answers(model, &unknown));
    }
    let counts = json!({
        "name": model, "counted": taken.counted, "duplicates": taken.duplicates, "unknown": unknown,
    });
    Ok(respond::json(counts.to_string()))
}

fn trial(app: &App, model: &str) -> Result<Arc<Trial>, Failure> {
    let snapshot = app.serving.registry.read();
    let found = router::find(&snapshot, model)?;
    let is_partial = found
        .routing()
        .is_some_and(|routing| !routing.out_of_service().is_empty());
    if matches!(found.default_target(), DefaultTarget::Closed)
        || is_partial
        || app.serving.registry.phase() == Phase::Starting
    {
        let message =
            format!("not all versions behind the route `{model}` are in service; try again later");
        return Err(Failure::new(Kind::NotReady, message));
    }
    found.routing().and_then(|routing| routing.trial()).map(Arc::clone).ok_or_else(|| {
        let message =
            format!("`{model}` has no experiment, so it takes no feedback; `experiment` in its route starts one");
        Failure::new(Kind::NotFound, message)
    })
}

fn unknown_answers(model: &str, unknown: &[&str]) -> Failure {
    let named: Vec<String> = unknown
        .iter()
        .take(NAMED_MAX)
        .map(|id| format!("`{}`", shown(id)))
        .collect();
    let more = unknown.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let message = format!(
        "the experiment on `{model}` has no answer {}{more}: the id of an answer is the request's `id`, else its \
         x-request-id; requests for one version, pinned requests, requests that a rule matched, and expired answers \
         are not part of it; nothing was counted",
        named.join(", ")
    );
    Failure::new(Kind::NotFound, message)
}

/// The ids in order, and the parsed rewards.
fn read(body: &Bytes) -> Result<(Vec<String>, Vec<Reward>), Failure> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        Failure::invalid(format!("the feedback isn't JSON: {error}; {EXAMPLE}"))
    })?;
    let (list, is_list) = match body {
        Value::Array(list) => (list, true),
        one => (vec![one], false),
    };
    if list.is_empty() {
        return Err(Failure::invalid(format!(
            "the feedback is an empty list; {EXAMPLE}"
        )));
    }
    if list.len() > REWARDS_MAX {
        let message = format!(
            "the feedback has {} rewards; at most {REWARDS_MAX} are taken at once",
            list.len()
        );
        return Err(Failure::invalid(message));
    }
    let (mut ids, mut rewards) = (
        Vec::with_capacity(list.len()),
        Vec::with_capacity(list.len()),
    );
    for (index, item) in list.iter().enumerate() {
        let place = if is_list {
            format!("feedback[{index}]")
        } else {
            "feedback".to_owned()
        };
        let (id, reward) = one(item)
            .map_err(|what| Failure::invalid(format!("{place}{what}; nothing was counted")))?;
        rewards.push(Reward {
            id: Id::of(id.as_bytes()),
            reward,
        });
        ids.push(id);
    }
    Ok((ids, rewards))
}

const EXAMPLE: &str = r#"expected {"id": "7", "reward": 1.0} or a list of these objects"#;

fn one(item: &Value) -> Result<(String, f64), String> {
    let Value::Object(fields) = item else {
        return Err(format!(" is not an object; {EXAMPLE}"));
    };
    if let Some(unknown) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!(
            ".{}: unknown key; {}",
            shown(unknown),
            hint(unknown, KEYS)
        ));
    }
    let id = match fields.get("id") {
        Some(Value::String(id)) if id.is_empty() => return Err(".id is empty".to_owned()),
        Some(Value::String(id)) if id.len() > REQUEST_ID_BYTES_MAX => {
            return Err(format!(
                ".id has {} bytes; at most {REQUEST_ID_BYTES_MAX} are allowed",
                id.len()
            ));
        }
        Some(Value::String(id)) => id.clone(),
        Some(_) => return Err(".id must be a string".to_owned()),
        None => return Err(".id is missing: the answer's".to_owned()),
    };
    match fields.get("reward") {
        Some(Value::Number(reward)) => match reward
            .as_f64()
            .filter(|reward| (0.0..=1.0).contains(reward))
        {
            Some(reward) => Ok((id, reward)),
            None => Err(format!(
                ".reward: a reward is a number from 0 to 1, not {reward}"
            )),
        },
        Some(_) => Err(".reward must be a number from 0 to 1".to_owned()),
        None => Err(".reward is missing: a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> String {
        read(&Bytes::copy_from_slice(body.as_bytes()))
            .unwrap_err()
            .message
    }

    #[test]
    fn one_or_many_are_read() {
        let (ids, rewards) = read(&Bytes::from_static(br#"{"id":"7","reward":1}"#)).unwrap();
        assert_eq!((ids, rewards[0].reward), (vec!["7".to_owned()], 1.0));
        let (ids, _) = read(&Bytes::from_static(
            br#"[{"id":"7","reward":0},{"id":"8","reward":0.5}]"#,
        ))
        .unwrap();
        assert_eq!(ids, ["7", "8"]);
    }

    #[test]
    fn what_is_wrong_is_named_before_anything_is_taken() {
        for (body, part) in [
            ("", "isn't JSON"),
            ("[]", "empty list"),
            ("7", "feedback is not an object"),
            (r#"{"id":"7"}"#, "feedback.reward is missing"),
            (r#"{"reward":1}"#, "feedback.id is missing"),
            (r#"{"id":7,"reward":1}"#, "feedback.id must be a string"),
            (r#"{"id":"","reward":1}"#, "feedback.id is empty"),
            (
                r#"{"id":"7","reward":1.5}"#,
                "a number from 0 to 1, not 1.5",
            ),
            (r#"{"id":"7","reward":-0.1}"#, "not -0.1"),
            (
                r#"{"id":"7","reward":"1"}"#,
                "feedback.reward must be a number",
            ),
            (
                r#"{"id":"7","reward":1,"rewrad":1}"#,
                "feedback.rewrad: unknown key; did you mean `reward`?",
            ),
            (
                r#"[{"id":"7","reward":1},{"id":"8","reward":2}]"#,
                "feedback[1].reward",
            ),
        ] {
            let message = message(body);
            assert!(message.contains(part), "{body}: {message}");
        }
        assert!(
            message(&format!(r#"{{"id":"{}","reward":1}}"#, "x".repeat(257))).contains("257 bytes")
        );
        let many = format!("[{}1]", "1,".repeat(REWARDS_MAX));
        assert!(message(&many).contains("10001 rewards"));
    }
}
