//! A connection's stream: it counts writes, and closes without a reset while a client still sends.
//!
//! Default: it closes at once. After an answer to a request whose body has not all been read, it
//! first drops up to [`LINGER_BYTES`] for up to [`LINGER_TIME`].

use std::future::Future as _;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::Activity;

/// Bytes that are read and dropped after the last answer.
const LINGER_BYTES: usize = 64 << 20;
/// How long they are read.
const LINGER_TIME: Duration = Duration::from_secs(2);

/// A stream that counts writes and closes in order.
pub(crate) struct TrackedStream {
    stream: TcpStream,
    pulse: Arc<Activity>,
    /// After the last write: how long received bytes are dropped.
    lingering: Option<Pin<Box<Sleep>>>,
    dropped: usize,
}

impl AsyncRead for TrackedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl TrackedStream {
    pub(super) fn new(stream: TcpStream, pulse: Arc<Activity>) -> Self {
        Self {
            stream,
            pulse,
            lingering: None,
            dropped: 0,
        }
    }

    /// Drops received bytes until the client closes.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let lingering = self
            .lingering
            .get_or_insert_with(|| Box::pin(sleep(LINGER_TIME)));
        if lingering.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut scratch = [MaybeUninit::uninit(); 16 << 10];
        while self.dropped < LINGER_BYTES {
            let mut into = ReadBuf::uninit(&mut scratch);
            // Tokio's cooperative budget interrupts this loop.
            match Pin::new(&mut self.stream).poll_read(context, &mut into) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                    self.dropped += into.filled().len();
                }
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }

    /// Counts a completed write.
    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            // Only this task writes the counter.
            self.pulse
                .sent
                .store(self.pulse.sent.load(Relaxed).wrapping_add(1), Relaxed);
        }
        written
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.noted(written)
    }

    /// HTTP/2 writes a frame's head and its data together where it can.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// After an early answer the client still sends its body. Closing now would reset the
    /// connection, and the client might lose the answer; so the write side is shut down first.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        if this.pulse.is_unread.load(Relaxed) {
            ready!(this.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
