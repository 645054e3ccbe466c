//! Any sequence of changes and rollbacks leads where a map by name says: the same sequences on
//! every machine.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::admin::{Admin, times};
use crate::harness::server::Setup;
use crate::harness::state::warm;

const NAMES: [&str; 3] = ["a", "b", "c"];
const STEPS: usize = 60;

/// What is served under a name.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sheet {
    /// Each version with its factor.
    versions: BTreeMap<String, u8>,
    stable: Option<String>,
    /// The only version of the route's split.
    route: Option<String>,
}

type Paper = BTreeMap<&'static str, Sheet>;

/// What happened, on paper: the state after each revision, and the names that it touched.
struct Record(Vec<(Paper, Vec<&'static str>)>);

impl Record {
    fn now(&self) -> &Paper {
        &self.0.last().unwrap().0
    }

    fn head(&self) -> usize {
        self.0.len() - 1
    }
}

/// Numbers that are the same in every run (an LCG of Knuth's).
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

/// A request, and what is served after it; none where it must be refused.
fn step(draw: &mut Draw, record: &Record) -> (Value, Option<(Paper, Vec<&'static str>)>) {
    let name = NAMES[draw.below(3)];
    let version = (draw.below(3) + 1).to_string();
    let mut paper = record.now().clone();
    let sheet = paper.get(name).cloned().unwrap_or_default();
    let done = |paper: Paper| Some((paper, vec![name]));
    match draw.below(10) {
        0..=2 => {
            let factor = u8::try_from(draw.below(4) + 1).unwrap();
            paper
                .entry(name)
                .or_default()
                .versions
                .insert(version.clone(), factor);
            (
                json!({ "apply": [times(name, &version, factor.into())] }),
                done(paper),
            )
        }
        3 => {
            let fits = sheet.versions.contains_key(&version)
                && sheet.stable.as_ref() != Some(&version)
                && sheet.route.as_ref() != Some(&version);
            let path = format!("/v1/models/{name}/versions/{version}");
            let left = paper.entry(name).or_default();
            left.versions.remove(&version);
            if left.versions.is_empty() {
                paper.remove(name);
            }
            (json!({ "delete": path }), done(paper).filter(|_| fits))
        }
        4 => {
            let fits = sheet.versions.contains_key(&version);
            paper.entry(name).or_default().stable = Some(version.clone());
            (
                json!({ "label": [name, version] }),
                done(paper).filter(|_| fits),
            )
        }
        5 => {
            let fits = sheet.versions.contains_key(&version);
            paper.entry(name).or_default().route = Some(version.clone());
            let route = json!({
                "apiVersion": "hotstage.dev/v1", "kind": "Route", "metadata": { "name": name },
                "spec": { "split": [{ "version": version }] },
            });
            (json!({ "apply": [route] }), done(paper).filter(|_| fits))
        }
        6 => {
            paper.remove(name);
            let path = format!("/v1/models/{name}");
            (
                json!({ "delete": path }),
                done(paper).filter(|_| !sheet.versions.is_empty()),
            )
        }
        7 | 8 => {
            let last = record
                .0
                .iter()
                .rposition(|(_, touched)| touched.contains(&name));
            let to = (draw.below(2) == 0).then(|| draw.below(record.head() + 1));
            let request = json!({ "rollback": { "name": name, "to": to } });
            let Some(before) = to.or(last.map(|last| last - 1)).filter(|_| last.is_some()) else {
                return (request, None);
            };
            match record.0[before].0.get(name) {
                Some(then) => drop(paper.insert(name, then.clone())),
                None if to == Some(0) || sheet.versions.is_empty() => drop(paper.remove(name)),
                None => return (request, None),
            }
            (request, done(paper))
        }
        _ => {
            let to = (draw.below(2) == 0).then(|| draw.below(record.head() + 1));
            let then = &record.0[to.unwrap_or(record.head().saturating_sub(1))].0;
            let lost = paper.keys().any(|name| !then.contains_key(name));
            let touched = NAMES
                .into_iter()
                .filter(|name| paper.get(name) != then.get(name))
                .collect();
            let fits = record.head() > 0 && (to == Some(0) || !lost);
            (
                json!({ "rollback": { "to": to } }),
                Some((then.clone(), touched)).filter(|_| fits),
            )
        }
    }
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
fn a_random_sequence_leads_where_the_paper_says() {
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
        } else if let Some(wish) = request["label"].as_array() {
            admin.label(
                wish[0].as_str().unwrap(),
                "stable",
                wish[1].as_str().unwrap(),
            )
        } else if let Some(manifests) = request["apply"].as_array() {
            admin.apply_with(manifests, &json!({ "replace": true }))
        } else {
            admin.post("/v1/rollback", &request["rollback"])
        };
        let told = format!("step {number}: {request}: {}", response.text());
        match expected {
            Some((paper, touched)) => {
                assert_eq!(response.status, 200, "{told}");
                let revision = response.json()["revision"].clone();
                assert_eq!(revision.is_null(), &paper == record.now(), "{told}");
                if !revision.is_null() {
                    assert_eq!(revision.as_u64(), Some(record.0.len() as u64), "{told}");
                    record.0.push((paper, touched));
                }
                done += 1;
            }
            None => {
                assert!(matches!(response.status, 404 | 409 | 422), "{told}");
                refused += 1;
            }
        }
        assert_eq!(&served(&admin), record.now(), "{told}");
        // What was acknowledged is there after a restart.
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
