//! `hotstage top`: shows the traffic of a running server, redrawn every second; without a terminal,
//! once as text.
//!
//! The server measures (`GET /v1/traffic`) and returns the busiest versions and the totals, so ten
//! thousand pipelines cost no more than ten. If the server goes away, `top` reconnects. The
//! terminal is restored however the command ends.

mod ask;
mod columns;
mod keys;
mod plain;
mod screen;
mod state;
mod terminal;
mod words;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::ask::Asker;
use self::keys::Next;
use self::state::State;
use self::terminal::Screen;
use super::{CliError, Exit, Output, Remote, console, show};
use hotstage_client::Order;

/// The first measurement is short, so that something is shown soon.
const FIRST: Duration = Duration::from_millis(250);
/// Interval of reconnecting to a lost server, and of redrawing times.
const TICK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Length of each measurement, 0.1 to 60 seconds.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    every: Duration,
    /// Print one measurement as text and exit; this is the default without a terminal.
    #[arg(long)]
    once: bool,
    /// Order of the rows.
    #[arg(long, value_name = "ORDER", default_value = "rate", value_parser = orders())]
    sort: Order,
    #[command(flatten)]
    remote: Remote,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text
        .parse()
        .ok()
        .filter(|seconds| (0.1..=60.0).contains(seconds));
    let refuse = || format!("`{text}` is not a number of seconds from 0.1 to 60");
    seconds.map(Duration::from_secs_f64).ok_or_else(refuse)
}

fn orders() -> impl TypedValueParser<Value = Order> {
    let words = PossibleValuesParser::new(Order::ALL.map(Order::word));
    words.map(|word| Order::parse(&word).unwrap_or_default())
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let mut state = State::new(args.sort);
    let mut asker = Asker::new(&args.remote);
    if args.once || args.remote.output == Output::Json || !is_terminal() {
        let news = asker
            .ask(&state.request(args.every, plain::VERSIONS))
            .await?;
        match args.remote.output {
            Output::Json => show::json(&news.body),
            Output::Table => {
                state.learn(Ok(news), Timestamp::now());
                console::print(&plain::text(&state, Timestamp::now()));
            }
        }
        return Ok(());
    }
    // A server that can't be reached at the start is an error, as for every other verb.
    let first = asker.ask(&state.request(FIRST.min(args.every), 0)).await?;
    state.learn(Ok(first), Timestamp::now());
    live(args, state, asker).await
}

/// Whether the terminal supports drawing.
fn is_terminal() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

async fn live(args: &Args, mut state: State, mut asker: Asker<'_>) -> Result<(), CliError> {
    let mut signals = Signals::listen()?;
    let mut screen = Screen::open()?;
    loop {
        let was_paused = state.is_paused;
        let request = state.request(args.every, state.offset + state.page);
        let pause = if state.lost.is_some() {
            TICK
        } else {
            Duration::ZERO
        };
        let mut asking = Box::pin(async {
            if was_paused {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(pause).await;
            asker.ask(&request).await
        });
        loop {
            screen.draw(&mut state)?;
            tokio::select! {
                answer = &mut asking => {
                    if !state.is_paused {
                        state.learn(answer, Timestamp::now());
                    }
                    break;
                }
                pressed = screen.pressed() => {
                    if let Some(key) = pressed? && state.press(key) == Next::Quit {
                        return Ok(());
                    }
                    if was_paused && !state.is_paused {
                        break;
                    }
                }
                () = signals.asked_to_stop() => return Ok(()),
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }
}

/// The signals that end the command.
struct Signals([Signal; 3]);

impl Signals {
    fn listen() -> Result<Self, CliError> {
        let listen = |kind| signal(kind).map_err(|error| CliError::new(Exit::Defect, error));
        let (terminate, interrupt) = (
            listen(SignalKind::terminate())?,
            listen(SignalKind::interrupt())?,
        );
        Ok(Self([terminate, interrupt, listen(SignalKind::hangup())?]))
    }

    async fn asked_to_stop(&mut self) {
        let [terminate, interrupt, hangup] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_few_and_not_none() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "61", "-1", "NaN", "inf", "1s", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
