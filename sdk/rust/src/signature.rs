//! The inputs and outputs of a stage, in the order in which calls pass them.
//!
//! The host matches names to positions once, when it opens the stage; a call carries no names.
//! Bounds: 256 inputs, 256 outputs, names of 1 to 256 bytes, 16 dimensions.

use crate::datatype::Datatype;
use crate::error::OpenError;
use crate::tensor::{DIMENSIONS_MAX, Tensor};

/// Maximum number of inputs, and of outputs.
const PORTS_MAX: usize = 256;
/// Maximum length of a port's name in bytes.
const NAME_BYTES_MAX: usize = 256;

/// The size of a dimension; `None` means any size.
pub type Dimension = Option<u64>;

/// A dimension of any size.
pub const fn any() -> Dimension {
    None
}

/// A dimension of exactly this size.
pub const fn size(size: usize) -> Dimension {
    Some(size as u64)
}

/// A named input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Unique among the inputs, or among the outputs.
    pub name: String,
    /// The type of its elements.
    pub datatype: Datatype,
    /// The dimensions.
    pub shape: Vec<Dimension>,
}

/// The inputs and outputs of a stage, in call order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// The inputs of a call.
    pub inputs: Vec<Port>,
    /// The outputs of a call.
    pub outputs: Vec<Port>,
}

impl Signature {
    /// A signature without inputs and outputs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input.
    #[must_use]
    pub fn input(
        mut self,
        name: impl Into<String>,
        datatype: Datatype,
        shape: impl Into<Vec<Dimension>>,
    ) -> Self {
        self.inputs.push(Port {
            name: name.into(),
            datatype,
            shape: shape.into(),
        });
        self
    }

    /// Adds an output.
    #[must_use]
    pub fn output(
        mut self,
        name: impl Into<String>,
        datatype: Datatype,
        shape: impl Into<Vec<Dimension>>,
    ) -> Self {
        self.outputs.push(Port {
            name: name.into(),
            datatype,
            shape: shape.into(),
        });
        self
    }

    /// Applies the host's checks. Failures are settings errors, as names often come from settings.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        for (side, ports) in [("input", &self.inputs), ("output", &self.outputs)] {
            if ports.len() > PORTS_MAX {
                return Err(OpenError::Settings(format!(
                    "{} {side}s; at most {PORTS_MAX} are allowed",
                    ports.len()
                )));
            }
            for (index, port) in ports.iter().enumerate() {
                let Port { name, shape, .. } = port;
                let wrong = if name.is_empty() || NAME_BYTES_MAX < name.len() {
                    format!(
                        "{side} {index} has a name of {} bytes; 1 to {NAME_BYTES_MAX} are allowed",
                        name.len()
                    )
                } else if name.chars().any(char::is_control) {
                    format!("{side} {index} has a control character in its name")
                } else if DIMENSIONS_MAX < shape.len() {
                    format!(
                        "{side} `{name}` has {} dimensions; at most {DIMENSIONS_MAX} are allowed",
                        shape.len()
                    )
                } else if ports[..index].iter().any(|other| other.name == *name) {
                    format!("two {side}s are called `{name}`")
                } else {
                    continue;
                };
                return Err(OpenError::Settings(wrong));
            }
        }
        Ok(())
    }
}

impl Port {
    /// Checks a tensor against this port; the error names the expected and the given type.
    pub(crate) fn accepts(&self, tensor: &Tensor) -> Result<(), String> {
        let fits = self.datatype == tensor.datatype()
            && self.shape.len() == tensor.shape().len()
            && self
                .shape
                .iter()
                .zip(tensor.shape())
                .all(|(want, given)| want.is_none_or(|want| want == *given));
        if fits {
            Ok(())
        } else {
            Err(self.misfit(tensor))
        }
    }

    #[cold]
    fn misfit(&self, tensor: &Tensor) -> String {
        let Self {
            name,
            datatype,
            shape,
        } = self;
        let shape: Vec<String> = shape
            .iter()
            .map(|size| size.map_or_else(|| "-1".to_owned(), |size| size.to_string()))
            .collect();
        let (given, given_shape) = (tensor.datatype(), tensor.shape());
        format!(
            "`{name}`: expected {datatype} [{}], given {given} {given_shape:?}",
            shape.join(", ")
        )
    }
}

/// The index of a port. A linear scan: signatures are short, and most comparisons end at the
/// length.
pub(crate) fn place(ports: &[Port], name: &str) -> Option<usize> {
    ports.iter().position(|port| port.name == name)
}

/// The error text for a name that the signature lacks.
#[cold]
pub(crate) fn no_such(side: &str, ports: &[Port], name: &str) -> String {
    let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
    let names = if names.is_empty() {
        "none".to_owned()
    } else {
        list(&names)
    };
    format!("the signature has no {side} `{name}`; it has {names}")
}

/// Formats names for messages: `a`, `b`.
pub(crate) fn list<N: AsRef<str>>(names: &[N]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    quoted.join(", ")
}
