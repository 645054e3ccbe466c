//! Sockets: accept, speak HTTP/1.1 or HTTP/2 in clear text, and drain.
//!
//! One task accepts connections, and gives each to the thread that is to have it (`workers.rs`).
//! Inference and administration listen apart, each with its own bounds: connections at once (more
//! wait in the system's queue, `BACKLOG` of them), those of one peer (more are refused,
//! `peers.rs`), the time that a connection may be silent (`connections.rs`), the streams of one
//! HTTP/2 connection and the bytes that these have on their way. On shutdown nothing new is
//! accepted, idle connections close, requests in flight finish, or are cut off when the drain time
//! is over.

mod refuse;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use hotstage_core::limits::ServerLimits;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::refuse::Refuser;
use crate::executors::io::Workers;
use crate::frontends::admin::{self, Admin};
use crate::frontends::app::App;
use crate::frontends::http::{self as inference, Body, Connection};
use crate::transport::connections::{Connections, End, RequestGuard};
use crate::transport::intake::Intake;
use crate::transport::peers::{PeerPlace, Peers};

/// Connections that wait in the system's queue to be accepted, as far as the system allows.
const BACKLOG: u32 = 1024;

/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 128;
/// Bytes of bodies that an HTTP/2 connection, and that one of its streams, may have on their way,
/// before a request has taken them: so much, and no more, lies outside the budget of bodies.
const WINDOW: u32 = 1 << 20;
/// An HTTP/2 connection on which nothing comes is asked whether anybody is there.
const PING: Duration = Duration::from_secs(75);
/// After a failed accept (no file handles left, say) the listener rests a moment rather than spin.
const REST: Duration = Duration::from_millis(50);

/// Opens the socket. Port 0 takes any free one.
pub async fn bind(address: &str) -> io::Result<TcpListener> {
    let mut last = None;
    for address in lookup_host(address).await? {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such address")))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A server that starts again must not wait for connections of the one before to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves inference until `stop` is done, then drains. Says whether every request in flight could
/// finish.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    workers: Arc<Workers>,
    stop: impl Future<Output = ()>,
) -> bool {
    let entry = Entry::new(&app.limits, &app.intake);
    accept(
        &entry,
        (listener, &workers),
        stop,
        || Connection::open(&app),
        inference::serve_one,
    )
    .await
}

/// Serves the admin API in the same way.
pub async fn serve_admin(
    admin: Arc<Admin>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> bool {
    let own = Workers::of(Handle::current());
    let entry = Entry::new(&admin.limits, &admin.intake);
    accept(
        &entry,
        (listener, &own),
        stop,
        || Arc::clone(&admin),
        admin::serve_one,
    )
    .await
}

/// Who may come in.
struct Entry<'a> {
    limits: &'a ServerLimits,
    peers: Arc<Peers>,
    refuser: Refuser,
    intake: &'a Intake,
}

impl<'a> Entry<'a> {
    fn new(limits: &'a ServerLimits, intake: &'a Intake) -> Self {
        let connections_max = limits.connections_per_peer;
        Self {
            limits,
            peers: Peers::new(connections_max),
            refuser: Refuser::new(connections_max),
            intake,
        }
    }

    /// A connection that is one too many for its peer.
    fn refuse(&self, stream: TcpStream, peer: SocketAddr, workers: &Workers) {
        self.intake.refused.fetch_add(1, Relaxed);
        if self.intake.lines.refused() {
            let connections_max = self.limits.connections_per_peer;
            tracing::warn!(target: "connection", %peer, connections_max, "refused: its peer has as many as it may");
        }
        if let Some(telling) = self.refuser.refuse(stream) {
            workers.give(telling);
        }
    }
}

/// A connection's places, for as long as it lasts.
type Places = (OwnedSemaphorePermit, PeerPlace);

/// Hands each request of each connection to `answer`, with what `open` returned when the connection
/// came. Each has one of its own, so that no count of holders is written by all threads. The visit
/// ends when the request is answered.
async fn accept<Held, Answer, Answering>(
    entry: &Entry<'_>,
    (listener, workers): (TcpListener, &Workers),
    stop: impl Future<Output = ()>,
    open: impl Fn() -> Held,
    answer: Answer,
) -> bool
where
    Held: Send + Sync + 'static,
    Answer: Fn(RequestGuard<Held>, Request<Incoming>) -> Answering + Copy + Send + 'static,
    Answering: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let connections = Arc::new(Connections::new(entry.limits.idle));
    let builder = Arc::new(builder(entry.limits));
    let greet = |stream: TcpStream, places: Places| {
        let (caller, mut place) = connections.admit(open());
        let service = service_fn(move |request: Request<_>| {
            answer(RequestGuard::begin(&caller, request.version()), request)
        });
        let builder = Arc::clone(&builder);
        workers.give(async move {
            let Some(stream) = here(stream) else { return };
            let mut conversation =
                pin!(builder.serve_connection(TokioIo::new(place.hears(stream)), service));
            let ended = poll_fn(|context| {
                match place.listen(context) {
                    Some(End::Now) => return Poll::Ready(Ok(())),
                    Some(End::Soon) => conversation.as_mut().graceful_shutdown(),
                    None => {}
                }
                conversation.as_mut().poll(context)
            });
            if let Err(error) = ended.await {
                tracing::debug!(target: "connection", error, "ended early");
            }
            drop(places);
        });
    };
    tokio::select! {
        biased;
        () = stop => {}
        () = welcome(entry, (&listener, workers), greet) => {}
        () = connections.keep() => {}
    }
    drop(listener);
    tokio::time::timeout(entry.limits.drain, connections.end())
        .await
        .is_ok()
}

/// Accepts connections for ever, as many at once as have a place, and from each peer as many as it
/// may have.
async fn welcome(
    entry: &Entry<'_>,
    (listener, workers): (&TcpListener, &Workers),
    greet: impl Fn(TcpStream, Places),
) {
    let places = Arc::new(Semaphore::new(entry.limits.connections));
    // The places are there for as long as somebody may ask for one.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, address)) => match entry.peers.admit(address.ip()) {
                Some(peer) => greet(stream, (place, peer)),
                None => entry.refuse(stream, address, workers),
            },
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// What speaks HTTP on a connection, with the bounds on a client's headers, streams and silence.
pub fn builder(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // Who is silent is sent away without.
        .header_read_timeout(None)
        // Answers are small: one buffer is cheaper to send than a list of pieces.
        .writev(false)
        // Above our own bound, so that ours answers with a body. Beyond 100 fields hyper answers
        // 431: more than that it would not read on the stack.
        .max_buf_size((limits.header_bytes * 2).max(64 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(u32::try_from(limits.header_bytes * 2).unwrap_or(u32::MAX));
    builder
}

/// The stream, which is waited for on the calling thread from now on.
pub fn here(stream: TcpStream) -> Option<TcpStream> {
    let moved = stream
        .into_std()
        .and_then(TcpStream::from_std)
        .and_then(|stream| {
            // Answers are small and whole; waiting for more to send with them only delays.
            stream.set_nodelay(true)?;
            Ok(stream)
        });
    moved
        .inspect_err(
            |error| tracing::debug!(target: "connection", %error, "gone before it was heard"),
        )
        .ok()
}
