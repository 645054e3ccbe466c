//! The terminal: switched to full screen, read, and restored, also after an error, a panic or a
//! signal.

use std::io;
use std::time::Duration;

use jiff::Timestamp;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::state::State;
use super::{CliError, Exit, screen};

/// Bound on the keys that wait to be handled; further typing blocks the reader thread.
const KEYS: usize = 64;
/// Interval at which the reader thread checks whether it should stop.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// A terminal for drawing. Dropping it restores the terminal; a panic restores it before its
/// message is printed.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    events: Receiver<io::Result<Event>>,
}

impl Screen {
    pub(super) fn open() -> Result<Self, CliError> {
        let (sender, events) = channel(KEYS);
        let terminal = ratatui::try_init().map_err(|error| {
            give_back();
            defect(&error)
        })?;
        let screen = Self { terminal, events };
        // The thread ends when the receiver is dropped; nothing joins it.
        let reading = std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || read(&sender));
        reading.map_err(|error| defect(&error))?;
        Ok(screen)
    }

    pub(super) fn draw(&mut self, state: &mut State) -> Result<(), CliError> {
        let now = Timestamp::now();
        self.terminal
            .draw(|frame| screen::draw(frame, state, now))
            .map_err(|error| defect(&error))?;
        Ok(())
    }

    /// The next key; `None` after a resize, which needs a redraw.
    pub(super) async fn pressed(&mut self) -> Result<Option<KeyEvent>, CliError> {
        match self.events.recv().await {
            Some(Ok(Event::Key(key))) => Ok(Some(key)),
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) => Err(defect(&error)),
            None => Err(CliError::new(
                Exit::Defect,
                "the terminal can no longer be read",
            )),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn give_back() {
    // A terminal that is gone needs no restoring.
    let _ = ratatui::try_restore();
}

fn defect(error: &io::Error) -> CliError {
    CliError::new(
        Exit::Defect,
        format!("the terminal can't be used: {error}; --once needs no terminal"),
    )
}

fn read(sender: &Sender<io::Result<Event>>) {
    while !sender.is_closed() {
        let read = match event::poll(CHECK_INTERVAL) {
            Ok(true) => event::read(),
            Ok(false) => continue,
            Err(error) => Err(error),
        };
        let is_over = read.is_err();
        if sender.blocking_send(read).is_err() || is_over {
            return;
        }
    }
}
