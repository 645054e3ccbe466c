//! Refuses connections beyond the limit per peer: sends a 503 over HTTP/1.1 and closes.
//!
//! Bounds: [`ANSWERED_MAX`] connections at once are answered, each within [`TIME_MAX`]; more are
//! closed without an answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Maximum connections that are answered at the same time.
const ANSWERED_MAX: usize = 64;
/// Maximum time to send the answer.
const TIME_MAX: Duration = Duration::from_secs(1);
/// Maximum bytes read from the client after the answer.
const UNREAD_MAX: u64 = 64 << 10;

/// Refuses connections.
pub(super) struct Refuser {
    permits: Arc<Semaphore>,
    answer: Arc<[u8]>,
}

impl Refuser {
    /// For a limit of `connections_max` connections per peer.
    pub(super) fn new(connections_max: usize) -> Self {
        let error = format!(
            "this address has {connections_max} connections, the maximum \
             (--max-connections-per-peer); close some or reuse open ones"
        );
        let body = serde_json::json!({ "error": error }).to_string();
        let answer = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nhotstage-failure: overloaded\r\n\
             retry-after: 1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self {
            permits: Arc::new(Semaphore::new(ANSWERED_MAX)),
            answer: answer.into_bytes().into(),
        }
    }

    /// The future that answers the connection; `None` if it is just closed.
    pub(super) fn refuse(
        &self,
        stream: TcpStream,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let answer = Arc::clone(&self.answer);
        Some(async move {
            // A client that does not read in time gets no answer.
            let _ = tokio::time::timeout(TIME_MAX, answer_and_close(stream, &answer, permit)).await;
        })
    }
}

async fn answer_and_close(
    mut stream: TcpStream,
    answer: &[u8],
    _permit: OwnedSemaphorePermit,
) -> std::io::Result<()> {
    stream.write_all(answer).await?;
    stream.shutdown().await?;
    // Closing before the request is read would reset the connection, and the answer might be lost.
    let mut unread = stream.take(UNREAD_MAX);
    let mut scratch = [0; 4 << 10];
    while unread.read(&mut scratch).await? > 0 {}
    Ok(())
}
