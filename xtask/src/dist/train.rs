//! The load for the profile: some connections, each with one request in flight.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::questions::{self, Question};
use crate::http::Connection;
use crate::run::{Outcome, Stop};
use crate::server::Server;
use crate::workspace::Workspace;

/// One connection for each client thread.
const CONNECTIONS: usize = 8;

/// Starts the server, loads it for `seconds`, and stops it; the server then writes its counts.
pub(super) fn run(workspace: &Workspace, program: &Path, place: &Path, seconds: u64) -> Outcome {
    // The examples beside the tumor's share its weights and tests; the graphs are with their
    // component.
    let mut args = vec![
        OsString::from("--allow-path"),
        workspace.root.clone().into(),
    ];
    for path in ["examples/tumor/trees", "examples/tumor/csv"].map(|path| workspace.root.join(path))
    {
        args.extend([OsString::from("-f"), path.into()]);
    }
    for path in questions::manifests(workspace, place)? {
        args.extend([OsString::from("-f"), path.into()]);
    }
    let mut server = Server::start(workspace, program, &args, place)?;
    let asked = questions::all(workspace, server.address())
        .and_then(|questions| ask(server.address(), &questions, Duration::from_secs(seconds)));
    let stopped = server.stop();
    println!("{} requests got the expected answer", asked?);
    stopped
}

/// Sends all requests repeatedly. Returns the number of answers.
fn ask(to: SocketAddr, questions: &[Question], duration: Duration) -> Outcome<usize> {
    let end = Instant::now() + duration;
    // Each connection has another order, so that the frequent requests do not all come at once.
    let round: Vec<&Question> = questions
        .iter()
        .flat_map(|question| vec![question; question.times])
        .collect();
    let ask_on = |first: usize| {
        let mut connection = Connection::open(to)?;
        let mut answered = 0;
        for question in round.iter().cycle().skip(first * round.len() / CONNECTIONS) {
            let reply = connection.ask(&question.bytes)?;
            if reply.status != question.status {
                return Err(format!(
                    "it answered {} instead of {}: {}",
                    reply.status, question.status, reply.body
                ));
            }
            answered += 1;
            if end <= Instant::now() {
                break;
            }
        }
        Ok(answered)
    };
    thread::scope(|scope| {
        let asking: Vec<_> = (0..CONNECTIONS)
            .map(|first| scope.spawn(move || ask_on(first)))
            .collect();
        asking
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(answered) => {
                    answered.map_err(|error| Stop::new(format!("load on the server: {error}")))
                }
                Err(_) => Err(Stop::new("a load thread panicked")),
            })
            .sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `dist` runs rarely, so this test checks at least that the tested server answers the load.
    #[test]
    fn the_server_answers_all_requests_of_the_load() {
        let workspace = Workspace::read().unwrap();
        let program =
            std::env::var_os("HOTSTAGE_BIN").expect("`cargo xtask test` says where the server is");
        let place = tempfile::tempdir().unwrap();
        run(&workspace, Path::new(&program), place.path(), 1).unwrap();
    }
}
