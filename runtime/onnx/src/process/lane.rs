//! The layout of the shared memory: a head for the load, a lane for each concurrent computation,
//! the file of the graph.
//!
//! A lane has a word for questions, which the server writes, and one for answers, which the process
//! writes; each counts up. A question is its data and then a new number; an answer is its data and
//! then the same number. In between the data belongs to the process, otherwise to the server. A
//! waiting side spins first, if the other side is likely to be quick, and then sleeps. Bounds:
//! [`LANES_MAX`] and [`AREA`].

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::shared::{Shared, wait, wake};

/// Lanes of one graph.
pub(super) const LANES_MAX: usize = 64;
/// Bytes of all inputs of one computation, and of all its outputs. This is address space: unused
/// bytes take no memory.
pub(super) const AREA: usize = 1 << 30;
/// Bytes of each area that stay in memory between computations.
pub(super) const KEPT: usize = 4 << 20;

const PAGE: usize = 4096;
const LANE: usize = PAGE + 2 * AREA;

// Words of the head.
const LOADED: usize = 0;

// Words of a lane, on separate cache lines for the two sides.
const QUESTION: usize = 0;
const ANSWER_AWAITED: usize = 8;
const ANSWER: usize = 256;
const QUESTION_AWAITED: usize = 264;
const NUMBERS: usize = 512;

/// The numbers that accompany a question or an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Bytes of the description at the beginning of the area.
    pub(super) head: u64,
    /// Nanoseconds that remain.
    pub(super) time: u64,
    pub(super) memory: u64,
    pub(super) output: u64,
}

/// Bytes of shared memory for a graph.
pub(super) const fn length(lanes: usize, file: usize) -> usize {
    file_at(lanes) + file
}

/// The offset of the graph's file.
pub(super) const fn file_at(lanes: usize) -> usize {
    PAGE + lanes * LANE
}

/// Signals that the load is over.
pub(super) fn say_loaded(shared: &Shared) {
    shared.word(LOADED).store(1, SeqCst);
    wake(shared.word(LOADED));
}

/// Waits for that signal, at most `most`.
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

    /// The offset of the inputs.
    pub(super) const fn inputs(&self) -> usize {
        self.at + PAGE
    }

    /// The offset of the outputs.
    pub(super) const fn outputs(&self) -> usize {
        self.at + PAGE + AREA
    }

    /// Writes the numbers of a question or an answer.
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

    /// The value of a side's word.
    pub(super) fn number_of(&self, side: Side) -> u32 {
        self.shared.word(self.words(side).0).load(SeqCst)
    }

    /// Waits until the side's word differs from `seen`: spins for `spin`, then sleeps until `most`
    /// has passed.
    pub(super) fn await_other(
        &self,
        side: Side,
        seen: u32,
        spin: Duration,
        most: Option<Duration>,
    ) -> u32 {
        let (word, awaited) = self.words(side);
        let word = self.shared.word(word);
        if !spin.is_zero() {
            let began = Instant::now();
            while began.elapsed() < spin {
                for _ in 0..32 {
                    if word.load(SeqCst) != seen {
                        return word.load(SeqCst);
                    }
                    std::hint::spin_loop();
                }
            }
        }
        self.shared.word(awaited).store(1, SeqCst);
        // The kernel reads the word once more before the thread sleeps, so a change in between is
        // not missed.
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

/// The side that writes a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The server: questions.
    Server = 0,
    /// The process: answers.
    Process = 1,
}
