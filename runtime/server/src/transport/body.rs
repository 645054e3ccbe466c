//! Reads a whole request body within its bounds: its size, the memory of all bodies together
//! ([`budget`](super::budget)), the time between two pieces, a minimum rate, and the total time.
//!
//! Defaults: those of [`ServerLimits`]. A body that has already arrived, as nearly all have, uses
//! neither a timer nor a clock, and a small one does not touch the budget.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::limits::{BODY_GRACE, ServerLimits};
use http::Version;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Body;
use tokio::time::{Instant, timeout, timeout_at};

use crate::transport::budget::{Budget, SMALL, SMALL_STREAM, Share};

/// The alignment of tensors in memory, in bytes: one vector register loads it at once, and elements
/// do not cross it.
const ALIGNMENT: usize = 64;

/// The body of a response: whole, since every answer is computed before it is sent.
pub type ResponseBody = Full<Bytes>;

/// The bounds on one body.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    pub(crate) budget: &'a Arc<Budget>,
    pub(crate) bytes_max: usize,
    /// Bytes that the budget does not count.
    pub(crate) free: usize,
    pause: Duration,
    /// Least bytes a second; 0: no bound.
    rate: u64,
    whole: Duration,
}

impl<'a> Bounds<'a> {
    /// The server's bounds for this version of HTTP.
    pub(crate) const fn of(
        limits: &ServerLimits,
        budget: &'a Arc<Budget>,
        version: Version,
    ) -> Self {
        let is_alone = matches!(version, Version::HTTP_10 | Version::HTTP_11);
        Self {
            budget,
            bytes_max: limits.body_bytes,
            free: if is_alone { SMALL } else { SMALL_STREAM },
            pause: limits.client_timeout,
            rate: limits.body_rate,
            whole: limits.body_time,
        }
    }

    /// Lowers the size bound to `bytes`.
    pub(crate) fn at_most(self, bytes: usize) -> Self {
        Self {
            bytes_max: self.bytes_max.min(bytes),
            ..self
        }
    }

    /// An empty share of the budget.
    pub(crate) fn share(&self) -> Share {
        Share::none(self.budget, self.free)
    }
}

/// Reads a body. A body in one piece, as small ones are, is not copied. In a longer one the part
/// after `head` bytes is aligned, so that an engine can read a tensor in place.
pub(crate) async fn read_whole<B>(
    body: &mut B,
    head: usize,
    bounds: &Bounds<'_>,
) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bounds.bytes_max {
        return Err(too_large(bounds.bytes_max));
    }
    let (mut first, mut share, mut pace) = (Bytes::new(), None, Pace::default());
    let (mut whole, mut padding) = (BytesMut::new(), 0);
    while let Some(piece) = next_in_time(body, &mut pace, bounds).await? {
        let length = first.len() + whole.len() - padding + piece.len();
        if length > bounds.bytes_max {
            return Err(too_large(bounds.bytes_max));
        }
        if length > bounds.free {
            share.get_or_insert_with(|| bounds.share()).cover(length)?;
        }
        pace.received = length;
        if first.is_empty() && whole.is_empty() {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            // Untouched pages use no memory, so the reserved bytes are counted only as they arrive.
            whole.reserve(announced.max(first.len() + piece.len()) + ALIGNMENT);
            padding = whole.as_ptr().addr().wrapping_add(head).wrapping_neg() % ALIGNMENT;
            whole.resize(padding, 0);
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&piece);
    }
    let whole = if whole.is_empty() {
        first
    } else {
        whole.freeze().split_off(padding)
    };
    Ok(match share {
        Some(share) => share.hold(whole),
        None => whole,
    })
}

/// The next piece of a body that has no other bound in time but this one; `None` at the end.
pub(crate) async fn next_piece<B>(
    body: &mut B,
    patience: Duration,
) -> Result<Option<Bytes>, Failure>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    match at_once(body).await {
        Poll::Ready(piece) => piece,
        Poll::Pending => timeout(patience, next(body))
            .await
            .unwrap_or_else(|_| Err(Slow::Pause(patience).failure())),
    }
}

/// The progress of a body.
#[derive(Debug, Default)]
struct Pace {
    /// When the server first waited for it.
    began: Option<Instant>,
    received: usize,
}

/// The time bound that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    Pause(Duration),
    Rate { bytes: usize, rate: u64 },
    Whole(Duration),
}

impl Pace {
    /// The time by which the next piece must arrive, and the bound that sets it.
    fn deadline(&mut self, now: Instant, bounds: &Bounds<'_>) -> (Instant, Slow) {
        let began = *self.began.get_or_insert(now);
        let pause = (now + bounds.pause, Slow::Pause(bounds.pause));
        let whole = (began + bounds.whole, Slow::Whole(bounds.whole));
        let rate = (self.received as u64 * 1000)
            .checked_div(bounds.rate)
            .map(|millis| {
                let slow = Slow::Rate {
                    bytes: self.received,
                    rate: bounds.rate,
                };
                (began + BODY_GRACE + Duration::from_millis(millis), slow)
            });
        [Some(pause), Some(whole), rate]
            .into_iter()
            .flatten()
            .min_by_key(|(until, _)| *until)
            .unwrap_or(pause)
    }
}

