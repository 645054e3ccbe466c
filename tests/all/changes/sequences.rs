//! Random sequences of changes and rollbacks must lead to the state that a simple model predicts.
//! The sequences are the same on every machine.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::admin::{Admin, times};
use crate::harness::server::Setup;
use crate::harness::state::warm;

const NAMES: [&str; 3] = ["a", "b", "c"];
const STEPS: usize = 60;

/// The expected state of a name.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sheet {
    /// Each version with its factor.
    versions: BTreeMap<String, u8>,
    stable: Option<String>,
    /// The only version of the route's split.
    route: Option<String>,
}

type Paper = BTreeMap<&'static str, Sheet>;

/// The model's journal: the state after each revision, and the names that it changed.
struct Record(Vec<(Paper, Vec<&'static str>)>);

impl Record {
    fn now(&self) -> &Paper {
        &self.0.last().unwrap().0
    }

    fn head(&self) -> usize {
        self.0.len() - 1
    }
}

/// Deterministic pseudo-random numbers (Knuth's LCG).
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// The state after a request and the names that it changes; `None` if it must be refused.
type Expected = Option<(Paper, Vec<&'static str>)>;

/// A request and its expected result.
fn step(draw: &mut Draw, record: &Record) -> (Value, Expected) {
    let name = NAMES[draw.below(3)];
    let version = (draw.below(3) + 1).to_string();
    let change = Change {
        record,
        name,
        sheet: record.now().get(name).cloned().unwrap_or_default(),
        version,
    };
    match draw.below(10) {
        0..=2 => change.apply(u8::try_from(draw.below(4) + 1).unwrap()),
        3 => change.delete_version(),
        4 => change.label(),
        5 => change.route(),
        6 => change.delete_name(),
        7 | 8 => change.roll_back(draw),
        _ => roll_all_back(draw, record),
    }
}

/// A change of one name, and of one of its versions.
struct Change<'a> {
    record: &'a Record,
    name: &'static str,
    /// The name's state before the change.
    sheet: Sheet,
    version: String,
}

impl Change<'_> {
    /// The whole state with this name's state replaced.
    fn paper(&self, change: impl FnOnce(&mut Sheet)) -> (Paper, Vec<&'static str>) {
        let mut paper = self.record.now().clone();
        change(paper.entry(self.name).or_default());
        (paper, vec![self.name])
    }

    /// The whole state without the name.
    fn without(&self) -> (Paper, Vec<&'static str>) {
        let mut paper = self.record.now().clone();
        paper.remove(self.name);
        (paper, vec![self.name])
    }

    fn is_served(&self) -> bool {
        self.sheet.versions.contains_key(&self.version)
    }

    fn apply(&self, factor: u8) -> (Value, Expected) {
        let paper = self.paper(|sheet| {
            sheet.versions.insert(self.version.clone(), factor);
        });
        let request = json!({ "apply": [times(self.name, &self.version, factor.into())] });
        (request, Some(paper))
    }

    fn delete_version(&self) -> (Value, Expected) {
        let Self {
            name,
            sheet,
            version,
            ..
        } = self;
        let is_named = [&sheet.stable, &sheet.route]
            .iter()
            .any(|named| named.as_ref() == Some(version));
        let is_last = sheet.versions.keys().all(|served| served == version);
        let paper = if is_last {
            self.without()
        } else {
            self.paper(|sheet| _ = sheet.versions.remove(version))
        };
        let path = format!("/v1/models/{name}/versions/{version}");
        let fits = self.is_served() && !is_named;
        (json!({ "delete": path }), fits.then_some(paper))
    }

    fn label(&self) -> (Value, Expected) {
        let paper = self.paper(|sheet| sheet.stable = Some(self.version.clone()));
        let request = json!({ "label": [self.name, self.version] });
        (request, self.is_served().then_some(paper))
    }

    fn route(&self) -> (Value, Expected) {
        let paper = self.paper(|sheet| sheet.route = Some(self.version.clone()));
        let route = json!({
            "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": self.name },
            "spec": { "split": [{ "version": self.version }] },
        });
        (
            json!({ "apply": [route] }),
            self.is_served().then_some(paper),
        )
    }

    fn delete_name(&self) -> (Value, Expected) {
        let path = format!("/v1/models/{}", self.name);
        let fits = !self.sheet.versions.is_empty();
        (json!({ "delete": path }), fits.then(|| self.without()))
    }

    /// Rolls the name back, before its last change or to a revision.
    fn roll_back(&self, draw: &mut Draw) -> (Value, Expected) {
        let name = self.name;
        let past = &self.record.0;
        let last = past
            .iter()
            .rposition(|(_, touched)| touched.contains(&name));
        let to = (draw.below(2) == 0).then(|| draw.below(self.record.head() + 1));
        let request = json!({ "rollback": { "name": name, "to": to } });
        let Some(before) = to.or(last.map(|last| last - 1)).filter(|_| last.is_some()) else {
            return (request, None);
        };
        let expected = match past[before].0.get(name) {
            Some(then) => Some(self.paper(|sheet| *sheet = then.clone())),
            None if to == Some(0) || self.sheet.versions.is_empty() => Some(self.without()),
            None => None,
        };
        (request, expected)
    }
}

