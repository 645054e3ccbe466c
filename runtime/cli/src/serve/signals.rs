//! The signals that stop the server. The handlers are installed at the start.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::super::{CliError, Exit};

/// Receives the signals that stop the server.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

/// Which signal it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM: from a supervisor; load balancers must learn of the stop first.
    Terminate,
    /// SIGINT: from a person at a terminal.
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

    /// Waits for the next signal.
    pub(super) async fn asked_to_stop(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Terminate,
            _ = self.interrupt.recv() => Asked::Interrupt,
        }
    }
}
