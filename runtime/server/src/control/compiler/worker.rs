//! The process that compiles one component: `hotstage compile-worker`, which the server starts.
//!
//! It reads what to do from its standard input, gives up what it does not need, does it, writes the
//! reply and ends. It ends as well when its input is closed: then the server is gone, or does not
//! want the answer any more.

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

/// The argument that makes a process one of these.
pub const VERB: &str = "compile-worker";

/// Whether this process was started to be one.
pub fn is_one() -> bool {
    std::env::args_os().nth(1).is_some_and(|verb| verb == VERB)
}

/// Does one component's work. The server reads the reply; people see nothing of this.
pub fn main() -> ExitCode {
    // A panic becomes a reply; its place in our source says nothing to the component's author.
    std::panic::set_hook(Box::new(|_| {}));
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be reading.
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
    // JSON needs six bytes at most for one of the text's.
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

/// Reads the component, and ends the process once the input is closed after it. The thread that
/// does it runs when this returns: what the C library does for a new thread is not possible once
/// system calls are filtered.
fn receive(bytes: u64) -> io::Result<Receiver<Vec<u8>>> {
    let (sender, receiver) = sync_channel(1);
    let (started, start) = sync_channel(1);
    std::thread::Builder::new()
        .name("input".into())
        .spawn(move || {
            // The other side waits for it.
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
                reason = "the server is gone: whatever is compiled here is for no one"
            )]
            std::process::exit(1);
        })?;
    start.recv().map_err(io::Error::other)?;
    Ok(receiver)
}

/// All threads that compiling will use: none can be started once system calls are filtered.
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
    // Each has entered its handler once it has done this.
    rayon::broadcast(|_| ());
    if is_idle {
        run_when_idle();
        yield_between_passes();
    }
    Ok(())
}
