//! One compiler process, seen from the server.

use std::io;
use std::process::Stdio;
use std::sync::Once;

use hotstage_core::compile_limits::CompileLimits;
use hotstage_engine::compile::CompileError;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, sink};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::wire::{self, Header, Reply};
use super::{Source, outcome, worker};

/// This program, even when its file was replaced after the start.
#[cfg(target_os = "linux")]
fn program() -> io::Result<std::path::PathBuf> {
    Ok("/proc/self/exe".into())
}

#[cfg(not(target_os = "linux"))]
fn program() -> io::Result<std::path::PathBuf> {
    std::env::current_exe()
}

/// Bytes of a process's standard error that are kept.
const SAID_BYTES_MAX: u64 = 4 << 10;

/// Starts the process, feeds it, and reads its reply. The process is killed when this future is
/// dropped.
pub(super) async fn run(
    header: &Header,
    limits: &CompileLimits,
    source: impl Source,
) -> Result<Vec<u8>, CompileError> {
    let cannot =
        |error: io::Error| CompileError::Refused(format!("no compiler can be started: {error}"));
    let mut child = start().map_err(cannot)?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(cannot(io::Error::other("it has no pipes")));
    };
    let head = wire::encode(header).map_err(cannot)?;
    let talk = async {
        let (fed, answer, said) = tokio::join!(
            feed(stdin, &head, source),
            answer(stdout, limits.code_bytes),
            said(stderr)
        );
        // The input stays open until the reply arrives; closing it would end the process.
        (fed.map(drop), answer, said)
    };
    let Ok((fed, answer, said)) = tokio::time::timeout(limits.wall, talk).await else {
        // The process may have ended in the meantime.
        let _ = child.kill().await;
        return Err(outcome::late(limits));
    };
    if let Err(Fed::Source(message)) = fed {
        let _ = child.kill().await;
        return Err(CompileError::Refused(message));
    }
    conclude(child, answer, &said, limits).await
}

fn start() -> io::Result<Child> {
    Command::new(program()?)
        .arg(worker::VERB)
        // The process gets none of the server's environment. Eagerly committed arenas would count
        // against its memory limit.
        .env_clear()
        .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Why a process did not read all of its component.
enum Fed {
    /// The bytes themselves are wrong.
    Source(String),
    /// The process stopped reading; its reply or exit status says why.
    Pipe,
}

async fn feed(
    mut stdin: ChildStdin,
    head: &[u8],
    mut source: impl Source,
) -> Result<ChildStdin, Fed> {
    stdin.write_all(head).await.map_err(|_| Fed::Pipe)?;
    loop {
        let piece = source.next().map_err(Fed::Source)?;
        if piece.is_empty() {
            return Ok(stdin);
        }
        stdin.write_all(piece).await.map_err(|_| Fed::Pipe)?;
    }
}

/// The answer of a process.
enum Answer {
    Reply(Reply, Vec<u8>),
    /// The reply announced more machine code than allowed.
    TooMuch,
}

async fn answer(mut stdout: ChildStdout, code_bytes_max: u64) -> io::Result<Answer> {
    let mut length = [0; 4];
    stdout.read_exact(&mut length).await?;
    let mut text = vec![0; wire::header_length(length)?];
    stdout.read_exact(&mut text).await?;
    let reply: Reply = serde_json::from_slice(&text)?;
    if reply.code_bytes > code_bytes_max {
        return Ok(Answer::TooMuch);
    }
    let length = usize::try_from(reply.code_bytes).map_err(io::Error::other)?;
    let mut code = Vec::with_capacity(length);
    stdout.take(reply.code_bytes).read_to_end(&mut code).await?;
    if code.len() != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Answer::Reply(reply, code))
}

async fn said(mut stderr: ChildStderr) -> Vec<u8> {
    let mut said = Vec::new();
    // Unreadable output is ignored.
    let _ = (&mut stderr)
        .take(SAID_BYTES_MAX)
        .read_to_end(&mut said)
        .await;
    let _ = tokio::io::copy(&mut stderr, &mut sink()).await;
    said
}

async fn conclude(
    mut child: Child,
    answer: io::Result<Answer>,
    said: &[u8],
    limits: &CompileLimits,
) -> Result<Vec<u8>, CompileError> {
    match answer {
        Ok(Answer::Reply(reply, code)) => {
            if let Some(why) = &reply.unconfined {
                unconfined(why);
            }
            outcome::error(reply).map_or(Ok(code), Err)
        }
        Ok(Answer::TooMuch) => {
            let _ = child.kill().await;
            let mib = limits.code_bytes >> 20;
            Err(CompileError::TooLarge(format!(
                "the component has more than {mib} MiB of machine code (--max-machine-code)"
            )))
        }
        Err(_) => {
            let status = child.wait().await;
            let status = status
                .map_err(|error| CompileError::Refused(format!("the compiler is lost: {error}")))?;
            Err(outcome::died(status, said, limits))
        }
    }
}

/// Logs once that system calls are not filtered.
fn unconfined(why: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        tracing::warn!(
            why,
            "processes that compile have limits, but no filter for system calls"
        );
    });
}
