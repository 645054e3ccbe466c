//! The inputs and outputs of a stage or a pipeline, and whether tensors fit them.

use std::fmt;

use crate::datatype::Datatype;
use crate::limits::{DIMENSIONS_MAX, PORT_NAME_BYTES_MAX, PORTS_MAX};
use crate::printable::first_unprintable;
use crate::tensor::Tensor;

/// A dimension: a size, or `None` for any.
pub type Dimension = Option<u64>;

/// A named input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Unique on its side of the signature.
    pub name: String,
    /// The type of its elements.
    pub datatype: Datatype,
    /// The dimensions; `None` may be any size.
    pub shape: Vec<Dimension>,
}

/// Inputs and outputs, in call order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type's line says it")]
pub struct Signature {
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
}

/// A tensor that does not fit its port. The message leaves out the port's name, which the caller
/// adds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Misfit {
    #[error("expected datatype {expected}, given {given}")]
    Datatype { expected: Datatype, given: Datatype },
    #[error("expected shape {expected}, given {given}")]
    Shape { expected: String, given: String },
    #[error("expected shape {expected}, given one of {given} dimensions")]
    Dimensions { expected: String, given: usize },
}

impl Port {
    /// Whether the tensor fits the port.
    pub fn accepts(&self, tensor: &Tensor) -> Result<(), Misfit> {
        self.accepts_parts(tensor.datatype(), tensor.shape())
    }

    /// The same, before there is a tensor.
    pub fn accepts_parts(&self, datatype: Datatype, shape: &[u64]) -> Result<(), Misfit> {
        if self.datatype != datatype {
            return Err(Misfit::Datatype {
                expected: self.datatype,
                given: datatype,
            });
        }
        let fits = self.shape.len() == shape.len()
            && self
                .shape
                .iter()
                .zip(shape)
                .all(|(want, given)| want.is_none_or(|want| want == *given));
        if fits {
            Ok(())
        } else if shape.len() > DIMENSIONS_MAX {
            // A guest may answer millions; a message must not repeat them.
            Err(Misfit::Dimensions {
                expected: show_dimensions(&self.shape),
                given: shape.len(),
            })
        } else {
            Err(Misfit::Shape {
                expected: show_dimensions(&self.shape),
                given: format!("{shape:?}"),
            })
        }
    }

    /// Whether an output of this port may fit `taker`. Unknown dimensions may.
    pub fn may_feed(&self, taker: &Self) -> Result<(), Misfit> {
        if self.datatype != taker.datatype {
            return Err(Misfit::Datatype {
                expected: taker.datatype,
                given: self.datatype,
            });
        }
        let fits = self.shape.len() == taker.shape.len()
            && self
                .shape
                .iter()
                .zip(&taker.shape)
                .all(|(give, take)| match (give, take) {
                    (Some(give), Some(take)) => give == take,
                    _ => true,
                });
        if fits {
            Ok(())
        } else {
            Err(Misfit::Shape {
                expected: show_dimensions(&taker.shape),
                given: show_dimensions(&self.shape),
            })
        }
    }

    /// Whether every output of this port fits `taker`, so that no check per request is needed.
    pub fn always_feeds(&self, taker: &Self) -> bool {
        self.datatype == taker.datatype
            && self.shape.len() == taker.shape.len()
            && self
                .shape
                .iter()
                .zip(&taker.shape)
                .all(|(give, take)| take.is_none() || give == take)
    }

    /// The dimensions as the protocol writes them: -1 is any.
    pub fn protocol_shape(&self) -> Vec<i64> {
        self.shape
            .iter()
            .map(|size| size.map_or(-1, |size| i64::try_from(size).unwrap_or(i64::MAX)))
            .collect()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}",
            self.name,
            self.datatype,
            show_dimensions(&self.shape)
        )
    }
}

