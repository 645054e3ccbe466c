//! The connections of a listener: silent ones are closed, and at the end all are told.
//!
//! Silent is who says nothing, stops in the middle of a request's headers, has no more to ask, or
//! takes no more of an answer: a connection that answers no request, and to which nothing could be
//! sent, for [`ServerLimits::idle`]. One task looks at all of them, five times in that time, and
//! compares what each has counted; it closes them up to one look later than it might. So a request
//! costs some additions to memory that its connection has for itself, where a timer of its own and
//! a channel to hear of the end through would cost a tenth of all that is done for it. Those that
//! speak HTTP/2 are left alone once they have asked something: pings find those that are dead.
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

/// Looks in the time that a connection may be silent.
const LOOKS: u32 = 5;

/// What a connection counts, in a line of memory that it has for itself.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Activity {
    /// Requests that are answered now.
    open: AtomicU32,
    /// Times that something was sent.
    sent: AtomicU32,
    /// It asked in HTTP/2.
    is_pinged: AtomicBool,
    /// It ends before all is read that its client sends.
    is_unread: AtomicBool,
    /// How it is to end: an [`End`].
    end: AtomicU8,
    /// Its task, once that runs.
    task: Mutex<Option<Waker>>,
}

/// How a connection ends before it does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[repr(u8)]
pub(crate) enum End {
    /// When what it is about is done.
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

/// A connection with whatever its requests use.
pub(crate) struct ConnectionState<H> {
    held: H,
    pulse: Arc<Activity>,
}

/// One request of a connection, until its answer is made.
pub struct RequestGuard<H>(Arc<ConnectionState<H>>);

impl<H> RequestGuard<H> {
    pub(crate) fn begin(caller: &Arc<ConnectionState<H>>, version: Version) -> Self {
        caller.pulse.open.fetch_add(1, Relaxed);
        if version == Version::HTTP_2 {
            caller.pulse.is_pinged.store(true, Relaxed);
        }
        Self(Arc::clone(caller))
    }

    /// The connection ends with this answer, though its client still sends something.
    pub(crate) fn leaves_unread(&self) {
        self.0.pulse.is_unread.store(true, Relaxed);
    }

    /// Has its connection end when what it is about is done.
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

/// A connection's place among the connections, which it has until this is dropped; its task hears
/// here how it is to end.
pub(crate) struct ConnectionSlot {
    connections: Arc<Connections>,
    number: u64,
    pulse: Arc<Activity>,
    is_listening: bool,
    heard: u8,
}

impl ConnectionSlot {
    /// Its stream, whose sound is heard here.
    pub(crate) fn hears(&self, stream: TcpStream) -> TrackedStream {
        TrackedStream::new(stream, Arc::clone(&self.pulse))
    }

    /// How it is to end, said once. To be asked each time that the task is polled.
    pub(crate) fn listen(&mut self, context: &Context<'_>) -> Option<End> {
        if !self.is_listening {
            // Whoever ends it finds this, or it finds below that it is ended: both have had the
            // lock before they look.
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
    /// One has left.
    left: Notify,
}

#[derive(Debug)]
struct Watched {
    pulse: Arc<Activity>,
    /// What it had sent at the last look, and for how many looks that has been so.
    sent: u32,
    looks: u32,
}

impl Connections {
    /// Connections may be silent for so long.
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            idle,
            next: AtomicU64::new(0),
            watched: Mutex::default(),
            left: Notify::new(),
        }
    }

    /// A connection that comes, with what its requests use.
    pub(crate) fn admit<H>(self: &Arc<Self>, held: H) -> (Arc<ConnectionState<H>>, ConnectionSlot) {
        let pulse = Arc::new(Activity::default());
        let number = self.next.fetch_add(1, Relaxed);
        locked(&self.watched).insert(
            number,
            Watched {
                pulse: Arc::clone(&pulse),
                sent: 0,
                looks: 0,
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

    /// Closes connections that are silent, for as long as it is polled.
    pub(crate) async fn keep(&self) {
        let mut looks = tokio::time::interval((self.idle / LOOKS).max(Duration::from_millis(1)));
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            for watched in locked(&self.watched).values_mut() {
                if watched.is_silent() {
                    watched.pulse.end(End::Now);
                }
            }
        }
    }

    /// Tells all that they are to end, and waits until they have.
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
        self.looks = if open == 0 && sent == self.sent && !is_pinged {
            self.looks + 1
        } else {
            0
        };
        self.sent = sent;
        // The first of them may have come right after it spoke.
        self.looks > LOOKS
    }
}

/// A list of numbers is never half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_is_who_neither_waits_for_an_answer_nor_takes_one() {
        let caller = Arc::new(ConnectionState {
            held: (),
            pulse: Arc::default(),
        });
        let pulse = &caller.pulse;
        let mut watched = Watched {
            pulse: Arc::clone(pulse),
            sent: 0,
            looks: 0,
        };
        let mut silent_after = |looks: u32| {
            (1..=looks)
                .map(|_| watched.is_silent())
                .position(|silent| silent)
        };
        assert_eq!(silent_after(LOOKS), None);
        let visit = RequestGuard::begin(&caller, Version::HTTP_11);
        assert_eq!(silent_after(10 * LOOKS), None);
        drop(visit);
        pulse.sent.store(1, Relaxed);
        // The look that sees the answer, and then those that see nothing more.
        assert_eq!(silent_after(3 * LOOKS), Some(1 + LOOKS as usize));
        drop(RequestGuard::begin(&caller, Version::HTTP_2));
        assert_eq!(silent_after(10 * LOOKS), None);
    }
}
