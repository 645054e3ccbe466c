//! A change whose client is gone is given up while it is prepared: what compiles for it is killed.
//!
//! Once a change is recorded it is carried out, whether its client waits or leaves.

use tokio::sync::watch;

/// Whether the client still waits. The default is a client that never leaves: the server itself.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Option<watch::Receiver<()>>);

/// Held while the client waits; the change is cancelled when it is dropped.
#[derive(Debug)]
pub struct CancelOnDrop(
    #[expect(dead_code, reason = "its end is what is waited for")] watch::Sender<()>,
);

/// The two ends of one request.
pub fn cancel_on_drop() -> (CancelOnDrop, Cancel) {
    let (sender, receiver) = watch::channel(());
    (CancelOnDrop(sender), Cancel(Some(receiver)))
}

impl Cancel {
    /// Done when the client is gone.
    pub(super) async fn cancelled(&self) {
        match &self.0 {
            // Nothing is ever sent: what ends this is that the sender is dropped.
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
