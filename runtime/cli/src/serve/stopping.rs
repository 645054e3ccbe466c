//! How a server stops: it reports not ready but still accepts, then drains, then exits.
//!
//! Load balancers notice a stopping server some seconds late. So after SIGTERM it still accepts for
//! `--stop-grace` (3 s), and each answer asks its client to reconnect. Then the listeners close,
//! and requests in flight may end within `--drain-timeout`. A second signal cuts off both.

use std::time::Duration;

use tokio::sync::watch::Sender;
use tokio::task::JoinHandle;

use super::super::{CliError, Exit};
use super::signals::{Asked, Signals};
use hotstage_server::frontends::app::App;
use hotstage_server::serving::registry::Phase;

/// The listeners' tasks. Each returns whether all its requests in flight finished.
pub(super) struct Listeners {
    pub(super) stop: Sender<bool>,
    pub(super) serving: JoinHandle<bool>,
    pub(super) administering: Option<JoinHandle<bool>>,
}

/// Stops the server. Returns whether requests were cut off.
pub(super) async fn stop(
    app: &App,
    signals: &mut Signals,
    asked: Asked,
    grace: Duration,
    listeners: Listeners,
) -> Result<Exit, CliError> {
    app.serving.registry.enter(Phase::Stopping);
    let grace = if asked == Asked::Terminate {
        grace
    } else {
        Duration::ZERO
    };
    let drained = tokio::select! {
        drained = drain(grace, listeners) => drained?,
        _ = signals.asked_to_stop() => {
            let in_flight = app.serving.counts.in_flight();
            tracing::warn!(in_flight, "a second signal: ending at once");
            in_flight == 0
        }
    };
    if drained {
        return Ok(Exit::Done);
    }
    tracing::warn!(after = ?app.limits.drain, "requests in flight were cut off");
    Ok(Exit::CutOff)
}

async fn drain(grace: Duration, listeners: Listeners) -> Result<bool, CliError> {
    if !grace.is_zero() {
        tracing::info!(
            ?grace,
            "stopping: not ready any more, and accepting requests for a while"
        );
        tokio::time::sleep(grace).await;
    }
    tracing::info!("draining");
    listeners.stop.send_replace(true);
    let lost = |error| CliError::new(Exit::Defect, format!("a listener failed: {error}"));
    let mut drained = listeners.serving.await.map_err(lost)?;
    if let Some(administering) = listeners.administering {
        drained &= administering.await.map_err(lost)?;
    }
    Ok(drained)
}
