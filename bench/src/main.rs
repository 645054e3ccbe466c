//! Benchmarks: what sandbox, placement and protocol cost, each measured beside a floor in the same
//! run.
//!
//! Every figure is a ratio or a difference to something that ran in turns with it, because this is
//! mostly run on machines that do other things too. Times are reported, never asserted: a missed
//! goal is said and ends well. A wrong answer ends with 1.
//!
//! | room | what it measures |
//! | --- | --- |
//! | `chain` | three warm stages in this process ↔ the same steps as plain functions |
//! | `http` | the server ↔ the same hyper and codec around plain functions (`floor`) |
//! | `http --before` | the server ↔ another build of it |
//! | `start` | from the process's start to its first answer |
//! | `route` | a route's decision ↔ looking up the same headers |
//! | `graphs` | native graphs in own processes ↔ in the server's; a stage beside one ↔ alone |
//! | `trials` | how often an experiment's intervals are wrong, how soon they decide ↔ fixed size |
//! | `guards` | how often a rollout is taken back by chance, how soon with reason ↔ plain values |
//! | `placement` | guests on the IO workers, on threads of their own, or where `place` puts them |

mod before;
mod chain;
mod child;
mod deploy;
mod floor;
mod graphs;
mod guards;
mod http;
mod load;
mod measure;
mod origin;
mod pace;
mod placement;
mod plot;
mod question;
mod route;
mod start;
mod steps;
mod table;
mod trials;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use hotstage::control::compiler::worker;

use crate::measure::Effort;
use crate::origin::Origin;
use crate::table::Table;

/// As in the server, so that both sides of each comparison allocate alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a step of a benchmark ends with.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measure Hotstage beside a floor. Numbers mean something on an idle machine only.
#[derive(Debug, Parser)]
#[command(name = "hotstage-bench", args_conflicts_with_subcommands = true)]
struct Cli {
    /// What to measure [default: everything].
    #[arg(value_enum)]
    what: Vec<What>,
    /// Shorter rounds, and fewer: to see whether it works.
    #[arg(long)]
    quick: bool,
    /// Another build of the server, to measure `http` in turns with: its requests and its CPU time
    /// are the floor then.
    #[arg(long, value_name = "PROGRAM")]
    before: Option<PathBuf>,
    /// Where to write the table as JSON as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Three stages in this process.
    Chain,
    /// The server under load.
    Http,
    /// The server's start.
    Start,
    /// On which threads guests run.
    Placement,
    /// Native graphs: processes of their own, and sandboxed stages beside them.
    Graphs,
    /// A route's decision.
    Route,
    /// An experiment's intervals. No times: simulated tests.
    Trials,
    /// A rollout's guards. No times: simulated rollouts.
    Guards,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve the floor of `http`: plain functions behind hyper.
    Floor {
        /// Where to listen on 127.0.0.1; 0 takes any free port, and the ready line says which.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Draw how often an experiment's intervals hold, as SVG.
    DrawTrials {
        /// Where to.
        file: PathBuf,
    },
    /// Draw who is taken back by a rollout's guards until when, as SVG.
    DrawGuards {
        /// Where to.
        file: PathBuf,
    },
    /// Run one chain in a loop, for a profiler.
    ProfileChain {
        /// 30 is the example; any other number is as wide.
        #[arg(long, default_value_t = 30)]
        floats: usize,
        /// How long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Load the server, and leave its process to a profiler.
    ProfileHttp {
        /// How long.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Binary tensors in place of JSON.
        #[arg(long)]
        binary: bool,
        /// The floor in place of the server.
        #[arg(long)]
        floor: bool,
    },
}

fn main() -> ExitCode {
    // Components are compiled in processes of this program, as the server does.
    if worker::is_one() {
        return worker::main();
    }
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Outcome {
    let origin = Origin::find();
    match &cli.verb {
        Some(Verb::Floor { port }) => return floor::serve(&origin, *port),
        Some(Verb::ProfileChain { floats, seconds }) => {
            return chain::profile(&origin, *floats, Duration::from_secs(*seconds));
        }
        Some(Verb::ProfileHttp {
            seconds,
            binary,
            floor,
        }) => {
            return http::profile(&origin, Duration::from_secs(*seconds), *binary, *floor);
        }
        Some(Verb::DrawTrials { file }) => return trials::draw(file),
        Some(Verb::DrawGuards { file }) => return guards::draw(file),
        None => {}
    }
    let effort = if cli.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    let mut table = Table::default();
    let asked = |what| cli.what.is_empty() || cli.what.contains(&what);
    if asked(What::Chain) {
        chain::measure(&origin, &effort, &mut table)?;
    }
    if let Some(program) = &cli.before {
        before::measure(&origin, program, &effort, &mut table)?;
    } else if asked(What::Http) {
        http::measure(&origin, &effort, &mut table)?;
    }
    if asked(What::Start) {
        start::measure(&origin, &effort, &mut table)?;
    }
    if asked(What::Placement) {
        placement::measure(&origin, &effort, &mut table)?;
    }
    if asked(What::Graphs) {
        graphs::measure(&origin, &effort, &mut table)?;
    }
    if asked(What::Route) {
        route::measure(&origin, &effort, &mut table)?;
    }
    if asked(What::Trials) {
        trials::measure(cli.quick, &mut table)?;
    }
    if asked(What::Guards) {
        guards::measure(cli.quick, &mut table)?;
    }
    table.print();
    match &cli.json {
        Some(path) => table.write(path, cli.quick),
        None => Ok(()),
    }
}
