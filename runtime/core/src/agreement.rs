//! Compares two answers to one request; mirrors and disagreement guards report the result.
//!
//! Elements that are not floats agree when they are equal. Floats have absolute differences, of
//! which the largest and the mean are kept. A pair of floats has no difference when one of them is
//! NaN or infinite and the other is not the same; such a pair disagrees. Default: floats may differ
//! by any amount; a tolerance bounds that.
//!
//! [`Severity`] orders pairs of answers by how much they differ. The order is total and exact, so
//! the worst answers of a set do not depend on the order in which they arrive.

use std::cmp::Ordering;

use crate::expect::{Value, elements};
use crate::tensor::Tensor;

/// What was counted for one output, over many answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Pairs of tensors.
    pub answers: u64,
    /// Pairs whose shapes differ; their elements are not compared.
    pub shapes: u64,
    /// Elements compared.
    pub elements: u64,
    /// Compared elements that are equal.
    pub equal: u64,
    /// Pairs of floats without a difference: one of them is NaN or infinite.
    pub unlike: u64,
    /// The sum of the absolute differences of floats.
    pub sum: f64,
    /// The largest absolute difference of floats.
    pub max: f64,
}

/// The result of comparing one pair of tensors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Whether they agree.
    pub agrees: bool,
    /// How far apart they are.
    pub severity: Severity,
}

/// How far apart two answers are, over all of their tensors. Compared in this order: the number of
/// tensors with another shape or datatype; the number of elements that disagree without a
/// difference, as labels do; the largest difference of floats. The greater value is the more severe
/// one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Severity {
    /// Tensors of another shape or datatype.
    pub shapes: u64,
    /// Elements that disagree and have no difference: labels, whole numbers, booleans, and floats
    /// one of which is NaN or infinite.
    pub unequal: u64,
    /// The largest absolute difference of floats. Finite, and 0 or more.
    pub difference: f64,
}

impl Severity {
    /// The sum of both: the severity of an answer with several tensors.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            shapes: self.shapes + other.shapes,
            unequal: self.unequal + other.unequal,
            difference: self.difference.max(other.difference),
        }
    }

    /// Whether the answers are the same.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Eq for Severity {}

impl PartialOrd for Severity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Severity {
    fn cmp(&self, other: &Self) -> Ordering {
        let counts = (self.shapes, self.unequal).cmp(&(other.shapes, other.unequal));
        counts.then(self.difference.total_cmp(&other.difference))
    }
}

impl Agreement {
    /// Compares a pair and adds it to the counts.
    pub fn add(&mut self, one: &Tensor, other: &Tensor, tolerance: Option<f64>) -> Seen {
        self.answers += 1;
        if one.shape() != other.shape() || one.datatype() != other.datatype() {
            self.shapes += 1;
            return Seen {
                agrees: false,
                severity: Severity {
                    shapes: 1,
                    ..Severity::default()
                },
            };
        }
        let mut seen = Seen {
            agrees: true,
            severity: Severity::default(),
        };
        for (one, other) in elements(one).zip(elements(other)) {
            self.elements += 1;
            if one.is_near(&other, 0.0) {
                self.equal += 1;
                continue;
            }
            match difference(&one, &other) {
                Some(difference) => {
                    self.sum += difference;
                    self.max = self.max.max(difference);
                    seen.severity.difference = seen.severity.difference.max(difference);
                    seen.agrees &= tolerance.is_none_or(|tolerance| difference <= tolerance);
                }
                None => {
                    self.unlike += u64::from(one.float().is_some());
                    seen.agrees = false;
                    seen.severity.unequal += 1;
                }
            }
        }
        seen
    }

