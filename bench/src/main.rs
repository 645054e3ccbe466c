//! Benchmarks: the cost of sandbox, placement and protocol, each compared with a floor in the same
//! run.
//!
//! Every figure is a ratio or a difference to something measured in alternation with it, because
//! the machine may be busy with other work. Times are reported, never asserted: a missed goal is
//! printed and the exit code is 0. A wrong answer ends with exit code 1.
//!
//! | benchmark | what it measures |
//! | --- | --- |
//! | `chain` | three warm stages in this process ↔ the same steps as plain functions |
//! | `http` | the server ↔ the same hyper and codec around plain functions (`floor`) |
//! | `http --before` | the server ↔ another build of it |
//! | `start` | from the process's start to its first answer |
//! | `route` | a route's decision ↔ reading the same headers |
//! | `graphs` | native graphs in own processes ↔ in the server's; a stage beside one ↔ alone |
//! | `trials` | how often an experiment's intervals are wrong, how soon they decide ↔ fixed size |
//! | `guards` | how often a rollout is rolled back by chance, how soon with reason ↔ plain values |
//! | `placement` | guests on the I/O threads, on the compute pool, or where `place` puts them |

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
use hotstage_server::control::compiler::worker;

use crate::measure::Effort;
use crate::origin::Origin;
use crate::table::Table;

/// As in the server, so that both sides of each comparison allocate alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The result of a step of a benchmark.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measure Hotstage beside a floor. Results are meaningful on an idle machine only.
#[derive(Debug, Parser)]
#[command(name = "hotstage-bench", args_conflicts_with_subcommands = true)]
struct Cli {
    /// Benchmarks to run [default: all].
    #[arg(value_enum)]
    what: Vec<What>,
    /// Run fewer and shorter rounds, to check that the benchmarks work.
    #[arg(long)]
    quick: bool,
    /// Another build of the server, which `http` alternates with; it takes the place of the floor.
    #[arg(long, value_name = "PROGRAM")]
    before: Option<PathBuf>,
    /// Also write the table to this file, as JSON.
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
    /// Threads on which guests run.
    Placement,
    /// Native graphs: their own processes, and sandboxed stages beside them.
    Graphs,
    /// A route's decision.
    Route,
    /// An experiment's intervals. Simulated tests, no times.
    Trials,
    /// A rollout's guards. Simulated rollouts, no times.
    Guards,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve the floor of `http`: plain functions behind hyper.
    Floor {
        /// Port on 127.0.0.1; 0 picks a free port, which the ready line shows.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Draw how often an experiment's intervals hold, as SVG.
    DrawTrials {
        /// File to write.
        file: PathBuf,
    },
    /// Draw the share of rollouts that guards roll back over time, as SVG.
    DrawGuards {
        /// File to write.
        file: PathBuf,
    },
    /// Run one chain in a loop, for a profiler.
    ProfileChain {
        /// Floats of the input; 30 is the example.
        #[arg(long, default_value_t = 30)]
        floats: usize,
        /// Duration in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Load the server, for a profiler of its process.
    ProfileHttp {
        /// Duration in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Send binary tensors instead of JSON.
        #[arg(long)]
        binary: bool,
        /// Load the floor instead of the server.
        #[arg(long)]
        floor: bool,
    },
}

fn main() -> ExitCode {
    // Components are compiled in child processes of this program, as in the server.
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
