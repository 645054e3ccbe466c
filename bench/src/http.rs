//! `http`: the server under load, in alternation with the floor.

use std::time::Duration;

use crate::Outcome;
use crate::child::Server;
use crate::load::{Load, Round};
use crate::measure::{Effort, cpu, median};
use crate::origin::Origin;
use crate::pace;
use crate::question::Question;
use crate::table::{Goal, Line, Table, tell};

/// Requests per second, relative to the floor.
const RATIO: Goal = Goal::AtLeast(0.75);
/// CPU time of the server per request, in milliseconds.
const CPU: Goal = Goal::AtMost(0.03);
/// Megabytes.
const RESIDENT: Goal = Goal::AtMost(80.0);

/// Load for the latency figures, in percent of the highest rate.
const PERCENT: u32 = 70;
/// p99 as a multiple of p50 at that load.
const TAIL: Goal = Goal::AtMost(5.0);

/// Sums over the rounds of one server.
#[derive(Default)]
pub(crate) struct Sum {
    pub(crate) per_second: Vec<f64>,
    p50: Vec<f64>,
    p99: Vec<f64>,
    pub(crate) cpu: Duration,
    /// CPU time of the load generator.
    asking: Duration,
    answers: u32,
    resident: f64,
}

impl Sum {
    pub(crate) fn add(
        &mut self,
        server: &Server,
        load: &mut Load<'_>,
        duration: Duration,
    ) -> Outcome {
        let before = (server.cpu()?, cpu("self")?);
        let Round {
            answers,
            per_second,
            p50,
            p99,
        } = load.run(duration)?;
        self.cpu += server.cpu()? - before.0;
        self.asking += cpu("self")? - before.1;
        self.answers += answers;
        self.per_second.push(per_second);
        self.p50.push(p50);
        self.p99.push(p99);
        self.resident = self.resident.max(server.resident()?);
        Ok(())
    }

    /// Milliseconds per request.
    pub(crate) fn each(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e3 / f64::from(self.answers)
    }
}

/// JSON, then binary.
pub(crate) fn measure(origin: &Origin, effort: &Effort, table: &mut Table) -> Outcome {
    let (ours, floor) = (Server::ours(origin)?, Server::floor()?);
    for question in [Question::json(origin)?, Question::binary(origin)?] {
        let name = question.name;
        tell(&format!("HTTP, {name}"));
        let mut loads = (
            Load::open(ours.address, &question)?,
            Load::open(floor.address, &question)?,
        );
        let (mut of_ours, mut of_floor) = (Sum::default(), Sum::default());
        loads.0.run(effort.warm_up)?;
        loads.1.run(effort.warm_up)?;
        for _ in 0..effort.rounds {
            of_ours.add(&ours, &mut loads.0, effort.round)?;
            of_floor.add(&floor, &mut loads.1, effort.round)?;
        }
        let peaks = report(name, &mut of_ours, &mut of_floor, table);
        let tails = [
            (
                format!("HTTP, {name}, at {PERCENT} % of that"),
                &mut loads.0,
                peaks.0,
                Some(TAIL),
            ),
            (
                format!("HTTP, {name}, the floor at {PERCENT} % of its own"),
                &mut loads.1,
                peaks.1,
                None,
            ),
        ];
        for (what, load, peak, goal) in tails {
            let line = tail(&what, load, peak, effort)?;
            table.push(match goal {
                Some(goal) => line.goal(goal),
                None => line,
            });
        }
    }
    Ok(())
}

/// p99 and p50 below the highest rate: medians of the rounds.
fn tail(what: &str, load: &mut Load<'_>, peak: f64, effort: &Effort) -> Outcome<Line> {
    let (mut p99, mut p50) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let round = pace::run(load, peak * f64::from(PERCENT) / 100.0, effort.round)?;
        p99.push(round.p99);
        p50.push(round.p50);
    }
    Ok(Line::ratio(
        format!("{what}: p99 to p50"),
        "µs",
        median(&mut p99),
        median(&mut p50),
    ))
}

/// Returns the requests per second of both.
fn report(name: &str, ours: &mut Sum, floor: &mut Sum, table: &mut Table) -> (f64, f64) {
    let mut medians = |of: fn(&mut Sum) -> &mut Vec<f64>| (median(of(ours)), median(of(floor)));
    let (per_second, p50, p99) = (
        medians(|sum| &mut sum.per_second),
        medians(|sum| &mut sum.p50),
        medians(|sum| &mut sum.p99),
    );
    let what = |what: &str| format!("HTTP, {name}: {what}");
    table.push(Line::ratio(what("requests"), "/s", per_second.0, per_second.1).goal(RATIO));
    let (cpu, asking) = (
        (ours.each(ours.cpu), floor.each(floor.cpu)),
        (ours.each(ours.asking), floor.each(floor.asking)),
    );
    table.push(Line::beside(what("CPU per request"), "ms", cpu.0, cpu.1).goal(CPU));
    table.push(Line::beside(
        what("CPU to ask for one"),
        "ms",
        asking.0,
        asking.1,
    ));
    table.push(Line::ratio(what("p50"), "µs", p50.0, p50.1));
    table.push(Line::ratio(what("p99"), "µs", p99.0, p99.1));
    let megabytes = |bytes: f64| bytes / 1e6;
    let resident = (megabytes(ours.resident), megabytes(floor.resident));
    table.push(
        Line::beside(what("resident under load"), "MB", resident.0, resident.1).goal(RESIDENT),
    );
    per_second
}

/// Runs only the load, for a profiler of the server's process.
pub(crate) fn profile(origin: &Origin, duration: Duration, binary: bool, floor: bool) -> Outcome {
    let server = if floor {
        Server::floor()?
    } else {
        Server::ours(origin)?
    };
    let question = if binary {
        Question::binary(origin)?
    } else {
        Question::json(origin)?
    };
    tell(&format!(
        "process {} listens on {}",
        server.id(),
        server.address
    ));
    let round = Load::open(server.address, &question)?.run(duration)?;
    tell(&format!(
        "{:.0} requests/s, p50 {:.0} µs, p99 {:.0} µs",
        round.per_second, round.p50, round.p99
    ));
    Ok(())
}
