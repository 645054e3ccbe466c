//! Reads the output of a process line by line.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use super::PATIENCE;

/// One of a process's output streams. A thread reads it to its end.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Default)]
struct Shared {
    text: Mutex<Text>,
    news: Condvar,
}

#[derive(Default)]
struct Text {
    lines: Vec<String>,
    is_over: bool,
}

impl Lines {
    /// Starts reading.
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let shared = Arc::clone(&lines.0);
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                shared
                    .text
                    .lock()
                    .unwrap()
                    .lines
                    .push(String::from_utf8_lossy(&line).into_owned());
                shared.news.notify_all();
            }
            shared.text.lock().unwrap().is_over = true;
            shared.news.notify_all();
        });
        lines
    }

    /// Waits for the first line that `is` accepts; `None` if the stream ended without it.
    pub(crate) fn find(&self, mut is: impl FnMut(&str) -> bool) -> Option<String> {
        self.wait(|text| match text.lines.iter().find(|line| is(line)) {
            Some(line) => Some(Some(line.clone())),
            None => text.is_over.then_some(None),
        })
    }

    /// Whether there is such a line already.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.0
            .text
            .lock()
            .unwrap()
            .lines
            .iter()
            .any(|line| line.contains(word))
    }

    /// All lines, after the stream has ended.
    pub(crate) fn all(&self) -> Vec<String> {
        self.wait(|text| text.is_over.then(|| text.lines.clone()))
    }

    fn wait<T>(&self, mut ready: impl FnMut(&Text) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.0.text.lock().unwrap();
        loop {
            if let Some(ready) = ready(&text) {
                return ready;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited for {PATIENCE:?}; printed so far:\n{}",
                text.lines.join("\n")
            );
            text = self.0.news.wait_timeout(text, left).unwrap().0;
        }
    }
}
