//! The results of a mirror: agreement in time windows, and the answers that differed most.
//!
//! The examples are exact: of all compared answers that are small enough, those with the highest
//! [`Severity`]; of two equal ones, the earlier. Bounds: [`WINDOWS_MAX`] windows of [`WINDOW`]
//! each; as many examples as the route's `keep`, each of at most [`EXAMPLE_BYTES_MAX`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hotstage_core::agreement::{Agreement, Severity};
use hotstage_core::failure::Failure;
use hotstage_core::request::Payload;
use hotstage_core::tensor::Tensor;

use super::weight;

/// The length of a window.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Windows that are kept.
const WINDOWS_MAX: usize = 60;
/// Largest number of tensor bytes in one example.
const EXAMPLE_BYTES_MAX: usize = 64 << 10;

/// The results of one mirror.
#[derive(Debug)]
pub struct Report {
    /// The newest last.
    pub windows: VecDeque<Window>,
    /// Totals since the mirror began.
    pub all: Window,
    /// The most severe first.
    pub worst: Vec<Example>,
    keep: usize,
}

/// The results of one time window.
#[derive(Clone, Debug)]
pub struct Window {
    /// When it began.
    pub began: Instant,
    /// Answers that were compared.
    pub compared: u64,
    /// Compared answers that disagree.
    pub disagreed: u64,
    /// Copies that failed.
    pub failed: u64,
    /// The message of the last failure.
    pub failure: Option<String>,
    /// In the order of the outputs.
    pub outputs: Vec<Agreement>,
}

/// Two answers that differ.
#[derive(Clone, Debug)]
pub struct Example {
    /// How much they differ.
    pub severity: Severity,
    /// The request.
    pub request: Payload,
    /// The answer that the client got.
    pub answer: Vec<Tensor>,
    /// The answer of the mirror.
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
        Self {
            windows: VecDeque::new(),
            all: Window::new(outputs),
            worst: Vec::new(),
            keep,
        }
    }

    /// Compares two answers; returns whether they agree. Keeps the request with both if they differ
    /// enough.
    pub(super) fn compare(
        &mut self,
        request: Option<&Payload>,
        answer: &[Tensor],
        mirrored: &[Tensor],
        tolerance: Option<f64>,
    ) -> bool {
        let (mut agrees, mut severity) = (true, Severity::default());
        let mut seen = vec![Agreement::default(); self.all.outputs.len()];
        for ((one, other), seen) in answer.iter().zip(mirrored).zip(&mut seen) {
            let said = seen.add(one, other, tolerance);
            agrees &= said.agrees;
            severity = severity.and(said.severity);
        }
        for window in self.now() {
            window.compared += 1;
            window.disagreed += u64::from(!agrees);
            window
                .outputs
                .iter_mut()
                .zip(&seen)
                .for_each(|(sum, seen)| sum.join(seen));
        }
        if let Some(request) = request.filter(|_| !severity.is_none()) {
            self.keep(severity, request, answer, mirrored);
        }
        agrees
    }

    pub(super) fn fail(&mut self, failure: &Failure) {
        for window in self.now() {
            window.failed += 1;
            window.failure = Some(failure.message.clone());
        }
    }

    fn keep(
        &mut self,
        severity: Severity,
        request: &Payload,
        answer: &[Tensor],
        mirrored: &[Tensor],
    ) {
        let place = self
            .worst
            .iter()
            .position(|kept| kept.severity < severity)
            .unwrap_or(self.worst.len());
        if place >= self.keep || weight(request, [answer, mirrored]) > EXAMPLE_BYTES_MAX {
            return;
        }
        let (request, answer, mirrored) = (request.clone(), answer.to_vec(), mirrored.to_vec());
        self.worst.insert(
            place,
            Example {
                severity,
                request,
                answer,
                mirrored,
            },
        );
        self.worst.truncate(self.keep);
    }

    /// The current window and the totals.
    fn now(&mut self) -> impl Iterator<Item = &mut Window> {
        if self
            .windows
            .back()
            .is_none_or(|window| window.began.elapsed() >= WINDOW)
        {
            if self.windows.len() == WINDOWS_MAX {
                self.windows.pop_front();
            }
            self.windows.push_back(Window::new(self.all.outputs.len()));
        }
        self.windows.back_mut().into_iter().chain([&mut self.all])
    }
}

#[cfg(test)]
mod tests {
    use hotstage_core::datatype::Datatype;
    use hotstage_core::tensor::Shape;
    use proptest::prelude::*;

    use super::*;

    /// An answer of a label and scores.
    type Answer = (u8, Vec<f32>);

    fn tensors((label, scores): &Answer) -> Vec<Tensor> {
        let data: Vec<u8> = scores
            .iter()
            .flat_map(|score| score.to_le_bytes())
            .collect();
        let shape = Shape::from_slice(&[scores.len() as u64]);
        vec![
            Tensor::from_bytes_elements([[*label].as_slice()]),
            Tensor::new(Datatype::Fp32, shape, data.into()).unwrap(),
        ]
    }

    fn answers() -> impl Strategy<Value = Answer> {
        // Few values, so that many pairs are equal.
        let score = prop_oneof![
            4 => (0..8_u8).prop_map(|eighth| f32::from(eighth) / 8.0),
            1 => Just(f32::NAN),
        ];
        (0..3_u8, prop::collection::vec(score, 1..3))
    }

    /// The documented order, computed independently of the code.
    fn order(one: &Answer, other: &Answer) -> (u64, u64, u64) {
        let shapes = u64::from(one.1.len() != other.1.len());
        let pairs = || one.1.iter().zip(&other.1).filter(|_| shapes == 0);
        let unlike = pairs().filter(|(a, b)| a.is_nan() != b.is_nan()).count() as u64;
        let eighths = pairs()
            .map(|(a, b)| (a - b).abs())
            .filter(|d| d.is_finite())
            .fold(0.0, f32::max)
            * 8.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 to 8"
        )]
        let eighths = eighths as u64;
        (shapes, unlike + u64::from(one.0 != other.0), eighths)
    }

    proptest! {
        #[test]
        fn the_worst_are_those_that_sorting_puts_first(
            pairs in prop::collection::vec((answers(), answers()), 0..60), keep in 0..6_usize,
        ) {
            let mut report = Report::new(2, keep);
            for (number, (one, other)) in pairs.iter().enumerate() {
                let text = number.to_string();
                let input = Tensor::from_bytes_elements([text.as_bytes()]);
                let request = Payload::Tensors(vec![input]);
                report.compare(Some(&request), &tensors(one), &tensors(other), None);
            }
            let orders = pairs.iter().map(|(one, other)| order(one, other)).enumerate();
            let mut sorted: Vec<(usize, (u64, u64, u64))> =
                orders.filter(|(_, by)| *by != (0, 0, 0)).collect();
            sorted.sort_by_key(|(_, by)| std::cmp::Reverse(*by));
            let worst = sorted.iter().take(keep);
            let expected: Vec<String> = worst.map(|(number, _)| number.to_string()).collect();
            let kept = report.worst.iter().map(|example| match &example.request {
                Payload::Tensors(inputs) => {
                    String::from_utf8(inputs[0].bytes_elements().next().unwrap().to_vec()).unwrap()
                }
                Payload::Raw { .. } => String::new(),
            });
            prop_assert_eq!(kept.collect::<Vec<String>>(), expected);
        }
    }
}
