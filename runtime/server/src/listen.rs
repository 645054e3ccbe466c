//! Sockets: accept, speak HTTP/1.1 or HTTP/2 in clear text, and drain.
//!
//! One task accepts connections, and gives each to the thread that is to have it (`workers.rs`).
//! Inference and administration listen apart, each with its own bounds: connections at once (more wait in the system's
//! queue), the time that a connection may be silent (`callers.rs`), the streams of one HTTP/2 connection. On shutdown
//! nothing new is accepted, idle connections close, requests in flight finish, or are cut off when the drain time is
//! over.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hotstage_core::limits::ServerLimits;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::admin::{self, Admin};
use crate::app::App;
use crate::callers::{Callers, End, Visit};
use crate::http::{self as inference, Body, Connection};
use crate::workers::Workers;

/// Streams of one HTTP/2 connection at once.
const STREAMS: u32 = 256;
/// An HTTP/2 connection on which nothing comes is asked whether anybody is there.
const PING: Duration = Duration::from_secs(75);
/// After a failed accept (no file handles left, say) the listener rests a moment rather than spin.
const REST: Duration = Duration::from_millis(50);

/// Opens the socket. Port 0 takes any free one.
pub async fn bind(address: &str) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves inference until `stop` is done, then drains. Says whether every request in flight could finish.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    workers: Arc<Workers>,
    stop: impl Future<Output = ()>,
) -> bool {
    let limits = app.limits.clone();
    accept(&limits, (listener, &workers), stop, move || Connection::open(&app), inference::serve_one).await
}

/// Serves the admin API in the same way.
pub async fn serve_admin(admin: Arc<Admin>, listener: TcpListener, stop: impl Future<Output = ()>) -> bool {
    let (limits, own) = (admin.limits.clone(), Workers::of(Handle::current()));
    accept(
        &limits,
        (listener, &own),
        stop,
        move || Arc::clone(&admin),
        |visit, request| async move { admin::serve_one(Arc::clone(&visit), request).await },
    )
    .await
}

/// Hands each request of each connection to `answer`, with what `open` returned when the connection came. Each has one
/// of its own, so that no count of holders is written by all threads. The visit ends when the request is answered.
async fn accept<Held, Answer, Answering>(
    limits: &ServerLimits,
    (listener, workers): (TcpListener, &Workers),
    stop: impl Future<Output = ()>,
    open: impl Fn() -> Held,
    answer: Answer,
) -> bool
where
    Held: Send + Sync + 'static,
    Answer: Fn(Visit<Held>, Request<Incoming>) -> Answering + Copy + Send + 'static,
    Answering: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let callers = Arc::new(Callers::new(limits.idle));
    let builder = Arc::new(builder(limits));
    let greet = |stream: TcpStream, permit: OwnedSemaphorePermit| {
        let (caller, mut place) = callers.admit(open());
        let service = service_fn(move |request: Request<_>| answer(Visit::begin(&caller, request.version()), request));
        let builder = Arc::clone(&builder);
        workers.give(async move {
            let Some(stream) = here(stream) else { return };
            let mut conversation = pin!(builder.serve_connection(TokioIo::new(place.hears(stream)), service));
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
            drop(permit);
        });
    };
    tokio::select! {
        biased;
        () = stop => {}
        () = welcome(limits, &listener, greet) => {}
        () = callers.keep() => {}
    }
    drop(listener);
    tokio::time::timeout(limits.drain, callers.end()).await.is_ok()
}

/// Accepts connections for ever, as many at once as have a place.
async fn welcome(limits: &ServerLimits, listener: &TcpListener, greet: impl Fn(TcpStream, OwnedSemaphorePermit)) {
    let places = Arc::new(Semaphore::new(limits.connections));
    // The places are there for as long as somebody may ask for one.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => greet(stream, place),
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
        // Above our own bound, so that ours answers with a body. Beyond 100 fields hyper answers 431: more than that it
        // would not read on the stack.
        .max_buf_size((limits.header_bytes * 2).max(64 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.header_bytes * 2).unwrap_or(u32::MAX));
    builder
}

/// The stream, which is waited for on the calling thread from now on.
pub fn here(stream: TcpStream) -> Option<TcpStream> {
    let moved = stream.into_std().and_then(TcpStream::from_std).and_then(|stream| {
        // Answers are small and whole; waiting for more to send with them only delays.
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    moved.inspect_err(|error| tracing::debug!(target: "connection", %error, "gone before it was heard")).ok()
}
