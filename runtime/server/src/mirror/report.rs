//! What a mirror has seen: window by window, and the answers that differed most.
//!
//! Bounds: [`WINDOWS_MAX`] windows of [`WINDOW`] each; as many examples as the route allows, none of more than
//! [`EXAMPLE_BYTES_MAX`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hotstage_core::agreement::Agreement;
use hotstage_core::failure::Failure;
use hotstage_core::request::Payload;
use hotstage_core::tensor::Tensor;

use super::weight;

/// How long a window is.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Windows that are kept.
const WINDOWS_MAX: usize = 60;
/// Bytes of tensors of an example.
const EXAMPLE_BYTES_MAX: usize = 64 << 10;

/// All of it.
#[derive(Debug)]
pub struct Report {
    /// The newest last.
    pub windows: VecDeque<Window>,
    /// Since the mirror began.
    pub all: Window,
    /// The worst first.
    pub worst: Vec<Example>,
    keep: usize,
}

/// What was seen in a while.
#[derive(Clone, Debug)]
pub struct Window {
    /// When it began.
    pub began: Instant,
    /// Answers that were compared.
    pub compared: u64,
    /// Of those, the ones that do not agree.
    pub disagreed: u64,
    /// Copies that got no answer.
    pub failed: u64,
    /// What the last of those said.
    pub failure: Option<String>,
    /// In the order of the outputs.
    pub outputs: Vec<Agreement>,
}

/// Two answers that differ.
#[derive(Clone, Debug)]
pub struct Example {
    /// How much, to put them in order.
    pub badness: f64,
    /// What was asked.
    pub request: Payload,
    /// What the client got.
    pub answer: Vec<Tensor>,
    /// What the mirror would have said.
    pub mirrored: Vec<Tensor>,
}

impl Window {
    fn new(outputs: usize) -> Self {
        Self {
            began: Instant::now(),
            compared: 0,
            disagreed: 0,
            failed: 0,
            failure: None,
            outputs: vec![Agreement::default(); outputs],
        }
    }
}

impl Report {
    pub(super) fn new(outputs: usize, keep: usize) -> Self {
        Self { windows: VecDeque::new(), all: Window::new(outputs), worst: Vec::new(), keep }
    }

    /// Compares two answers; says whether they agree. The request is kept with them if they differ much.
    pub(super) fn compare(
        &mut self,
        request: Option<&Payload>,
        answer: &[Tensor],
        mirrored: &[Tensor],
        tolerance: Option<f64>,
    ) -> bool {
        let (mut agrees, mut badness) = (true, 0.0_f64);
        let mut seen = vec![Agreement::default(); self.all.outputs.len()];
        for ((one, other), seen) in answer.iter().zip(mirrored).zip(&mut seen) {
            let said = seen.add(one, other, tolerance);
            agrees &= said.agrees;
            badness = badness.max(said.badness);
        }
        for window in self.now() {
            window.compared += 1;
            window.disagreed += u64::from(!agrees);
            window.outputs.iter_mut().zip(&seen).for_each(|(sum, seen)| sum.join(seen));
        }
        if let Some(request) = request.filter(|_| badness > 0.0) {
            self.keep(badness, request, answer, mirrored);
        }
        agrees
    }

    pub(super) fn fail(&mut self, failure: &Failure) {
        for window in self.now() {
            window.failed += 1;
            window.failure = Some(failure.message.clone());
        }
    }

    fn keep(&mut self, badness: f64, request: &Payload, answer: &[Tensor], mirrored: &[Tensor]) {
        let place = self.worst.iter().position(|kept| kept.badness < badness).unwrap_or(self.worst.len());
        if place >= self.keep || weight(request, [answer, mirrored]) > EXAMPLE_BYTES_MAX {
            return;
        }
        let (request, answer, mirrored) = (request.clone(), answer.to_vec(), mirrored.to_vec());
        self.worst.insert(place, Example { badness, request, answer, mirrored });
        self.worst.truncate(self.keep);
    }

    /// The window of this moment, and that of all time.
    fn now(&mut self) -> impl Iterator<Item = &mut Window> {
        if self.windows.back().is_none_or(|window| window.began.elapsed() >= WINDOW) {
            if self.windows.len() == WINDOWS_MAX {
                self.windows.pop_front();
            }
            self.windows.push_back(Window::new(self.all.outputs.len()));
        }
        self.windows.back_mut().into_iter().chain([&mut self.all])
    }
}
