//! Cancellation of a change whose client disconnects: preparation stops and its compiler processes
//! are killed.
//!
//! A change that is already being recorded is completed in any case.

use tokio::sync::watch;

/// Tells whether the client is still connected. The default is never cancelled: the server itself.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Option<watch::Receiver<()>>);

/// Held while the client is connected. Dropping it cancels the change.
#[derive(Debug)]
pub struct CancelOnDrop(
    #[expect(dead_code, reason = "dropping it is the signal")] watch::Sender<()>,
);

/// The two ends for one request.
pub fn cancel_on_drop() -> (CancelOnDrop, Cancel) {
    let (sender, receiver) = watch::channel(());
    (CancelOnDrop(sender), Cancel(Some(receiver)))
}

impl Cancel {
    /// Completes when the client has disconnected.
    pub(super) async fn cancelled(&self) {
        match &self.0 {
            // Nothing is ever sent; the sender is dropped.
            Some(receiver) => while receiver.clone().changed().await.is_ok() {},
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn it_is_cancelled_when_the_client_is_gone_and_not_before() {
        let (waits, cancel) = cancel_on_drop();
        let mut context = Context::from_waker(Waker::noop());
        let mut cancelled = pin!(cancel.cancelled());
        assert!(cancelled.as_mut().poll(&mut context).is_pending());
        drop(waits);
        assert!(cancelled.as_mut().poll(&mut context).is_ready());
        assert!(
            pin!(Cancel::default().cancelled())
                .poll(&mut context)
                .is_pending()
        );
    }
}
