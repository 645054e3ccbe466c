//! Ten thousand pipelines over one component: the memory of each, the cost of their number for a
//! request, and the duration of a restart.

use std::time::{Duration, Instant};

use super::effort::{self, figure, median_and_most, tell};
use super::load::Load;
use super::pipelines::doubles;
use crate::harness::admin::{Admin, ask};
use crate::harness::process::resident;
use crate::harness::server::{Server, Setup};
use crate::harness::state::warm;

/// Documents per apply.
const BATCH: usize = 500;
/// In the middle of all pipelines.
const PATH: &str = "/v2/models/p7/infer";

fn name(index: usize) -> String {
    format!("p{index}")
}

#[test]
fn many_pipelines_cost_little() {
    let count = effort::of(200, 10_000);
    tell(format_args!(
        "many: {count} pipelines of two stages over one component"
    ));
    let (state, other) = (warm(), warm());
    let alone = Setup::of([doubles("p7", 8)]).state(other.path()).start();
    let many = Setup::of([doubles("p7", 8)]).state(state.path()).start();
    let admin = Admin::of(&many);
    let before = resident(&many);
    let began = Instant::now();
    let all: Vec<usize> = (0..count).filter(|index| *index != 7).collect();
    for batch in all.chunks(BATCH) {
        let manifests: Vec<_> = batch
            .iter()
            .map(|&index| doubles(&name(index), index as u64 + 1))
            .collect();
        admin.apply(&manifests).ok();
    }
    let each = (resident(&many) - before) / (count - 1) as f64;
    figure(
        "to apply one, golden test included",
        began.elapsed().as_secs_f64() * 1e3 / count as f64,
        "ms",
        None,
    );
    figure(
        "resident memory of one more pipeline",
        each / 1e3,
        "KB",
        Some(100.0),
    );
    compare(&alone, &many);
    check(&many, count);
    many.stop();
    let began = Instant::now();
    let many = Setup::of([]).state(state.path()).start();
    figure(
        "restart until all are ready",
        began.elapsed().as_secs_f64(),
        "s",
        Some(60.0),
    );
    figure(
        "resident memory after the restart, for each",
        resident(&many) / 1e3 / count as f64,
        "KB",
        None,
    );
    check(&many, count);
}

/// The same requests to the same pipeline, alone and among the others, alternating.
fn compare(alone: &Server, many: &Server) {
    let window = effort::of(Duration::from_millis(200), Duration::from_secs(2));
    let costs: Vec<f64> = (0..effort::of(1, 11))
        .map(|_| {
            let [alone, many] = [alone, many].map(|server| {
                let before = cpu(server);
                let round = Load::during(server.address, PATH, None, window).faultless();
                (cpu(server) - before) / round.answers as f64
            });
            many / alone
        })
        .collect();
    figure(
        "CPU of a request among them, to one that is alone",
        median_and_most(&costs).0,
        "×",
        Some(1.05),
    );
}

/// Seconds of CPU time so far.
fn cpu(server: &Server) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{}/stat", server.starting.id())).unwrap();
    // The program's name, in parentheses, can contain anything; the eleventh and twelfth fields
    // after it are ticks of 10 ms.
    let fields = text
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .skip(11)
        .take(2);
    fields
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / 100.0
}

/// Checks the answers of some pipelines, spread over all.
fn check(server: &Server, count: usize) {
    let mut connection = server.connect();
    for index in (0..count).step_by((count / 100).max(1)) {
        let version = index + 1;
        let answer = ask(
            &mut connection,
            &format!("/v2/models/{}/infer", name(index)),
        )
        .unwrap();
        assert_eq!(answer, (2.0 * version as f64, version.to_string()));
    }
}