/// Rolls all names back, before the last revision or to an earlier one.
fn roll_all_back(draw: &mut Draw, record: &Record) -> (Value, Expected) {
    let now = record.now();
    let to = (draw.below(2) == 0).then(|| draw.below(record.head() + 1));
    let then = &record.0[to.unwrap_or(record.head().saturating_sub(1))].0;
    let lost = now.keys().any(|name| !then.contains_key(name));
    let touched = NAMES
        .into_iter()
        .filter(|name| now.get(name) != then.get(name))
        .collect();
    let fits = record.head() > 0 && (to == Some(0) || !lost);
    (
        json!({ "rollback": { "to": to } }),
        fits.then(|| (then.clone(), touched)),
    )
}

fn served(admin: &Admin) -> Paper {
    let models = admin.get("/v1/models");
    let of = |name: &'static str| {
        let model = models["models"]
            .as_array()
            .unwrap()
            .iter()
            .find(|model| model["name"] == name)?;
        let ready = model["versions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|version| version["condition"] == "ready");
        let factor = |version: &Value| {
            let path = format!(
                "/v1/models/{name}/versions/{}",
                version["version"].as_str().unwrap()
            );
            let std = &admin.get(&path)["manifest"]["spec"]["stages"][0]["settings"]["std"][0];
            format!("{:.0}", 1.0 / std.as_f64().unwrap())
                .parse()
                .unwrap()
        };
        let versions = ready.map(|version| {
            (
                version["version"].as_str().unwrap().to_owned(),
                factor(version),
            )
        });
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some((
            name,
            Sheet {
                versions: versions.collect(),
                stable: text(&model["labels"][0]["version"]),
                route: text(&model["route"]["split"][0]["version"]),
            },
        ))
    };
    NAMES.into_iter().filter_map(of).collect()
}

#[test]
fn a_random_sequence_leads_to_the_models_state() {
    let state = warm();
    let mut record = Record(vec![(Paper::new(), Vec::new())]);
    let mut draw = Draw(20_261_130);
    let mut server = Setup::of([]).state(state.path()).start();
    let (mut done, mut refused) = (0, 0);
    for number in 0..STEPS {
        let admin = Admin::of(&server);
        let (request, expected) = step(&mut draw, &record);
        let response = if let Some(path) = request["delete"].as_str() {
            admin.delete(path)
        } else if let Some(labelled) = request["label"].as_array() {
            admin.label(
                labelled[0].as_str().unwrap(),
                "stable",
                labelled[1].as_str().unwrap(),
            )
        } else if let Some(manifests) = request["apply"].as_array() {
            admin.apply_with(manifests, &json!({ "replace": true }))
        } else {
            admin.post("/v1/rollback", &request["rollback"])
        };
        let context = format!("step {number}: {request}: {}", response.text());
        match expected {
            Some((paper, touched)) => {
                assert_eq!(response.status, 200, "{context}");
                let revision = response.json()["revision"].clone();
                assert_eq!(revision.is_null(), &paper == record.now(), "{context}");
                if !revision.is_null() {
                    assert_eq!(revision.as_u64(), Some(record.0.len() as u64), "{context}");
                    record.0.push((paper, touched));
                }
                done += 1;
            }
            None => {
                assert!(matches!(response.status, 404 | 409 | 422), "{context}");
                refused += 1;
            }
        }
        assert_eq!(&served(&admin), record.now(), "{context}");
        // Acknowledged changes are present after a restart.
        if number == STEPS / 2 {
            server.stop();
            server = Setup::of([]).state(state.path()).start();
            assert_eq!(&served(&Admin::of(&server)), record.now());
        }
    }
    assert!(
        done > STEPS / 3 && refused > 0,
        "{done} done, {refused} refused"
    );
    assert_eq!(Admin::of(&server).get("/v1/verify")["ok"], true);
}
