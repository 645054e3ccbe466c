//! Changes under traffic: a swap every second, and one rollout after another.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::pipelines::{doubles, wrong};
use super::{Soak, model, version};

/// Versions of `m` that are kept; older ones are deleted.
const KEPT: usize = 3;

/// The next version.
pub(super) struct Changes {
    number: u64,
}

impl Changes {
    pub(super) const fn new(number: u64) -> Self {
        Self { number }
    }

    /// Applies a new version of `m` every second; every tenth has a failing golden test.
    pub(super) fn swap(&mut self, soak: &Soak) {
        while soak.goes_on(Duration::from_secs(1)) {
            let number = self.number;
            self.number += 1;
            if number.is_multiple_of(10) {
                assert_eq!(
                    soak.admin.apply(&[wrong("m", 1_000_000 + number)]).status,
                    422
                );
                soak.tally
                    .add("versions refused, as their golden test fails");
                continue;
            }
            soak.admin.apply(&[doubles("m", number)]).ok();
            soak.tally.add("versions swapped");
            delete_old(soak, "m", KEPT);
        }
    }
}

fn delete_old(soak: &Soak, name: &str, kept: usize) {
    let model = soak.admin.get(&format!("/v1/models/{name}"));
    let ready = model["versions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|version| version["condition"] == "ready");
    let ready: Vec<&str> = ready
        .map(|version| version["version"].as_str().unwrap())
        .collect();
    for version in ready.iter().take(ready.len().saturating_sub(kept)) {
        let deleted = soak
            .admin
            .delete(&format!("/v1/models/{name}/versions/{version}"));
        // A version that a route names is kept.
        assert!(
            matches!(deleted.status, 200 | 409),
            "{} {}",
            deleted.status,
            deleted.text()
        );
    }
}

/// Rolls `r` out to another version, repeatedly; promotes a slow rollout by command.
pub(super) fn roll(soak: &Soak) {
    while soak.goes_on(Duration::from_millis(500)) {
        let from = current(soak);
        let to = (from + 1).to_string();
        soak.admin.apply(&[version("r", &to, [model("echo")])]).ok();
        let guards = json!([{ "errors": 0.5, "min_samples": 20, "window": "1m" }]);
        let spec = json!({ "to": to, "percent": 50, "bake": "1s", "guards": guards });
        let document = json!({
            "apiVersion": "hotstage.dev/v1", "kind": "Rollout", "metadata": { "name": "r" }, "spec": spec,
        });
        soak.admin
            .post("/v1/rollouts", &json!({ "document": document.to_string() }))
            .ok();
        let mut phase = Value::from("running");
        for _ in 0..30 {
            if !soak.goes_on(Duration::from_millis(100)) || phase != "running" {
                break;
            }
            phase = soak.admin.get("/v1/models/r/rollout")["phase"].clone();
        }
        if phase == "running" {
            // It may have ended just now.
            let steered = soak
                .admin
                .post("/v1/models/r/rollout", &json!({ "order": "promote" }));
            assert!(
                matches!(steered.status, 200 | 404 | 409),
                "{} {}",
                steered.status,
                steered.text()
            );
            phase = soak.admin.get("/v1/models/r/rollout")["phase"].clone();
        }
        assert_eq!(phase, "promoted");
        soak.tally.add("rollouts promoted");
        delete_old(soak, "r", 2);
    }
}

/// The newest version of `r`.
fn current(soak: &Soak) -> u64 {
    let model = soak.admin.get("/v1/models/r");
    let numbers = model["versions"].as_array().unwrap().iter();
    numbers
        .filter_map(|version| version["version"].as_str()?.parse().ok())
        .max()
        .unwrap()
}
