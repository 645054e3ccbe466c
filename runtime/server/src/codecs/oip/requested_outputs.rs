//! The outputs that a client requests, and their form.

use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Failure;
use hotstage_core::signature::Port;
use smallvec::SmallVec;

use super::envelope::List;
use super::field_path::{FieldPath, Label, Side, find};
use super::fields::required_string;
use super::parameters::Parameters;
use super::write::BINARY_ADVICE;

/// The form of an output in the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As JSON text, in `data`.
    Json,
    /// As bytes after the JSON.
    Binary,
}

/// One requested output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestedOutput {
    /// Its position in the signature.
    pub output: usize,
    /// The requested form.
    pub form: Form,
}

/// The outputs to return, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestedOutputs(pub SmallVec<[RequestedOutput; 4]>);

impl RequestedOutputs {
    /// The first `count` outputs in the signature's order; `count` is the number of all of them.
    pub fn all(count: usize, form: Form) -> Self {
        Self(
            (0..count)
                .map(|output| RequestedOutput { output, form })
                .collect(),
        )
    }

    /// Reads the request's list. An output that JSON can't carry is rejected here, before any stage
    /// runs.
    pub(super) fn read(
        outputs: Option<&List<'_>>,
        default: Form,
        ports: &[Port],
    ) -> Result<Self, Failure> {
        let requested = match outputs {
            Some(outputs) if !outputs.is_empty() => Self::named(outputs, default, ports)?,
            _ => Self::all(ports.len(), default),
        };
        for wanted in requested
            .0
            .iter()
            .filter(|wanted| wanted.form == Form::Json)
        {
            if let Some(Port {
                name,
                datatype: datatype @ (Datatype::Fp16 | Datatype::Bf16),
                ..
            }) = ports.get(wanted.output)
            {
                let label = Label {
                    side: Side::Output,
                    name,
                };
                return Err(label.refuse(format_args!(
                    "{datatype} can't be sent in JSON; {BINARY_ADVICE}"
                )));
            }
        }
        Ok(requested)
    }

    fn named(outputs: &List<'_>, default: Form, ports: &[Port]) -> Result<Self, Failure> {
        let mut requested = Self::default();
        for (index, fields) in outputs.iter().enumerate() {
            let place = FieldPath::RequestedOutput(index);
            let name = required_string(place, "name", fields.name)?;
            let output = find(ports, Side::Output, &name)?;
            if requested.0.iter().any(|wanted| wanted.output == output) {
                return Err(Failure::invalid(format!(
                    "output `{name}` is asked for twice"
                )));
            }
            let form = match Parameters::read(place, fields.parameters)?.binary_data {
                None => default,
                Some(binary) => Form::of(binary),
            };
            requested.0.push(RequestedOutput { output, form });
        }
        Ok(requested)
    }
}

impl Form {
    /// The form for `binary_data` or `binary_data_output`.
    pub(super) const fn of(binary: bool) -> Self {
        if binary { Self::Binary } else { Self::Json }
    }
}
