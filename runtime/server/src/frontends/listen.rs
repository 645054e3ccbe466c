//! Listeners: accept connections, speak HTTP/1.1 or cleartext HTTP/2, and drain.
//!
//! One task accepts connections and assigns each to a thread (`executors/io.rs`). Inference and
//! administration listen separately, each with its own bounds: connections at once (more wait in
//! the kernel queue, at most `BACKLOG`), connections per peer (more are refused,
//! `transport/peers.rs`), idle time (`transport/connections.rs`), streams per HTTP/2 connection and
//! bytes in flight on them. On shutdown no connection is accepted, idle connections close, and
//! requests in flight finish or are cut off after the drain time.

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

/// Maximum connections in the kernel's accept queue; the kernel may allow fewer.
const BACKLOG: u32 = 1024;

/// Maximum concurrent streams of one HTTP/2 connection.
const STREAMS: u32 = 128;
/// Flow-control window of an HTTP/2 connection and of each stream, in bytes. These bytes are not
/// counted in the budget of bodies.
const WINDOW: u32 = 1 << 20;
/// Interval of keep-alive pings on a quiet HTTP/2 connection.
const PING: Duration = Duration::from_secs(75);
/// Pause after a failed accept, for example without free file handles.
const REST: Duration = Duration::from_millis(50);

/// Opens the socket. Port 0 takes any free port.
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
    // A restarted server must not wait until old connections have timed out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves inference until `stop` completes, then drains. Returns whether all requests in flight
/// finished.
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

/// Serves the admin API in the same manner.
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

/// Admission of connections.
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

    /// Refuses a connection beyond the limit of its peer.
    fn refuse(&self, stream: TcpStream, peer: SocketAddr, workers: &Workers) {
        self.intake.refused.fetch_add(1, Relaxed);
        if self.intake.lines.refused() {
            let connections_max = self.limits.connections_per_peer;
            tracing::warn!(target: "connection", %peer, connections_max, "refused: too many connections of its peer");
        }
        if let Some(telling) = self.refuser.refuse(stream) {
            workers.give(telling);
        }
    }
}

/// The permits of a connection, held until it ends.
type Places = (OwnedSemaphorePermit, PeerPlace);

/// Passes each request to `answer`, with the value that `open` returned for its connection. Each
/// connection has its own value, so that threads don't share a reference count. The guard ends when
/// the request is answered.
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

/// Accepts connections forever, within the total limit and the limit per peer.
async fn welcome(
    entry: &Entry<'_>,
    (listener, workers): (&TcpListener, &Workers),
    greet: impl Fn(TcpStream, Places),
) {
    let places = Arc::new(Semaphore::new(entry.limits.connections));
    // The semaphore is never closed.
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

/// HTTP settings of a connection: bounds of headers and streams, and keep-alive.
pub fn builder(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        // The idle reaper closes silent connections, so hyper's timer is redundant.
        .header_read_timeout(None)
        // Responses are small: one buffer is cheaper to send than a list of buffers.
        .writev(false)
        // Larger than our own limit, so that our check answers with a body. Above 100 fields hyper
        // answers 431; with a higher limit it would parse headers on the heap.
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

/// Registers the stream with the runtime of the calling thread.
pub fn here(stream: TcpStream) -> Option<TcpStream> {
    let moved = stream
        .into_std()
        .and_then(TcpStream::from_std)
        .and_then(|stream| {
            // Responses are small and complete; waiting for more data only delays them.
            stream.set_nodelay(true)?;
            Ok(stream)
        });
    moved
        .inspect_err(
            |error| tracing::debug!(target: "connection", %error, "closed before it was served"),
        )
        .ok()
}
