//! The conditions of a switch.
//!
//! A condition tests the elements of one tensor: it holds when it holds for any of them, or for
//! all, as written. For a tensor without elements no condition holds. NaN is neither less nor
//! greater than anything. Whole numbers are compared exactly, with all their digits.

use std::cmp::Ordering;

use super::element::{Element, any};
use crate::datatype::Datatype;
use crate::tensor::Tensor;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The tensor, as a source: `score`, `first.score`, `request.age`.
    pub tensor: String,
    /// For how many elements the test must hold.
    pub rows: Rows,
    /// The test of an element.
    pub test: Test,
}

/// For how many elements a condition must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Rows {
    Any,
    All,
}

/// The test of an element.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Test {
    Less(Number),
    AtMost(Number),
    Greater(Number),
    AtLeast(Number),
    /// From the first to the second, both included.
    Between(Number, Number),
    OneOf(Vec<Value>),
}

/// A value to compare an element with.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Value {
    Number(Number),
    Text(String),
    Bool(bool),
}

/// A number as it is written. Never NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Number {
    Whole(i128),
    Float(f64),
}

impl Condition {
    /// Whether the condition holds for this tensor.
    pub fn holds(&self, tensor: &Tensor) -> bool {
        match self.rows {
            Rows::Any => any(tensor, |element| self.test.holds(element)),
            Rows::All => tensor.elements() > 0 && !any(tensor, |element| !self.test.holds(element)),
        }
    }
}

impl Test {
    fn holds(&self, element: Element<'_>) -> bool {
        let compared = |number: &Number| number.against(element);
        match self {
            Self::Less(than) => compared(than) == Some(Ordering::Less),
            Self::AtMost(bound) => {
                matches!(compared(bound), Some(Ordering::Less | Ordering::Equal))
            }
            Self::Greater(than) => compared(than) == Some(Ordering::Greater),
            Self::AtLeast(bound) => {
                matches!(compared(bound), Some(Ordering::Greater | Ordering::Equal))
            }
            Self::Between(least, most) => {
                matches!(compared(least), Some(Ordering::Greater | Ordering::Equal))
                    && matches!(compared(most), Some(Ordering::Less | Ordering::Equal))
            }
            Self::OneOf(values) => values.iter().any(|value| match (value, element) {
                (Value::Number(number), element) => {
                    number.against(element) == Some(Ordering::Equal)
                }
                (Value::Text(text), Element::Text(bytes)) => text.as_bytes() == bytes,
                (Value::Bool(wanted), Element::Bool(given)) => *wanted == given,
                _ => false,
            }),
        }
    }

    /// Why elements of this datatype can't be tested so, if they can't.
    pub fn misfit(&self, datatype: Datatype) -> Option<String> {
        let is_float = matches!(
            datatype,
            Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64
        );
        let Self::OneOf(values) = self else {
            return matches!(datatype, Datatype::Bool | Datatype::Bytes)
                .then(|| format!("{datatype} has no order; compare it with `equals` or `one_of`"));
        };
        if is_float {
            return Some(format!(
                "{datatype} is seldom exactly a number; say `between`"
            ));
        }
        let misfit = values.iter().find(|value| match value {
            Value::Number(number) => {
                matches!(number, Number::Float(_))
                    || matches!(datatype, Datatype::Bool | Datatype::Bytes)
            }
            Value::Text(_) => datatype != Datatype::Bytes,
            Value::Bool(_) => datatype != Datatype::Bool,
        });
        let wanted = match datatype {
            Datatype::Bool => "true or false",
            Datatype::Bytes => "text",
            _ => "a whole number",
        };
        misfit.map(|_| {
            format!("an element of {datatype} is {wanted}, and is never equal to anything else")
        })
    }
}

impl Number {
    /// How the element compares with this number.
    fn against(self, element: Element<'_>) -> Option<Ordering> {
        match (element, self) {
            (Element::Whole(element), Self::Whole(number)) => Some(element.cmp(&number)),
            (Element::Whole(element), Self::Float(number)) => (element as f64).partial_cmp(&number),
            (Element::Float(element), number) => element.partial_cmp(&number.value()),
            _ => None,
        }
    }

    /// As a float.
    pub const fn value(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}
