//! The connections of one listener: closes idle ones, and drains all of them at shutdown.
//!
//! A connection is idle when no request is in flight and nothing was written for
//! [`ServerLimits::idle`]. That covers clients that send nothing, stop in the middle of a request's
//! headers, or stop reading an answer. One task checks all connections five times in that period,
//! so a connection closes up to one check later than it could. A request then costs only a few
//! writes to its connection's own cache line; a timer and a channel for each connection would add a
//! tenth to its cost. Connections that have received an HTTP/2 request are exempt: pings find the
//! dead ones.
//!
//! [`ServerLimits::idle`]: hotstage_core::limits::ServerLimits::idle

mod tracked_stream;

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use http::Version;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use self::tracked_stream::TrackedStream;

/// Checks in the period after which a connection is idle.
const CHECKS: u32 = 5;

/// The activity of one connection, on its own cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Activity {
    /// Requests in flight.
    open: AtomicU32,
    /// The number of writes.
    sent: AtomicU32,
    /// It received an HTTP/2 request.
    is_pinged: AtomicBool,
    /// It ends before everything that its client sends has been read.
    is_unread: AtomicBool,
    /// The requested end: an [`End`].
    end: AtomicU8,
    /// Wakes the connection's task, once that runs.
    task: Mutex<Option<Waker>>,
}

/// How a connection is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(crate) enum End {
    /// After the requests in flight.
    Soon = 1,
    Now,
}

impl Activity {
    fn end(&self, end: End) {
        self.end.fetch_max(end as u8, Relaxed);
        if let Some(task) = &*locked(&self.task) {
            task.wake_by_ref();
        }
    }
}

/// A connection and the state that its requests use.
pub(crate) struct ConnectionState<H> {
    held: H,
    pulse: Arc<Activity>,
}

/// One request of a connection, until its answer is made.
pub struct RequestGuard<H>(Arc<ConnectionState<H>>);

impl<H> RequestGuard<H> {
    pub(crate) fn begin(connection: &Arc<ConnectionState<H>>, version: Version) -> Self {
        connection.pulse.open.fetch_add(1, Relaxed);
        if version == Version::HTTP_2 {
            connection.pulse.is_pinged.store(true, Relaxed);
        }
        Self(Arc::clone(connection))
    }

    /// Ends the connection with this answer, although its client still sends data.
    pub(crate) fn leaves_unread(&self) {
        self.0.pulse.is_unread.store(true, Relaxed);
    }

    /// Ends the connection after the requests in flight.
    pub(crate) fn end_soon(&self) {
        self.0.pulse.end(End::Soon);
    }
}

impl<H> Deref for RequestGuard<H> {
    type Target = H;

    fn deref(&self) -> &H {
        &self.0.held
    }
}

impl<H> Drop for RequestGuard<H> {
    fn drop(&mut self) {
        self.0.pulse.open.fetch_sub(1, Relaxed);
    }
}

/// A connection's entry in [`Connections`], removed when it is dropped. Its task learns here how it
/// is to end.
pub(crate) struct ConnectionSlot {
    connections: Arc<Connections>,
    number: u64,
    pulse: Arc<Activity>,
    is_listening: bool,
    heard: u8,
}

impl ConnectionSlot {
    /// Wraps the connection's stream to track its writes.
    pub(crate) fn hears(&self, stream: TcpStream) -> TrackedStream {
        TrackedStream::new(stream, Arc::clone(&self.pulse))
    }

    /// The requested end, returned once. Call it at each poll of the task.
    pub(crate) fn listen(&mut self, context: &Context<'_>) -> Option<End> {
        if !self.is_listening {
            // `Activity::end` either finds this waker, or has stored `end` before it is loaded
            // below: both sides take the lock first.
            *locked(&self.pulse.task) = Some(context.waker().clone());
            self.is_listening = true;
        }
        let end = self.pulse.end.load(Relaxed);
        if end == self.heard {
            return None;
        }
        self.heard = end;
        Some(if end == End::Soon as u8 {
            End::Soon
        } else {
            End::Now
        })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        locked(&self.connections.watched).remove(&self.number);
        self.connections.left.notify_one();
    }
}