/// Dimensions in messages: `[-1, 30]`.
pub fn show_dimensions(shape: &[Dimension]) -> String {
    let mut text = String::from("[");
    for (index, size) in shape.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        match size {
            Some(size) => text.push_str(&size.to_string()),
            None => text.push_str("-1"),
        }
    }
    text.push(']');
    text
}

impl Signature {
    /// Checks the signature itself: names must be present, short and unique.
    pub fn check(&self) -> Result<(), String> {
        for (side, ports) in [("input", &self.inputs), ("output", &self.outputs)] {
            if ports.len() > PORTS_MAX {
                return Err(format!(
                    "{} {side}s; at most {PORTS_MAX} are allowed",
                    ports.len()
                ));
            }
            for (index, port) in ports.iter().enumerate() {
                if port.name.is_empty() || port.name.len() > PORT_NAME_BYTES_MAX {
                    return Err(format!(
                        "{side} {index} has a name of {} bytes",
                        port.name.len()
                    ));
                }
                if let Some(character) = first_unprintable(&port.name) {
                    let code = u32::from(character);
                    return Err(format!(
                        "{side} {index} has U+{code:04X} in its name, which would disturb a terminal"
                    ));
                }
                if port.shape.len() > DIMENSIONS_MAX {
                    return Err(format!(
                        "{side} `{}` has {} dimensions",
                        port.name,
                        port.shape.len()
                    ));
                }
                if ports[..index].iter().any(|other| other.name == port.name) {
                    return Err(format!("two {side}s are called `{}`", port.name));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn port(shape: &[Dimension]) -> Port {
        Port {
            name: "x".into(),
            datatype: Datatype::Fp32,
            shape: shape.to_vec(),
        }
    }

    #[test]
    fn a_misfit_says_both_sides() {
        let misfit = port(&[None, Some(30)])
            .accepts_parts(Datatype::Fp32, &[2, 29])
            .unwrap_err();
        assert_eq!(misfit.to_string(), "expected shape [-1, 30], given [2, 29]");
        let misfit = port(&[]).accepts_parts(Datatype::Int8, &[]).unwrap_err();
        assert_eq!(misfit.to_string(), "expected datatype FP32, given INT8");
    }

    #[test]
    fn a_shape_of_many_dimensions_is_not_repeated() {
        let misfit = port(&[None])
            .accepts_parts(Datatype::Fp32, &vec![1; 8 << 20])
            .unwrap_err();
        assert_eq!(
            misfit.to_string(),
            "expected shape [-1], given one of 8388608 dimensions"
        );
    }

    #[test]
    fn names_that_disturb_a_terminal_are_refused_by_their_character() {
        for (name, code) in [
            ("a\u{202e}b", "U+202E"),
            ("\u{1b}[31m", "U+001B"),
            ("a\nb", "U+000A"),
            ("\u{9b}", "U+009B"),
        ] {
            let port = Port {
                name: name.into(),
                ..port(&[])
            };
            let problem = Signature {
                inputs: vec![port],
                outputs: Vec::new(),
            }
            .check()
            .unwrap_err();
            assert_eq!(
                problem,
                format!("input 0 has {code} in its name, which would disturb a terminal")
            );
        }
    }

    proptest! {
        #[test]
        fn what_always_feeds_is_always_accepted(
            give in prop::collection::vec(prop::option::of(0_u64..3), 0..4),
            take in prop::collection::vec(prop::option::of(0_u64..3), 0..4),
            sizes in prop::collection::vec(0_u64..3, 4),
        ) {
            let (give, take) = (port(&give), port(&take));
            let sizes = give.shape.iter().zip(&sizes);
            let shape: Vec<u64> = sizes.map(|(know, any)| know.unwrap_or(*any)).collect();
            if give.always_feeds(&take) {
                prop_assert!(give.may_feed(&take).is_ok());
                prop_assert!(take.accepts_parts(Datatype::Fp32, &shape).is_ok());
            }
            if give.may_feed(&take).is_err() {
                prop_assert!(take.accepts_parts(Datatype::Fp32, &shape).is_err());
            }
        }
    }
}