impl Slow {
    #[cold]
    fn failure(self) -> Failure {
        let message = match self {
            Self::Pause(patience) => format!("the body stalled: no bytes for {patience:?}"),
            Self::Rate { bytes, rate } => format!(
                "the body came too slowly: {bytes} bytes so far, where at least {rate} a second are expected after the \
                 first {BODY_GRACE:?}"
            ),
            Self::Whole(bound) => {
                format!("the body took longer than {bound:?}, the longest time that is allowed")
            }
        };
        Failure::new(Kind::RequestTimeout, message)
    }
}

async fn next_in_time<B>(
    body: &mut B,
    pace: &mut Pace,
    bounds: &Bounds<'_>,
) -> Result<Option<Bytes>, Failure>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    if let Poll::Ready(piece) = at_once(body).await {
        return piece;
    }
    let (until, slow) = pace.deadline(Instant::now(), bounds);
    timeout_at(until, next(body))
        .await
        .unwrap_or_else(|_| Err(slow.failure()))
}

/// Polls once: a piece that has already arrived needs no timer.
async fn at_once<B>(body: &mut B) -> Poll<Result<Option<Bytes>, Failure>>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    let mut piece = pin!(next(body));
    std::future::poll_fn(|context| Poll::Ready(piece.as_mut().poll(context))).await
}

async fn next<B>(body: &mut B) -> Result<Option<Bytes>, Failure>
where
    B: Body<Data = Bytes, Error: std::fmt::Display> + Unpin,
{
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                // Trailers are ignored.
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
            Some(Err(error)) => {
                return Err(Failure::invalid("the body ended too early").because(error));
            }
        }
    }
}

fn too_large(bytes_max: usize) -> Failure {
    Failure::new(
        Kind::BodyTooLarge,
        format!("the body has more than {bytes_max} bytes, which is all that is taken here"),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use hyper::body::{Frame, SizeHint};
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: u64 = 250_000;
    const SECOND: Duration = Duration::from_secs(1);

    /// Pieces, each returned after this many pending polls.
    struct Pieces {
        left: VecDeque<(usize, usize)>,
        announced: u64,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.left.front_mut() {
                None => Poll::Ready(None),
                Some((0, length)) => {
                    let piece = Bytes::from(vec![7; *length]);
                    self.left.pop_front();
                    Poll::Ready(Some(Ok(Frame::data(piece))))
                }
                Some((wait, _)) => {
                    *wait -= 1;
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        }

        fn size_hint(&self) -> SizeHint {
            let mut hint = SizeHint::new();
            hint.set_lower(self.announced);
            hint
        }
    }

    fn bounds(budget: &Arc<Budget>) -> Bounds<'_> {
        Bounds::of(&ServerLimits::default(), budget, Version::HTTP_2)
    }

    #[test]
    fn the_nearest_bound_in_time_is_the_one_that_ends_a_body() {
        let budget = Budget::new(1);
        let bounds = Bounds {
            pause: SECOND * 20,
            rate: 1000,
            whole: SECOND * 60,
            ..bounds(&budget)
        };
        let began = Instant::now();
        let check = |after: u32, received: usize, bounds: &Bounds<'_>, until: u32, slow: Slow| {
            let mut pace = Pace {
                began: Some(began),
                received,
            };
            assert_eq!(
                pace.deadline(began + SECOND * after, bounds),
                (began + SECOND * until, slow)
            );
        };
        let rate = |bytes| Slow::Rate { bytes, rate: 1000 };
        check(0, 0, &bounds, 10, rate(0));
        check(5, 10_000, &bounds, 20, rate(10_000));
        check(5, 20_000, &bounds, 25, Slow::Pause(SECOND * 20));
        check(
            5,
            20_000,
            &Bounds { rate: 0, ..bounds },
            25,
            Slow::Pause(SECOND * 20),
        );
        check(50, 1_000_000, &bounds, 60, Slow::Whole(SECOND * 60));
        // The clock starts at the first wait.
        let mut pace = Pace::default();
        assert_eq!(pace.deadline(began, &bounds).0, began + SECOND * 10);
        assert_eq!(pace.began, Some(began));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]
        #[test]
        fn a_request_that_is_cut_off_anywhere_leaves_nothing_counted(
            pieces in prop::collection::vec((0..3_usize, 1..100_000_usize), 0..6),
            announces in any::<bool>(),
            polls in 0..20_usize,
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build()
                .unwrap();
            let _entered = runtime.enter();
            let total: usize = pieces.iter().map(|(_, length)| length).sum();
            let budget = Budget::new(BYTES_MAX);
            let announced = if announces { total as u64 } else { 0 };
            let mut body = Pieces { left: pieces.into(), announced };
            let bounds = bounds(&budget);
            let mut reading = Box::pin(read_whole(&mut body, 0, &bounds));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                match reading.as_mut().poll(&mut context) {
                    Poll::Ready(Ok(whole)) => {
                        prop_assert_eq!(whole.len(), total);
                        let counted = if total > SMALL_STREAM { total as u64 } else { 0 };
                        prop_assert_eq!(budget.used(), counted);
                        break;
                    }
                    Poll::Ready(Err(failure)) => {
                        prop_assert!(total as u64 > BYTES_MAX, "{}", failure);
                        prop_assert_eq!(failure.kind, Kind::Overloaded);
                        break;
                    }
                    Poll::Pending => prop_assert!(budget.used() <= BYTES_MAX),
                }
            }
            drop(reading);
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
