//! Pure stand-ins for the WASI that language runtimes import.
//!
//! No arguments, no environment, no files, no network. Clocks stand still at the epoch, so a sleep
//! ends at once: no guest call can wait. Random bytes come from one fixed seed, so every fresh
//! instance draws the same ones. Output to stdout and stderr becomes log lines, within the same
//! bounds.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::io::AsyncWrite;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{OutputStream, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder};
use wasmtime_wasi_io::poll::{DynPollable, Pollable, subscribe};

use super::Guest;
use crate::log::{Lines, Writer};

const SEED: [u8; 32] = *b"hotstage: every draw is the same";

/// The context of one instance.
pub(super) fn stand_ins(log: &Writer) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(LogStream::new(log))
        .stderr(LogStream::new(log))
        .wall_clock(Epoch)
        .monotonic_clock(Epoch)
        .secure_random(StdRng::from_seed(SEED))
        .insecure_random(StdRng::from_seed(SEED))
        .insecure_random_seed(u128::from_le_bytes([7; 16]))
        .max_random_size(1 << 20)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// Links WASI 0.2. Every import exists, so that components of every language link; none grants
/// anything.
pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// A clock that stands still.
struct Epoch;

impl HostWallClock for Epoch {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Epoch {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

impl monotonic_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(0)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        at_once(&mut self.table)
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        at_once(&mut self.table)
    }
}

/// A pollable that is always ready.
struct Already;

#[wasmtime_wasi::async_trait]
impl Pollable for Already {
    async fn ready(&mut self) {}
}

fn at_once(table: &mut ResourceTable) -> wasmtime::Result<Resource<DynPollable>> {
    let already = table.push(Already)?;
    subscribe(table, already)
}

/// stdout and stderr: lines for the log. Accepts everything; what exceeds the bounds is dropped.
#[derive(Clone)]
struct LogStream(Arc<Mutex<Lines>>);

impl LogStream {
    fn new(log: &Writer) -> Self {
        Self(Arc::new(Mutex::new(Lines::new(log.clone()))))
    }

    /// The lock is never contended: an instance does one thing at a time.
    fn print(&self, bytes: &[u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes);
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.print(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
