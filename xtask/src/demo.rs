//! `cargo xtask demo`: serves the tumor example from source, and prints its answers.
//!
//! Starts the built server on a free port with a temporary state directory, classifies held-out
//! patients, and checks the answers: the command fails if a request fails or if the accuracy is
//! below [`ACCURACY_MIN`]. The server runs until Ctrl-C; without a terminal it stops at once.

use std::io::IsTerminal;

use crate::build;
use crate::run::{OrStop, Outcome, Stop, step};
use crate::server::Server;
use crate::workspace::Workspace;

use ask::{Answer, Model};
use rows::Row;

mod ask;
mod rows;

/// Builds everything and shows the example answering.
///
/// Starts a server on a free port, classifies held-out patients of examples/tumor, prints the
/// answers and the version that made them, and runs until Ctrl-C.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Stop after the answers; the default if stdin or stdout is not a terminal
    #[arg(long)]
    once: bool,
}

/// The example's newest version has an accuracy of 0.98. A lower figure means a defect between the
/// file and the answer.
const ACCURACY_MIN: f64 = 0.96;

/// Rows of each diagnosis in the table.
const SHOWN_EACH: usize = 4;

pub(crate) fn main(args: &Args) -> Outcome {
    let workspace = Workspace::read()?;
    build::all(&workspace)?;
    let rows = rows::read(&workspace.root.join("examples/tumor/held-out.csv"))?;
    let place = tempfile::tempdir().or_stop(|| "can't make a temporary directory".to_owned())?;
    let start = || Server::start(&workspace, &workspace.binary(), &[], place.path());
    let mut server = step("starting the server", start)?;

    let mut outcome = show(&server, &rows);
    let watched = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if outcome.is_ok() && watched && !args.once {
        println!(
            "\nThe server runs until Ctrl-C. Its log: {}",
            server.log().display()
        );
        outcome = server.stay();
    }
    let stopped = step("stopping the server", || server.stop());
    outcome.and(stopped)
}

fn show(server: &Server, rows: &[Row]) -> Outcome {
    let model = Model::find(server.address(), "tumor")?;
    let some = rows::of_each(rows, SHOWN_EACH)?;
    let answer = model.ask(&some)?;
    print_table(&some, &answer);
    println!();
    for (name, value) in &answer.made_by {
        println!("{name}: {value}");
    }
    let everyone: Vec<&Row> = rows.iter().collect();
    check(rows, &model.ask(&everyone)?)?;
    println!("\nAsk it yourself:\n\n{}", model.curl(some[0]));
    Ok(())
}

fn print_table(rows: &[&Row], answer: &Answer) {
    println!(
        "\n{:>5}  {:<10} {:<10} {:>7}",
        "row", "truth", "answer", "score"
    );
    for ((row, label), score) in rows.iter().zip(&answer.labels).zip(&answer.scores) {
        let mark = if row.is(label) { '✓' } else { '✗' };
        println!(
            "{:>5}  {:<10} {:<10} {score:>7.4}  {mark}",
            row.number, row.diagnosis, label
        );
    }
}

fn check(rows: &[Row], answer: &Answer) -> Outcome {
    let right = rows
        .iter()
        .zip(&answer.labels)
        .filter(|(row, label)| row.is(label))
        .count();
    let accuracy = right as f64 / rows.len() as f64;
    println!(
        "\n{right} of {} held-out rows right ({accuracy:.3})",
        rows.len()
    );
    if accuracy < ACCURACY_MIN {
        return Err(Stop::new(format!(
            "the model is right {accuracy:.3} of the time and should be {ACCURACY_MIN} at least; check its weights, its \
             scaling and the order of the columns"
        )));
    }
    Ok(())
}
