//! A graph that computes in this process, on the caller's thread.
//!
//! An engine does not yield its thread while it computes. So only a computation that is known to be
//! short starts on the request's thread: one with no more bytes of input than an earlier one that
//! was short. Every other one yields the thread first, and continues on the executor's threads for
//! long ones. Bound of short: [`SHORT`]. A graph whose cost depends on the values of its inputs (a
//! loop, a size that is data) is never known to be short.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hotstage_core::signature::Signature;
use hotstage_core::tensor::Tensor;

use super::errors::ComputeError;
use super::registers::CleanAfter;
use super::{Bounds, Network};

/// How long a computation may take on the request's thread: half of what guests may.
const SHORT: Duration = Duration::from_micros(500);

pub(super) struct Local {
    network: Box<dyn Network>,
    changes_with_values: bool,
    /// One more than the most bytes of input that were computed in a short time; 0: none yet.
    short_below: AtomicU64,
}

impl Local {
    pub(super) fn new(network: Box<dyn Network>, changes_with_values: bool) -> Self {
        Self {
            network,
            changes_with_values,
            short_below: AtomicU64::new(0),
        }
    }

    pub(super) fn signature(&self) -> &Signature {
        self.network.signature()
    }

    pub(super) fn copies_to_come(&self) -> u64 {
        self.network.copies_to_come()
    }

    pub(super) async fn compute(
        &self,
        inputs: &[Tensor],
        bounds: &Bounds,
    ) -> Result<Vec<Tensor>, ComputeError> {
        let bytes: u64 = inputs.iter().map(|input| input.data().len() as u64).sum();
        if self.changes_with_values || bytes >= self.short_below.load(Relaxed) {
            GiveUpThread::default().await;
        }
        let began = Instant::now();
        let result = self.now(inputs, bounds);
        self.learn(bytes, began.elapsed());
        result
    }

    /// The same, on this thread, however long it takes.
    pub(super) fn now(
        &self,
        inputs: &[Tensor],
        bounds: &Bounds,
    ) -> Result<Vec<Tensor>, ComputeError> {
        let _clean = CleanAfter;
        self.network.compute(inputs, bounds)
    }

    /// Written only when the value changes: all threads share it.
    fn learn(&self, bytes: u64, took: Duration) {
        let below = self.short_below.load(Relaxed);
        if took > SHORT && bytes < below {
            self.short_below.store(bytes, Relaxed);
        } else if took <= SHORT && bytes >= below {
            self.short_below.store(bytes.saturating_add(1), Relaxed);
        }
    }
}

/// Pending once, so that the executor may move the task to another thread.
#[derive(Default)]
pub(super) struct GiveUpThread {
    done: bool,
}

impl Future for GiveUpThread {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.done {
            return Poll::Ready(());
        }
        self.done = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Bytes;
    use hotstage_core::datatype::Datatype;
    use hotstage_core::tensor::Shape;

    use super::*;

    /// Takes as long as its last input says, in milliseconds.
    struct Slow(Signature);

    impl Network for Slow {
        fn signature(&self) -> &Signature {
            &self.0
        }

        fn compute(&self, inputs: &[Tensor], _: &Bounds) -> Result<Vec<Tensor>, ComputeError> {
            let began = Instant::now();
            let long = inputs.iter().any(|input| input.data().contains(&1));
            while long && began.elapsed() < SHORT * 4 {}
            Ok(Vec::new())
        }
    }

    fn input(bytes: usize, value: u8) -> Tensor {
        let shape = Shape::from_slice(&[bytes as u64]);
        Tensor::new(Datatype::Uint8, shape, Bytes::from(vec![value; bytes])).unwrap()
    }

    /// Whether it starts on the calling thread.
    fn begins_here(graph: &Local, inputs: &[Tensor]) -> bool {
        let bounds = Bounds {
            deadline: Instant::now() + Duration::from_secs(60),
            memory: 1 << 30,
            output: 1 << 30,
        };
        let mut computing = std::pin::pin!(graph.compute(inputs, &bounds));
        let mut context = Context::from_waker(Waker::noop());
        match computing.as_mut().poll(&mut context) {
            Poll::Ready(result) => result.is_ok(),
            Poll::Pending => {
                assert!(computing.as_mut().poll(&mut context).is_ready());
                false
            }
        }
    }

    #[test]
    fn only_what_is_known_to_be_short_begins_on_the_askers_thread() {
        let signature = || Signature {
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        let graph = Local::new(Box::new(Slow(signature())), false);
        assert!(
            !begins_here(&graph, &[input(100, 0)]),
            "nothing is known yet"
        );
        // A machine that stalls for a moment may make one computation long.
        assert!((0..20).any(|_| begins_here(&graph, &[input(100, 0)])));
        assert!(
            !begins_here(&graph, &[input(101, 1)]),
            "larger than what was short"
        );
        begins_here(&graph, &[input(50, 1)]);
        assert!(
            !begins_here(&graph, &[input(100, 0)]),
            "even a smaller one took long"
        );
        let graph = Local::new(Box::new(Slow(signature())), true);
        assert!(
            (0..20).all(|_| !begins_here(&graph, &[input(1, 0)])),
            "its values decide"
        );
    }
}
