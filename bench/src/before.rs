//! `http --before PROGRAM`: compares two builds of the server under the same load, in alternation.
//!
//! Use it for changes of the request path. Both builds see the same disturbances: rounds are short,
//! and the build that goes first changes with each. There are eight times as many rounds as in
//! `http`.

use std::path::Path;

use crate::Outcome;
use crate::child::Server;
use crate::http::Sum;
use crate::load::Load;
use crate::measure::{Effort, median};
use crate::origin::Origin;
use crate::question::Question;
use crate::table::{Goal, Line, Table, tell};

/// Requests per second, relative to the other build.
const RATE: Goal = Goal::AtLeast(0.98);
/// CPU time per request, relative to the other build.
const CPU: Goal = Goal::AtMost(1.02);
/// Rounds for each round of `http`.
const ROUNDS: usize = 8;

/// One build under load.
struct Side<'a> {
    server: Server,
    load: Load<'a>,
    sum: Sum,
}

impl<'a> Side<'a> {
    fn open(origin: &Origin, question: &'a Question) -> Outcome<Self> {
        let server = Server::ours(origin)?;
        let load = Load::open(server.address, question)?;
        Ok(Self {
            server,
            load,
            sum: Sum::default(),
        })
    }

    fn run(&mut self, effort: &Effort) -> Outcome {
        self.sum.add(&self.server, &mut self.load, effort.round)
    }
}

/// JSON, then binary. The other build takes the place of the floor.
pub(crate) fn measure(
    origin: &Origin,
    program: &Path,
    effort: &Effort,
    table: &mut Table,
) -> Outcome {
    let before = Origin {
        server: program.to_owned(),
        ..origin.clone()
    };
    for question in [Question::json(origin)?, Question::binary(origin)?] {
        tell(&format!(
            "HTTP, {}, beside {}",
            question.name,
            program.display()
        ));
        let mut now = Side::open(origin, &question)?;
        let mut then = Side::open(&before, &question)?;
        now.load.run(effort.warm_up)?;
        then.load.run(effort.warm_up)?;
        for round in 0..effort.rounds * ROUNDS {
            let (first, second) = if round % 2 == 0 {
                (&mut now, &mut then)
            } else {
                (&mut then, &mut now)
            };
            first.run(effort)?;
            second.run(effort)?;
        }
        let what = |what: &str| format!("HTTP, {}, beside the build before: {what}", question.name);
        let rates = (
            median(&mut now.sum.per_second),
            median(&mut then.sum.per_second),
        );
        table.push(Line::ratio(what("requests"), "/s", rates.0, rates.1).goal(RATE));
        let cpu = (now.sum.each(now.sum.cpu), then.sum.each(then.sum.cpu));
        table.push(Line::ratio(what("CPU per request"), "ms", cpu.0, cpu.1).goal(CPU));
    }
    Ok(())
}
