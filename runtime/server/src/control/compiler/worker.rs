//! The compiler process: `hotstage compile-worker`, started by the server for one component.
//!
//! It reads its header from standard input, drops its privileges, does the work, writes the reply
//! and exits. It also exits when its input is closed: the server is gone, or no longer wants the
//! result.

use std::io::{self, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};

use hotstage_core::role::Role;
use hotstage_engine::compile::CompileError;
use hotstage_engine::{compiler, yield_between_passes};

use super::wire::{self, HEADER_BYTES_MAX, Header, Outcome, Reply, Work};
use super::{confine, outcome};
use crate::executors::compute::run_when_idle;

/// The argument that starts a compiler process.
pub const VERB: &str = "compile-worker";

/// Whether this process is a compiler process.
pub fn is_one() -> bool {
    std::env::args_os().nth(1).is_some_and(|verb| verb == VERB)
}

/// Handles one component. Only the server reads the output.
pub fn main() -> ExitCode {
    // A panic becomes a reply; its source location is of no use to the component's author.
    std::panic::set_hook(Box::new(|_| {}));
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The reader may be gone.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> io::Result<()> {
    let header: Header = wire::read(io::stdin().lock())?;
    let role = Role::ALL
        .into_iter()
        .find(|role| role.name() == header.role);
    let role = role.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an unknown role"))?;
    confine::limits(&header)?;
    let component = receive(header.bytes)?;
    start_threads(&header)?;
    let unconfined = confine::filter().err();
    let bytes = component
        .recv()
        .map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    let done = catch_unwind(AssertUnwindSafe(|| match header.work {
        Work::Check => compiler::check(&bytes, role, &header.component).map(|()| Vec::new()),
        Work::Compile => compiler::compile(&bytes, role, &header.component),
    }));
    let done = done.unwrap_or_else(|panic| {
        let why = outcome::panic_message(&*panic);
        Err(CompileError::Refused(format!(
            "the compiler failed on it: {why}"
        )))
    });
    let (reply, code) = reply(done, unconfined);
    let mut out = io::stdout().lock();
    wire::write(&mut out, &reply)?;
    out.write_all(&code)?;
    out.flush()
}

fn reply(done: Result<Vec<u8>, CompileError>, unconfined: Option<String>) -> (Reply, Vec<u8>) {
    let (outcome, message, code) = match done {
        Ok(code) => (Outcome::Done, String::new(), code),
        Err(CompileError::NotAComponent(message)) => (Outcome::NotAComponent, message, Vec::new()),
        Err(CompileError::TooLarge(message)) => (Outcome::TooLarge, message, Vec::new()),
        Err(CompileError::Unfit(message)) => (Outcome::Unfit, message, Vec::new()),
        Err(CompileError::Refused(message)) => (Outcome::Refused, message, Vec::new()),
    };
    // JSON escapes one byte of text as at most six bytes.
    let message = outcome::cut(&message, HEADER_BYTES_MAX / 8).into_owned();
    (
        Reply {
            outcome,
            message,
            code_bytes: code.len() as u64,
            unconfined,
        },
        code,
    )
}

/// Reads the component, and exits the process when the input is closed after it. The thread runs
/// when this returns, because the C library can't start one once system calls are filtered.
fn receive(bytes: u64) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = sync_channel(1);
    let (started, start) = sync_channel(1);
    std::thread::Builder::new()
        .name("input".into())
        .spawn(move || {
            // The receiver waits for it.
            let _ = started.send(());
            let mut input = io::stdin().lock();
            let mut component = Vec::new();
            let read = input.by_ref().take(bytes).read_to_end(&mut component);
            if read.is_ok_and(|read| read as u64 == bytes) && sender.send(component).is_ok() {
                // Nothing else is sent: this is the end of the input.
                let _ = input.read(&mut [0]);
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "the server is gone, and nothing else reads the result"
            )]
            std::process::exit(1);
        })?;
    start.recv().map_err(io::Error::other)?;
    Ok(receiver)
}

/// Starts all threads that the compiler needs; none can be started once system calls are filtered.
fn start_threads(header: &Header) -> io::Result<()> {
    let is_idle = header.idle;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(header.threads.max(1))
        .start_handler(move |_| {
            if is_idle {
                run_when_idle();
                yield_between_passes();
            }
        });
    pool.build_global().map_err(io::Error::other)?;
    // After this call each thread has entered its handler.
    rayon::broadcast(|_| ());
    if is_idle {
        run_when_idle();
        yield_between_passes();
    }
    Ok(())
}