/// All connections of a listener.
#[derive(Debug)]
pub(crate) struct Connections {
    idle: Duration,
    next: AtomicU64,
    watched: Mutex<HashMap<u64, Watched>>,
    /// Notified when a connection leaves.
    left: Notify,
}

#[derive(Debug)]
struct Watched {
    pulse: Arc<Activity>,
    /// The number of writes at the last check, and the checks since it last changed.
    sent: u32,
    checks: u32,
}

impl Connections {
    /// Closes connections that are idle for this long.
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            idle,
            next: AtomicU64::new(0),
            watched: Mutex::default(),
            left: Notify::new(),
        }
    }

    /// Adds a connection, with the state that its requests use.
    pub(crate) fn admit<H>(self: &Arc<Self>, held: H) -> (Arc<ConnectionState<H>>, ConnectionSlot) {
        let pulse = Arc::new(Activity::default());
        let number = self.next.fetch_add(1, Relaxed);
        locked(&self.watched).insert(
            number,
            Watched {
                pulse: Arc::clone(&pulse),
                sent: 0,
                checks: 0,
            },
        );
        let place = ConnectionSlot {
            connections: Arc::clone(self),
            number,
            pulse: Arc::clone(&pulse),
            is_listening: false,
            heard: 0,
        };
        (Arc::new(ConnectionState { held, pulse }), place)
    }

    /// Closes idle connections while it is polled.
    pub(crate) async fn keep(&self) {
        let mut checks = tokio::time::interval((self.idle / CHECKS).max(Duration::from_millis(1)));
        checks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            checks.tick().await;
            for watched in locked(&self.watched).values_mut() {
                if watched.is_silent() {
                    watched.pulse.end(End::Now);
                }
            }
        }
    }

    /// Asks all connections to end, and waits until they have.
    pub(crate) async fn end(&self) {
        for watched in locked(&self.watched).values() {
            watched.pulse.end(End::Soon);
        }
        while !locked(&self.watched).is_empty() {
            self.left.notified().await;
        }
    }
}

impl Watched {
    fn is_silent(&mut self) -> bool {
        let Activity {
            open,
            sent,
            is_pinged,
            ..
        } = &*self.pulse;
        let (open, sent, is_pinged) = (
            open.load(Relaxed),
            sent.load(Relaxed),
            is_pinged.load(Relaxed),
        );
        self.checks = if open == 0 && sent == self.sent && !is_pinged {
            self.checks + 1
        } else {
            0
        };
        self.sent = sent;
        // The first check may have come right after a write.
        self.checks > CHECKS
    }
}

/// Ignores poisoning: no guarded value is left inconsistent by a panic.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_silent_when_no_request_is_open_and_nothing_is_sent() {
        let connection = Arc::new(ConnectionState {
            held: (),
            pulse: Arc::default(),
        });
        let pulse = &connection.pulse;
        let mut watched = Watched {
            pulse: Arc::clone(pulse),
            sent: 0,
            checks: 0,
        };
        let mut silent_after = |checks: u32| {
            (1..=checks)
                .map(|_| watched.is_silent())
                .position(|silent| silent)
        };
        assert_eq!(silent_after(CHECKS), None);
        let guard = RequestGuard::begin(&connection, Version::HTTP_11);
        assert_eq!(silent_after(10 * CHECKS), None);
        drop(guard);
        pulse.sent.store(1, Relaxed);
        // One check sees the write; the next ones see no activity.
        assert_eq!(silent_after(3 * CHECKS), Some(1 + CHECKS as usize));
        drop(RequestGuard::begin(&connection, Version::HTTP_2));
        assert_eq!(silent_after(10 * CHECKS), None);
    }
}
