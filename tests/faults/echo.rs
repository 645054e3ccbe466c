//! Traffic to guests that echo a number, and that misbehave when it is 13; checks each answer.

use serde_json::json;

use super::effort::Chance;
use crate::harness::http::{Connection, Request};

/// The input that triggers a guest's fault.
const TOLD: f64 = 13.0;

/// Sends requests to one name, on a persistent connection; this many in a thousand make the guest
/// trap.
pub(crate) struct Asker {
    connection: Connection,
    path: String,
    traps: u64,
    chance: Chance,
    pub(crate) seen: Seen,
}

/// The result of the traffic.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) right: u64,
    /// Requests that made the guest trap, and were answered with 500.
    pub(crate) trapped: u64,
    pub(crate) wrong: Vec<String>,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.right += other.right;
        self.trapped += other.trapped;
        self.wrong.extend(other.wrong);
    }

    pub(crate) const fn answers(&self) -> u64 {
        self.right + self.trapped
    }

    /// Returns itself, after asserting that no answer was wrong.
    #[track_caller]
    pub(crate) fn faultless(self) -> Self {
        assert!(
            self.wrong.is_empty(),
            "{} of {}: {}",
            self.wrong.len(),
            self.answers(),
            self.wrong[0]
        );
        assert!(self.answers() > 0, "no request was sent");
        self
    }
}

impl Asker {
    pub(crate) fn open(connection: Connection, name: &str, traps: u64, seed: u64) -> Self {
        let path = format!("/v2/models/{name}/infer");
        Self {
            connection,
            path,
            traps,
            chance: Chance::new(seed),
            seen: Seen::default(),
        }
    }

    /// Sends one request and checks its answer.
    pub(crate) fn ask(&mut self) {
        let trigger = self.chance.below(1000) < self.traps;
        let number = if trigger {
            TOLD
        } else {
            f64::from(self.chance.byte(10))
        };
        let body = json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1], "data": [number] }] });
        let response = self
            .connection
            .ask(&Request::post(&self.path, body.to_string()));
        match response.status {
            500 if trigger && response.header("hotstage-failure") == Some("stage_trapped") => {
                self.seen.trapped += 1;
            }
            200 if !trigger && response.json()["outputs"][0]["data"][0] == number => {
                self.seen.right += 1;
            }
            _ => self.seen.wrong.push(format!(
                "asked for {number}: {} {}",
                response.status,
                response.text()
            )),
        }
    }
}
