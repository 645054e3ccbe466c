//! The shared memory's parts: a head for the load, a lane for each computation at once, the file of
//! the graph.
//!
//! A lane has a word for questions, which the server writes, and one for answers, which the process
//! writes; each counts up. A question is a new number behind its data; an answer is the same number
//! behind its own. Between the two the data belongs to the process, otherwise to the server. Who
//! waits looks for a moment first (`LOOK`), where the other side is likely to be quick, and sleeps
//! then. Bounds: [`LANES_MAX`] and [`AREA`].

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::shared::{Shared, wait, wake};

/// Lanes of one graph.
pub(super) const LANES_MAX: usize = 64;
/// Bytes of all inputs of one computation, and of all its outputs. Address space: what is not used
/// takes no memory.
pub(super) const AREA: usize = 1 << 30;
/// Bytes of each area that stay in memory between computations.
pub(super) const KEPT: usize = 4 << 20;

const PAGE: usize = 4096;
const LANE: usize = PAGE + 2 * AREA;

// Words of the head.
const LOADED: usize = 0;

// Words of a lane, those of one side away from those of the other.
const QUESTION: usize = 0;
const ANSWER_AWAITED: usize = 8;
const ANSWER: usize = 256;
const QUESTION_AWAITED: usize = 264;
const NUMBERS: usize = 512;

/// What goes along with a question or an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Bytes of the description at the beginning of the area.
    pub(super) head: u64,
    /// Nanoseconds that are left.
    pub(super) time: u64,
    pub(super) memory: u64,
    pub(super) output: u64,
}

/// Bytes of shared memory for a graph.
pub(super) const fn length(lanes: usize, file: usize) -> usize {
    file_at(lanes) + file
}

/// Where the file of the graph lies.
pub(super) const fn file_at(lanes: usize) -> usize {
    PAGE + lanes * LANE
}

/// Says that the load is over.
pub(super) fn say_loaded(shared: &Shared) {
    shared.word(LOADED).store(1, SeqCst);
    wake(shared.word(LOADED));
}

/// Waits for that, but not longer than `most`.
pub(super) fn is_loaded(shared: &Shared, most: Duration) -> bool {
    if shared.word(LOADED).load(SeqCst) == 0 {
        wait(shared.word(LOADED), 0, Some(most));
    }
    shared.word(LOADED).load(SeqCst) == 1
}

/// One lane of shared memory, as both sides see it.
#[derive(Clone, Copy)]
pub(super) struct Lane<'a> {
    pub(super) shared: &'a Shared,
    at: usize,
}

impl<'a> Lane<'a> {
    pub(super) const fn new(shared: &'a Shared, number: usize) -> Self {
        Self {
            shared,
            at: PAGE + number * LANE,
        }
    }

    /// Where inputs lie.
    pub(super) const fn inputs(&self) -> usize {
        self.at + PAGE
    }

    /// Where outputs lie.
    pub(super) const fn outputs(&self) -> usize {
        self.at + PAGE + AREA
    }

    /// Numbers of the question; behind them those of the answer.
    pub(super) fn say(&self, which: Side, numbers: Numbers) {
        let Numbers {
            head,
            time,
            memory,
            output,
        } = numbers;
        for (place, number) in [head, time, memory, output].into_iter().enumerate() {
            self.shared
                .long(self.numbers(which) + 8 * place)
                .store(number, SeqCst);
        }
    }

    pub(super) fn said(&self, which: Side) -> Numbers {
        let at = |place: usize| {
            self.shared
                .long(self.numbers(which) + 8 * place)
                .load(SeqCst)
        };
        Numbers {
            head: at(0),
            time: at(1),
            memory: at(2),
            output: at(3),
        }
    }

    const fn numbers(&self, which: Side) -> usize {
        self.at + NUMBERS + 64 * which as usize
    }

    /// Hands the lane to the other side.
    pub(super) fn hand_over(&self, from: Side, number: u32) {
        let (word, awaited) = self.words(from);
        self.shared.word(word).store(number, SeqCst);
        if self.shared.word(awaited).load(SeqCst) != 0 {
            wake(self.shared.word(word));
        }
    }

    /// What the other side's word says.
    pub(super) fn number_of(&self, side: Side) -> u32 {
        self.shared.word(self.words(side).0).load(SeqCst)
    }

    /// Waits until the side's word is another than `seen`: awake for `look`, then asleep until
    /// `most` has passed.
    pub(super) fn await_other(
        &self,
        side: Side,
        seen: u32,
        look: Duration,
        most: Option<Duration>,
    ) -> u32 {
        let (word, awaited) = self.words(side);
        let word = self.shared.word(word);
        if !look.is_zero() {
            let began = Instant::now();
            while began.elapsed() < look {
                for _ in 0..32 {
                    if word.load(SeqCst) != seen {
                        return word.load(SeqCst);
                    }
                    std::hint::spin_loop();
                }
            }
        }
        self.shared.word(awaited).store(1, SeqCst);
        // The kernel reads the word once more before the thread sleeps: a change in between is not
        // missed.
        if word.load(SeqCst) == seen {
            wait(word, seen, most);
        }
        self.shared.word(awaited).store(0, SeqCst);
        word.load(SeqCst)
    }

    /// Sleeps for a moment, or until the side's word changes while its own reader sleeps as well.
    pub(super) fn nap(&self, side: Side, most: Duration) {
        let word = self.shared.word(self.words(side).0);
        wait(word, word.load(SeqCst), Some(most));
    }

    const fn words(&self, side: Side) -> (usize, usize) {
        match side {
            Side::Server => (self.at + QUESTION, self.at + QUESTION_AWAITED),
            Side::Process => (self.at + ANSWER, self.at + ANSWER_AWAITED),
        }
    }
}

/// Whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The server's: questions.
    Server = 0,
    /// The process's: answers.
    Process = 1,
}
