//! Adapts a variant with another signature to its route.
//!
//! A route's signature is its first variant's. A variant with the same signature needs no
//! adaptation. For another one the document says which of the route's tensors each of its inputs
//! takes, and how its outputs are called for the route. Every tensor that the route accepts must
//! then be accepted by the variant, and every tensor that the variant makes must be allowed by the
//! route, so that requests need no further check. Route inputs that the variant does not take and
//! variant outputs that the route does not have are dropped.

use std::collections::BTreeMap;

use crate::signature::{Port, Signature};
use crate::suggest::hint;

/// The adaptation in the document. Empty: the variant agrees as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adapt {
    /// The variant's inputs to the route's.
    pub inputs: BTreeMap<String, String>,
    /// The variant's outputs to the route's.
    pub outputs: BTreeMap<String, String>,
}

/// The same, by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adaptation {
    /// For each input of the variant, the input of the route.
    pub inputs: Vec<usize>,
    /// For each output of the route, the output of the variant.
    pub outputs: Vec<usize>,
}

impl Adapt {
    /// Whether the document has no adaptation.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty() && self.outputs.is_empty()
    }

    /// Resolves the adaptation; the error says why it does not fit.
    pub fn fit(&self, route: &Signature, variant: &Signature) -> Result<Adaptation, String> {
        known("inputs", &self.inputs, &variant.inputs)?;
        known("outputs", &self.outputs, &variant.outputs)?;
        let input = |own: &Port| {
            let name = self.inputs.get(&own.name).unwrap_or(&own.name);
            let place = find(&route.inputs, name).ok_or_else(|| {
                format!(
                    "its input `{}` takes `{name}`, and the route {}",
                    own.name,
                    has(&route.inputs)
                )
            })?;
            fits(
                &route.inputs[place],
                own,
                format_args!("its input `{}`", own.name),
            )?;
            Ok(place)
        };
        let output = |wanted: &Port| {
            let shown =
                |own: &Port| *self.outputs.get(&own.name).unwrap_or(&own.name) == wanted.name;
            let place = variant.outputs.iter().position(shown).ok_or_else(|| {
                let own = has(&variant.outputs);
                format!(
                    "none of its outputs is the route's `{}`; it {own}; say which under `outputs`",
                    wanted.name
                )
            })?;
            fits(
                &variant.outputs[place],
                wanted,
                format_args!("the route's output `{}`", wanted.name),
            )?;
            Ok(place)
        };
        Ok(Adaptation {
            inputs: variant
                .inputs
                .iter()
                .map(input)
                .collect::<Result<_, String>>()?,
            outputs: route
                .outputs
                .iter()
                .map(output)
                .collect::<Result<_, String>>()?,
        })
    }
}

fn find(ports: &[Port], name: &str) -> Option<usize> {
    ports.iter().position(|port| port.name == name)
}

fn has(ports: &[Port]) -> String {
    let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
    if names.is_empty() {
        "has none".to_owned()
    } else {
        format!("has `{}`", names.join("`, `"))
    }
}

/// Every name in the document is one of the variant's own.
fn known(side: &str, renames: &BTreeMap<String, String>, own: &[Port]) -> Result<(), String> {
    match renames.keys().find(|name| find(own, name).is_none()) {
        None => Ok(()),
        Some(name) => {
            let hint = hint(name, own.iter().map(|port| port.name.as_str()));
            Err(format!("`{name}` is none of its {side}; {hint}"))
        }
    }
}

fn fits(from: &Port, to: &Port, what: std::fmt::Arguments<'_>) -> Result<(), String> {
    if from.always_feeds(to) {
        Ok(())
    } else {
        Err(format!("{what} does not fit: {from} in place of {to}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datatype::Datatype;

    fn port(name: &str, datatype: Datatype, shape: &[Option<u64>]) -> Port {
        Port {
            name: name.to_owned(),
            datatype,
            shape: shape.to_vec(),
        }
    }

    fn route() -> Signature {
        Signature {
            inputs: vec![
                port("age", Datatype::Fp32, &[None]),
                port("features", Datatype::Fp32, &[None, Some(30)]),
            ],
            outputs: vec![
                port("label", Datatype::Bytes, &[None]),
                port("score", Datatype::Fp32, &[None]),
            ],
        }
    }

    fn variant() -> Signature {
        Signature {
            inputs: vec![port("x", Datatype::Fp32, &[None, None])],
            outputs: vec![
                port("p", Datatype::Fp32, &[None]),
                port("more", Datatype::Fp32, &[None]),
                port("label", Datatype::Bytes, &[None]),
            ],
        }
    }

    fn adapt(inputs: &[(&str, &str)], outputs: &[(&str, &str)]) -> Adapt {
        let map = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|&(own, of)| (own.to_owned(), of.to_owned()))
                .collect()
        };
        Adapt {
            inputs: map(inputs),
            outputs: map(outputs),
        }
    }

    #[test]
    fn names_become_places() {
        let fitted = adapt(&[("x", "features")], &[("p", "score")]).fit(&route(), &variant());
        assert_eq!(
            fitted,
            Ok(Adaptation {
                inputs: vec![1],
                outputs: vec![2, 0]
            })
        );
    }

    #[test]
    fn what_does_not_fit_says_so() {
        for (inputs, outputs, expect) in [
            (
                &[][..],
                &[("p", "score")][..],
                "its input `x` takes `x`, and the route has `age`, `features`",
            ),
            (
                &[("x", "age")],
                &[("p", "score")],
                "its input `x` does not fit: age FP32 [-1] in place of x FP32 [-1, -1]",
            ),
            (
                &[("y", "features")],
                &[],
                "`y` is none of its inputs; known: `x`",
            ),
            (
                &[("x", "features")],
                &[],
                "none of its outputs is the route's `score`; it has `p`, `more`, `label`; say which under `outputs`",
            ),
            (
                &[("x", "features")],
                &[("q", "score")],
                "`q` is none of its outputs; known: `p`, `more` and `label`",
            ),
        ] {
            let wrong = adapt(inputs, outputs)
                .fit(&route(), &variant())
                .unwrap_err();
            assert_eq!(wrong, expect);
        }
        // Any number of columns is more than the 30 that the variant takes.
        let (mut wide, mut narrow) = (route(), variant());
        wide.inputs[1].shape[1] = None;
        narrow.inputs[0].shape[1] = Some(30);
        assert!(
            adapt(&[("x", "features")], &[("p", "score")])
                .fit(&wide, &narrow)
                .is_err()
        );
    }
}
