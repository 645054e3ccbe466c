//! SIGKILL at random moments of random changes: acknowledged changes are present, no change is
//! partial, and the server always starts.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::effort::{self, Chance, tell};
use super::load::attempt;
use super::pipelines::doubles;
use crate::harness::admin::{Admin, applies, ask, labels};
use crate::harness::http::Request;
use crate::harness::pause;
use crate::harness::server::{Server, Setup};
use crate::harness::state::warm;

/// The longest time that a server runs before it is killed.
const LIFE_MS: u64 = 120;

/// The change of revision `number`; so the state after it is known.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Apply(u64),
    Label(u64),
    Delete(u64),
}

fn change(number: u64) -> Change {
    match number % 3 {
        1 => Change::Apply(number),
        2 => Change::Label(number - 1),
        _ if number < 6 => Change::Apply(number),
        _ => Change::Delete(number - 5),
    }
}

fn request(change: &Change) -> Request {
    match change {
        Change::Apply(version) => applies(&[doubles("m", *version)], &json!({})),
        Change::Label(version) => labels("m", "stable", &version.to_string()),
        Change::Delete(version) => {
            Request::new("DELETE", &format!("/v1/models/m/versions/{version}"))
        }
    }
}

/// The state after a revision: versions, and the label's target.
fn served_after(head: u64) -> (BTreeSet<u64>, Option<u64>) {
    let (mut versions, mut label) = (BTreeSet::new(), None);
    for number in 1..=head {
        match change(number) {
            Change::Apply(version) => _ = versions.insert(version),
            Change::Delete(version) => _ = versions.remove(&version),
            Change::Label(version) => label = Some(version),
        }
    }
    (versions, label)
}

fn served(model: &Value) -> (BTreeSet<u64>, Option<u64>) {
    let number = |value: &Value| value.as_str().unwrap().parse().unwrap();
    let ready = model["versions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|version| version["condition"] == "ready");
    let versions = ready.map(|version| number(&version["version"])).collect();
    (
        versions,
        model["labels"]
            .as_array()
            .unwrap()
            .first()
            .map(|label| number(&label["version"])),
    )
}

/// The state after a start: the number of its last revision, which must be complete.
#[track_caller]
fn head_of(server: &Server, admin: &Admin, round: u64) -> u64 {
    let head = admin.get("/v1/status")["head"].as_u64().unwrap();
    assert_eq!(
        admin.get("/v1/verify")["problems"],
        json!([]),
        "round {round}"
    );
    if head > 0 {
        assert_eq!(
            served(&admin.get("/v1/models/m")),
            served_after(head),
            "round {round}, revision {head}"
        );
        let (value, version) = ask(&mut server.connect(), "/v2/models/m/infer").unwrap();
        assert_eq!(value, 2.0 * version.parse::<f64>().unwrap());
    }
    head
}

/// Makes one change after another until the server is killed; returns the last acknowledged one.
fn change_until_killed(server: &Server, admin: &Admin, head: u64, life: Duration) -> u64 {
    let id = server.starting.id();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            pause(life);
            Command::new("sh")
                .args(["-c", &format!("kill -KILL {id}")])
                .status()
                .unwrap();
        });
        let mut acknowledged = head;
        for number in head + 1.. {
            // The connection breaks when the server ends; every answer before that must be a
            // success.
            let Ok(response) = attempt(admin, request(&change(number))) else {
                break;
            };
            acknowledged = response.ok().json()["head"].as_u64().unwrap();
            assert_eq!(acknowledged, number);
        }
        acknowledged
    })
}

#[test]
fn kills_at_any_moment_lose_no_acknowledged_change() {
    let rounds = effort::of(12, 1000);
    tell(format_args!(
        "kills: {rounds} times SIGKILL, at random moments of random changes"
    ));
    let (state, mut chance) = (warm(), Chance::new(1));
    let (mut acknowledged, mut unacknowledged, mut idle) = (0, 0, 0);
    for round in 0..=rounds {
        let server = Setup::of([]).state(state.path()).start();
        let admin = Admin::of(&server);
        let head = head_of(&server, &admin, round);
        assert!(
            (acknowledged..=acknowledged + 1).contains(&head),
            "round {round}: {acknowledged} were acknowledged, {head} are there"
        );
        unacknowledged += head - acknowledged;
        acknowledged = head;
        if round == rounds {
            break;
        }
        let life = Duration::from_micros(chance.below(LIFE_MS * 1000));
        acknowledged = change_until_killed(&server, &admin, head, life);
        idle += u64::from(acknowledged == head);
    }
    assert!(acknowledged > 0, "every kill came before the first change");
    tell(format_args!(
        "  {acknowledged} revisions, all there and whole, at each of {rounds} starts"
    ));
    tell(format_args!(
        "  {unacknowledged} of them were on the disk when the kill came before their answer"
    ));
    assert!(
        idle < rounds,
        "no server lived long enough to change anything"
    );
}
