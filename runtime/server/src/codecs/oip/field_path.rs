//! Positions in a payload, as error messages name them, and lookup of ports by name.

use std::fmt;

use hotstage_core::failure::Failure;
use hotstage_core::signature::Port;
use hotstage_core::suggest::{list, nearest};

use super::text::excerpt;

/// The list of tensors in a signature or a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Side {
    Input,
    Output,
}

impl Side {
    /// The key of their list in a payload.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Input => "inputs",
            Self::Output => "outputs",
        }
    }

    /// The word for one of them.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// An object of a payload. Its text is the key path before a field's key: `inputs[1].`.
#[derive(Clone, Copy, Debug)]
pub(super) enum FieldPath {
    /// The outermost object.
    Top,
    /// A tensor with its elements.
    Tensor(Side, usize),
    /// A request's entry for one output.
    RequestedOutput(usize),
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Tensor(side, index) => write!(f, "{}[{index}].", side.key()),
            Self::RequestedOutput(index) => write!(f, "outputs[{index}]."),
        }
    }
}

impl FieldPath {
    /// Returns the field's value, or an error that names the missing key.
    pub(super) fn require<T>(self, key: &str, field: Option<T>) -> Result<T, Failure> {
        field.ok_or_else(|| Failure::invalid(format!("{self}{key} is missing")))
    }
}

/// A tensor in a message: "input `x`".
#[derive(Clone, Copy, Debug)]
pub(super) struct Label<'a> {
    pub(super) side: Side,
    pub(super) name: &'a str,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.side.noun(), excerpt(self.name))
    }
}

impl Label<'_> {
    /// An error about this tensor.
    pub(super) fn refuse(self, what: impl fmt::Display) -> Failure {
        Failure::invalid(format!("{self}: {what}"))
    }
}

/// The position of the port with this name.
pub(super) fn find(ports: &[Port], side: Side, name: &str) -> Result<usize, Failure> {
    ports
        .iter()
        .position(|port| port.name == name)
        .ok_or_else(|| unknown(ports, side, name))
}

#[cold]
fn unknown(ports: &[Port], side: Side, name: &str) -> Failure {
    let noun = side.noun();
    let names = ports.iter().map(|port| port.name.as_str());
    let near = nearest(name, names.clone())
        .map_or(String::new(), |near| format!(" did you mean `{near}`?"));
    let known = match ports {
        [] => format!("there are no {noun}s at all"),
        [only] => format!("the only {noun} is `{}`", only.name),
        [..] => format!("the {noun}s are {}", list(names)),
    };
    Failure::invalid(format!(
        "there is no {noun} `{}`;{near} {known}",
        excerpt(name)
    ))
}