    /// Adds the counts of another comparison.
    pub fn join(&mut self, other: &Self) {
        self.answers += other.answers;
        self.shapes += other.shapes;
        self.elements += other.elements;
        self.equal += other.equal;
        self.unlike += other.unlike;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// The share of elements that are equal.
    pub fn share(&self) -> Option<f64> {
        (self.elements > 0).then(|| self.equal as f64 / self.elements as f64)
    }

    /// The mean absolute difference of floats; 0 for other datatypes.
    pub fn mean(&self) -> Option<f64> {
        let compared = self.elements - self.unlike;
        (compared > 0).then(|| self.sum / compared as f64)
    }
}

fn difference(one: &Value<'_>, other: &Value<'_>) -> Option<f64> {
    let difference = (one.float()? - other.float()?).abs();
    difference.is_finite().then_some(difference)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::datatype::Datatype;
    use crate::tensor::Shape;

    fn floats(values: &[f32]) -> Tensor {
        let data: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Tensor::new(
            Datatype::Fp32,
            Shape::from_slice(&[values.len() as u64]),
            data.into(),
        )
        .unwrap()
    }

    #[test]
    fn labels_agree_or_not_and_floats_differ_by_something() {
        let mut labels = Agreement::default();
        let text = |label: &str| Tensor::from_bytes_elements([label.as_bytes()]);
        assert!(labels.add(&text("benign"), &text("benign"), None).agrees);
        assert!(!labels.add(&text("benign"), &text("malignant"), None).agrees);
        assert_eq!(
            (labels.share(), labels.shapes, labels.unlike),
            (Some(0.5), 0, 0)
        );
        let mut scores = Agreement::default();
        assert!(
            scores
                .add(&floats(&[0.5, 0.25]), &floats(&[0.75, 0.25]), None)
                .agrees
        );
        assert!(
            !scores
                .add(&floats(&[0.5]), &floats(&[0.75]), Some(0.1))
                .agrees
        );
        assert_eq!((scores.max, scores.mean()), (0.25, Some(0.5 / 3.0)));
        assert!(
            !scores
                .add(&floats(&[f32::NAN]), &floats(&[1.0]), None)
                .agrees
        );
        assert!(
            scores
                .add(&floats(&[f32::NAN]), &floats(&[f32::NAN]), Some(0.0))
                .agrees
        );
        assert!(
            !scores
                .add(&floats(&[1.0]), &floats(&[1.0, 2.0]), None)
                .agrees
        );
        assert_eq!((scores.unlike, scores.shapes, scores.answers), (1, 1, 5));
    }

    #[test]
    fn a_label_that_differs_is_worse_than_any_difference_and_another_shape_is_worst() {
        let severity =
            |one: &Tensor, other: &Tensor| Agreement::default().add(one, other, None).severity;
        let text = |labels: &[&str]| {
            Tensor::from_bytes_elements(labels.iter().map(|label| label.as_bytes()))
        };
        let same = severity(&floats(&[0.5]), &floats(&[0.5]));
        let (little, much) = (
            severity(&floats(&[0.5]), &floats(&[0.6])),
            severity(&floats(&[0.0]), &floats(&[f32::MAX])),
        );
        let label = severity(&text(&["a", "b"]), &text(&["a", "c"]));
        let labels = severity(&text(&["a", "b"]), &text(&["c", "d"]));
        let order = [
            same,
            little,
            much,
            label,
            label.and(little),
            label.and(much),
            labels,
            labels.and(little),
            severity(&floats(&[1.0]), &floats(&[1.0, 2.0])),
        ];
        assert!(order.is_sorted_by(|one, other| one < other), "{order:?}");
        assert!(same.is_none() && !little.is_none());
        let nan = severity(&floats(&[f32::NAN]), &floats(&[1.0]));
        assert_eq!(
            (nan, nan.partial_cmp(&label)),
            (label, Some(Ordering::Equal))
        );
    }

    proptest! {
        #[test]
        fn a_tensor_agrees_with_itself_and_two_differ_the_same_both_ways(
            one in prop::collection::vec(any::<f32>(), 3),
            other in prop::collection::vec(any::<f32>(), 3),
        ) {
            let mut itself = Agreement::default();
            let same = Seen { agrees: true, severity: Severity::default() };
            prop_assert_eq!(itself.add(&floats(&one), &floats(&one), Some(0.0)), same);
            let (mut there, mut back) = (Agreement::default(), Agreement::default());
            let seen = there.add(&floats(&one), &floats(&other), Some(1.0));
            prop_assert_eq!(seen, back.add(&floats(&other), &floats(&one), Some(1.0)));
            prop_assert_eq!(there, back);
        }
    }
}
