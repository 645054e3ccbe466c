//! How much two answers to one request agree: what mirrors report.
//!
//! Elements that are no floats agree when they are equal, which for labels is agreement as people mean it. Floats have
//! absolute differences: the largest and the mean. Where one is NaN or infinite and the other is not the same, they
//! have none, and the answers disagree. Default: floats may differ by anything; a tolerance bounds that.

use crate::expect::{Value, elements};
use crate::tensor::Tensor;

/// What was seen of one output, over many answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Pairs of tensors.
    pub answers: u64,
    /// Pairs of other shapes, whose elements are not compared.
    pub shapes: u64,
    /// Elements that were compared.
    pub elements: u64,
    /// Those that are equal.
    pub equal: u64,
    /// Pairs of floats that have no difference: one of them is NaN or infinite.
    pub unlike: u64,
    /// The sum of the absolute differences of floats.
    pub sum: f64,
    /// The largest of them.
    pub max: f64,
}

/// What one pair of tensors says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// Whether they agree.
    pub agrees: bool,
    /// How bad it is: pairs that do not agree at all come before differences of floats.
    pub badness: f64,
}

impl Agreement {
    /// Compares a pair and adds it up.
    pub fn add(&mut self, one: &Tensor, other: &Tensor, tolerance: Option<f64>) -> Seen {
        self.answers += 1;
        if one.shape() != other.shape() || one.datatype() != other.datatype() {
            self.shapes += 1;
            return Seen { agrees: false, badness: f64::INFINITY };
        }
        let mut seen = Seen { agrees: true, badness: 0.0 };
        let mut lost = 0.0;
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
                    seen.badness = seen.badness.max(difference);
                    seen.agrees &= tolerance.is_none_or(|tolerance| difference <= tolerance);
                }
                None => {
                    self.unlike += u64::from(one.float().is_some());
                    seen.agrees = false;
                    lost += 1.0;
                }
            }
        }
        if lost > 0.0 {
            // Beyond any difference that is a number worth comparing.
            seen.badness = f64::MAX / 2.0 + lost;
        }
        seen
    }

    /// Adds what another has seen.
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

    /// The mean absolute difference of floats; 0 for what is no float.
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
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Tensor::new(Datatype::Fp32, Shape::from_slice(&[values.len() as u64]), data.into()).unwrap()
    }

    #[test]
    fn labels_agree_or_not_and_floats_differ_by_something() {
        let mut labels = Agreement::default();
        let text = |label: &str| Tensor::from_bytes_elements([label.as_bytes()]);
        assert!(labels.add(&text("benign"), &text("benign"), None).agrees);
        assert!(!labels.add(&text("benign"), &text("malignant"), None).agrees);
        assert_eq!((labels.share(), labels.shapes, labels.unlike), (Some(0.5), 0, 0));
        let mut scores = Agreement::default();
        assert!(scores.add(&floats(&[0.5, 0.25]), &floats(&[0.75, 0.25]), None).agrees);
        assert!(!scores.add(&floats(&[0.5]), &floats(&[0.75]), Some(0.1)).agrees);
        assert_eq!((scores.max, scores.mean()), (0.25, Some(0.5 / 3.0)));
        assert!(!scores.add(&floats(&[f32::NAN]), &floats(&[1.0]), None).agrees);
        assert!(scores.add(&floats(&[f32::NAN]), &floats(&[f32::NAN]), Some(0.0)).agrees);
        assert!(!scores.add(&floats(&[1.0]), &floats(&[1.0, 2.0]), None).agrees);
        assert_eq!((scores.unlike, scores.shapes, scores.answers), (1, 1, 5));
    }

    proptest! {
        #[test]
        fn a_tensor_agrees_with_itself_and_two_differ_the_same_both_ways(
            one in prop::collection::vec(any::<f32>(), 3), other in prop::collection::vec(any::<f32>(), 3),
        ) {
            let mut itself = Agreement::default();
            prop_assert_eq!(itself.add(&floats(&one), &floats(&one), Some(0.0)), Seen { agrees: true, badness: 0.0 });
            let (mut there, mut back) = (Agreement::default(), Agreement::default());
            let seen = there.add(&floats(&one), &floats(&other), Some(1.0));
            prop_assert_eq!(seen, back.add(&floats(&other), &floats(&one), Some(1.0)));
            prop_assert_eq!(there, back);
        }
    }
}
