//! Time from `apply` to the first answer of the new version, for a client that sends requests
//! continuously.

use std::time::{Duration, Instant};

use super::effort::{self, figure, median_and_most, tell};
use super::pipelines::{another_scale, doubles, doubles_by};
use crate::harness::PATIENCE;
use crate::harness::admin::{Admin, ask};
use crate::harness::server::{Server, Setup};
use crate::harness::state::Folder;

const PATH: &str = "/v2/models/m/infer";

#[test]
fn a_new_version_answers_soon() {
    let server = Setup::of([doubles("m", 1)]).start();
    let admin = Admin::of(&server);
    let folder = Folder::new();
    tell("first: from apply to the first answer of the new version");
    let mut number = 1;
    let compiled: Vec<f64> = (0..effort::of(5, 200))
        .map(|_| {
            number += 1;
            until_answered(&server, number, || {
                admin.apply(&[doubles("m", number)]).ok()
            })
        })
        .collect();
    report("its components compiled before", &compiled, 100.0);
    let mut bytes = 0;
    let new: Vec<f64> = (0..effort::of(2, 20))
        .map(|round| {
            number += 1;
            let component = another_scale(round, 16);
            bytes = component.len();
            let path = folder.write(&format!("{round}.wasm"), component);
            let manifest = doubles_by("m", number, path.to_str());
            until_answered(&server, number, || admin.apply(&[manifest]).ok())
        })
        .collect();
    report(
        &format!(
            "one new component of {} KB to upload and compile",
            bytes / 1000
        ),
        &new,
        2000.0,
    );
}

fn report(what: &str, took: &[f64], goal: f64) {
    let (median, most) = median_and_most(took);
    figure(&format!("{what}: median"), median, "ms", None);
    figure(
        &format!("{what}: longest of {}", took.len()),
        most,
        "ms",
        Some(goal),
    );
}

/// Milliseconds until this version answers.
fn until_answered(
    server: &Server,
    number: u64,
    apply: impl FnOnce() -> crate::harness::http::Response,
) -> f64 {
    let (began, version) = (Instant::now(), number.to_string());
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut connection = server.connect();
            loop {
                let (value, answered) = ask(&mut connection, PATH).unwrap();
                assert_eq!(value, 2.0 * answered.parse::<f64>().unwrap());
                if answered == version {
                    return began.elapsed();
                }
                assert!(
                    began.elapsed() < PATIENCE,
                    "version {version} never answered"
                );
                // A busy client, but not a spinning one, because it shares the cores with the
                // server.
                crate::harness::pause(Duration::from_micros(200));
            }
        });
        apply();
        asking.join().unwrap().as_secs_f64() * 1e3
    })
}
