//! The signals that ask the server to stop. They are listened to from the start on.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::{CliError, Exit};

/// The signals that ask the server to stop.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// How it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM: by whoever also has to tell others that it goes.
    Terminate,
    /// SIGINT: by somebody who waits for it.
    Interrupt,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, CliError> {
        let broken =
            |error| CliError::new(Exit::Defect, format!("can't listen for signals: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(broken)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
        Ok(Self {
            terminate,
            interrupt,
        })
    }

    /// The next signal.
    pub(super) async fn asked_to_stop(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Terminate,
            _ = self.interrupt.recv() => Asked::Interrupt,
        }
    }
}
