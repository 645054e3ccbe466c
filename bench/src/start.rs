//! `start`: from the process's start to its first right answer.
//!
//! A client connects and sends a request every millisecond until the status is 200. `warm`: the
//! state directory has the machine code of an earlier start. `cold`: the state directory is empty,
//! so everything is compiled.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::child::serve;
use crate::measure::{Effort, median};
use crate::origin::Origin;
use crate::question::{Answer, Question};
use crate::table::{Goal, Line, Table, tell};

/// Bound with cached machine code, in milliseconds.
const WARM: Goal = Goal::AtMost(150.0);
const POLL: Duration = Duration::from_millis(1);
/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);
const COLD_STARTS: usize = 3;

pub(crate) fn measure(origin: &Origin, effort: &Effort, table: &mut Table) -> Outcome {
    tell("start");
    let question = Question::json(origin)?;
    let mut cold = Vec::new();
    let mut directory = tempfile::tempdir()?;
    for _ in 0..COLD_STARTS.min(effort.starts) {
        directory = tempfile::tempdir()?;
        cold.push(once(origin, &question, directory.path())?);
    }
    let mut warm = Vec::new();
    for _ in 0..effort.starts {
        warm.push(once(origin, &question, directory.path())?);
    }
    table.push(
        Line::alone(
            "start to first answer, compiled code cached",
            "ms",
            median(&mut warm),
        )
        .goal(WARM),
    );
    table.push(Line::alone(
        "start to first answer, nothing cached",
        "ms",
        median(&mut cold),
    ));
    Ok(())
}

/// Milliseconds of one start.
fn once(origin: &Origin, question: &Question, state: &Path) -> Outcome<f64> {
    // The port is bound and released; another process is unlikely to take it in between.
    let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let mut command = serve(origin, state, address);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let program = &origin.server;
    let child = command
        .spawn()
        .map_err(|error| format!("can't start {}: {error}; build it first", program.display()))?;
    let child = Killed(child);
    while !ask(address, question)? {
        if began.elapsed() > PATIENCE {
            return Err(format!("no answer within {PATIENCE:?} of the start").into());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "this thread only waits; it runs no async tasks"
        )]
        std::thread::sleep(POLL);
    }
    let took = began.elapsed();
    drop(child);
    Ok(took.as_secs_f64() * 1e3)
}

/// Whether there is an answer of status 200, which must be right.
fn ask(address: SocketAddr, question: &Question) -> Outcome<bool> {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return Ok(false);
    };
    stream.write_all(&question.bytes)?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut buffer)?;
        bytes.extend_from_slice(&buffer[..length]);
        match Answer::read(&bytes)? {
            Some(answer) if answer.status == b"200" => {
                return question.check(&answer).map(|()| true);
            }
            Some(_) => return Ok(false),
            None if length == 0 => return Ok(false),
            None => {}
        }
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
