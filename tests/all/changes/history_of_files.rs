//! `serve --watch` against a simple model: random edits, removals, invalid files, changes by other
//! means, and power cuts.
//!
//! The model predicts what is served after each step. The server must reach that state, and keep it
//! while it scans the folder once more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::harness::admin::{Admin, ask, times};
use crate::harness::eventually;
use crate::harness::server::{Server, Setup};
use crate::harness::state::{Folder, warm};

/// A version of `m`, or its route. Its content is a number: a factor, or the version that gets all
/// calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Version(u8),
    Route,
}

const KEYS: [Key; 4] = [
    Key::Version(1),
    Key::Version(2),
    Key::Version(3),
    Key::Route,
];

type Said = BTreeMap<Key, u8>;

#[derive(Clone, Debug, Default)]
struct Model {
    files: Said,
    /// Invalid files.
    bad: BTreeSet<Key>,
    base: Said,
    served: Said,
    /// Absent at the last start, and kept.
    orphans: BTreeSet<Key>,
}

impl Model {
    /// Whether this state can be served.
    fn fits(served: &Said) -> bool {
        served
            .get(&Key::Route)
            .is_none_or(|version| served.contains_key(&Key::Version(*version)))
    }

    fn start(&mut self, prune: bool) {
        self.orphans.clear();
        for key in KEYS {
            let is_gone = !self.files.contains_key(&key) && !self.bad.contains(&key);
            if is_gone
                && self.base.contains_key(&key)
                && self.base.get(&key) == self.served.get(&key)
                && !prune
            {
                self.orphans.insert(key);
            }
        }
    }

    /// Synchronises with the files until nothing changes any more.
    fn settle(&mut self) {
        while KEYS.iter().any(|key| self.follow(*key)) {}
    }

    /// Synchronises one document; returns whether anything changed.
    fn follow(&mut self, key: Key) -> bool {
        let [base, file, served] =
            [&self.base, &self.files, &self.served].map(|said| said.get(&key).copied());
        if self.bad.contains(&key) {
            return false;
        }
        if file.is_some() {
            self.orphans.remove(&key);
        }
        // The file did not change; or the served state changed, which alone is no reason to apply.
        let is_touched = file != base;
        let becomes_known = is_touched && file == served;
        let is_asked_for = is_touched && served == base && !self.orphans.contains(&key);
        if is_asked_for && !becomes_known {
            let mut after = self.served.clone();
            put(&mut after, key, file);
            if !Self::fits(&after) {
                return false;
            }
            self.served = after;
        }
        if becomes_known || is_asked_for {
            put(&mut self.base, key, file);
        }
        becomes_known || is_asked_for
    }
}

fn put(said: &mut Said, key: Key, value: Option<u8>) {
    match value {
        Some(value) => said.insert(key, value),
        None => said.remove(&key),
    };
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u8) -> u8 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u8::try_from((self.0 >> 33) % u64::from(end)).unwrap()
    }

    fn key(&mut self) -> Key {
        KEYS[usize::from(self.below(4))]
    }

    fn value(&mut self, key: Key) -> u8 {
        self.below(if key == Key::Route { 3 } else { 4 }) + 1
    }
}

fn manifest(key: Key, value: u8) -> Value {
    match key {
        Key::Version(version) => times("m", &version.to_string(), f64::from(value)),
        Key::Route => json!({
            "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": "m" },
            "spec": { "split": [{ "version": value.to_string() }] },
        }),
    }
}

/// A step in the folder.
fn edit(model: &mut Model, folder: &Folder, chance: &mut Chance) -> String {
    let key = chance.key();
    let (name, what) = (
        format!("{key:?}.yaml").replace(['(', ')'], ""),
        chance.below(8),
    );
    let value = chance.value(key);
    model.bad.remove(&key);
    match what {
        0 | 1 => {
            model.files.remove(&key);
            // It may not exist.
            let _ = std::fs::remove_file(folder.path().join(&name));
            format!("{key:?} is removed")
        }
        2 => {
            model.bad.insert(key);
            folder.write(&name, "kind: Pipelin");
            format!("{key:?} is nonsense")
        }
        _ => {
            model.files.insert(key, value);
            folder.write(&name, manifest(key, value).to_string());
            format!("{key:?} says {value}")
        }
    }
}

/// A change by other means than the folder.
fn by_hand(model: &mut Model, admin: &Admin, chance: &mut Chance) -> String {
    let key = chance.key();
    let value = Some(chance.value(key)).filter(|_| chance.below(3) > 0);
    let response = match (key, value) {
        (_, Some(value)) => admin.apply_with(&[manifest(key, value)], &json!({ "replace": true })),
        (Key::Route, None) => admin.delete("/v1/models/m/route"),
        (Key::Version(version), None) => admin.delete(&format!("/v1/models/m/versions/{version}")),
    };
    if response.status == 200 {
        put(&mut model.served, key, value);
    }
    format!("by hand {key:?} becomes {value:?}: {}", response.status)
}

fn served(server: &Server) -> Said {
    let mut said = Said::new();
    let mut connection = server.connect();
    for version in 1..=3 {
        if let Ok((factor, _)) = ask(
            &mut connection,
            &format!("/v2/models/m/versions/{version}/infer"),
        ) {
            let factor = (0..=9)
                .find(|value| (f64::from(*value) - factor).abs() < 1e-3)
                .unwrap();
            said.insert(Key::Version(version), factor);
        }
    }
    let model = Admin::of(server).ask(crate::harness::http::Request::get("/v1/models/m"));
    if model.status == 200
        && let Some(version) = model.json()["route"]["split"][0]["version"].as_str()
    {
        said.insert(Key::Route, version.parse().unwrap());
    }
    said
}

#[test]
fn the_server_serves_what_the_model_predicts() {
    let (folder, state) = (Folder::new(), warm());
    let seed = std::env::var("HOTSTAGE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(7);
    let steps = std::env::var("HOTSTAGE_STEPS")
        .ok()
        .and_then(|steps| steps.parse().ok())
        .unwrap_or(30_u32);
    let (mut chance, mut model, mut history) = (Chance(seed), Model::default(), Vec::new());
    let setup = |prune: bool| {
        let setup = Setup::files([folder.path().to_owned()])
            .state(state.path())
            .args("--watch");
        if prune { setup.args("--prune") } else { setup }
    };
    let mut server = setup(false).start();
    for step in 1..=steps {
        match chance.below(8) {
            0 => {
                server.kill();
                let (edits, prune) = (chance.below(4), chance.below(2) == 0);
                history.extend(
                    (0..edits).map(|_| format!("down: {}", edit(&mut model, &folder, &mut chance))),
                );
                history.push(format!("start, prune: {prune}"));
                model.start(prune);
                server = setup(prune).start();
            }
            1 | 2 => history.push(by_hand(&mut model, &Admin::of(&server), &mut chance)),
            _ => history.push(edit(&mut model, &folder, &mut chance)),
        }
        model.settle();
        let is_so = |server: &Server| served(server) == model.served;
        eventually(
            &format!("{:?} is served; seed {seed}: {history:#?}", model.served),
            || is_so(&server),
        );
        // A server that applies too much would have done so by now.
        let marker = step.to_string();
        folder.write("z.yaml", times("z", &marker, f64::from(step)).to_string());
        let path = format!("/v2/models/z/versions/{marker}/infer");
        eventually("the folder was gone through", || {
            ask(&mut server.connect(), &path).is_ok()
        });
        assert_eq!(served(&server), model.served, "seed {seed}: {history:#?}");
    }
}
