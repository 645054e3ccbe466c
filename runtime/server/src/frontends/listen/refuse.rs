//! A connection that is one too many for its peer: it is told so in HTTP/1.1 and closed.
//!
//! Bounds: [`TOLD_MAX`] at once are told, each for [`TIME_MAX`]; more are closed without a word.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that are told at once.
const TOLD_MAX: usize = 64;
/// How long one may take to hear it.
const TIME_MAX: Duration = Duration::from_secs(1);
/// Bytes that it may still send meanwhile.
const UNREAD_MAX: u64 = 64 << 10;

/// Whoever refuses connections.
pub(super) struct Refuser {
    told: Arc<Semaphore>,
    answer: Arc<[u8]>,
}

impl Refuser {
    /// For peers that have so many connections.
    pub(super) fn new(connections_max: usize) -> Self {
        let error = format!(
            "this address has {connections_max} connections, which is as many as one may have \
             (--max-connections-per-peer); close some, or use those that are open"
        );
        let body = serde_json::json!({ "error": error }).to_string();
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nhotstage-failure: overloaded\r\n\
             retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self {
            told: Arc::new(Semaphore::new(TOLD_MAX)),
            answer: answer.into_bytes().into(),
        }
    }

    /// What there is to do about one; `None` when it is closed by being dropped.
    pub(super) fn refuse(
        &self,
        stream: TcpStream,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let permit = Arc::clone(&self.told).try_acquire_owned().ok()?;
        let answer = Arc::clone(&self.answer);
        Some(async move {
            // Whoever does not hear it in time is gone or does not listen.
            let _ = tokio::time::timeout(TIME_MAX, tell(stream, &answer, permit)).await;
        })
    }
}

async fn tell(
    mut stream: TcpStream,
    answer: &[u8],
    _permit: OwnedSemaphorePermit,
) -> std::io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    // Closed before its request is read, the connection would be reset, and the answer might be
    // lost.
    let mut unread = stream.take(UNREAD_MAX);
    let mut scratch = [0; 4 << 10];
    while unread.read(&mut scratch).await? > 0 {}
    Ok(())
}
