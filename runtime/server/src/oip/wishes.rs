//! Which outputs a client wants, and in which form.

use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Failure;
use hotstage_core::signature::Port;
use smallvec::SmallVec;

use super::envelope::List;
use super::fields::required_string;
use super::parameters::Parameters;
use super::place::{Label, Place, Side, find};
use super::write::BINARY_ADVICE;

/// How an output is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As text, in `data`.
    Json,
    /// As bytes behind the JSON.
    Binary,
}

/// One output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its position in the signature.
    pub output: usize,
    /// The form that was asked for.
    pub form: Form,
}

/// The outputs that are answered, in that order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes(pub SmallVec<[Wish; 4]>);

impl Wishes {
    /// The first `count` outputs, which is all of them, in the signature's order.
    pub fn all(count: usize, form: Form) -> Self {
        Self((0..count).map(|output| Wish { output, form }).collect())
    }

    /// What the request says. An output that JSON can't carry is refused here, before anything
    /// runs.
    pub(super) fn read(
        outputs: Option<&List<'_>>,
        default: Form,
        ports: &[Port],
    ) -> Result<Self, Failure> {
        let wishes = match outputs {
            Some(outputs) if !outputs.is_empty() => Self::named(outputs, default, ports)?,
            _ => Self::all(ports.len(), default),
        };
        for wish in wishes.0.iter().filter(|wish| wish.form == Form::Json) {
            if let Some(Port {
                name,
                datatype: datatype @ (Datatype::Fp16 | Datatype::Bf16),
                ..
            }) = ports.get(wish.output)
            {
                let label = Label {
                    side: Side::Output,
                    name,
                };
                return Err(label.refuse(format_args!(
                    "{datatype} is nothing JSON can carry; {BINARY_ADVICE}"
                )));
            }
        }
        Ok(wishes)
    }

    fn named(outputs: &List<'_>, default: Form, ports: &[Port]) -> Result<Self, Failure> {
        let mut wishes = Self::default();
        for (index, fields) in outputs.iter().enumerate() {
            let place = Place::Wish(index);
            let name = required_string(place, "name", fields.name)?;
            let output = find(ports, Side::Output, &name)?;
            if wishes.0.iter().any(|wish| wish.output == output) {
                return Err(Failure::invalid(format!(
                    "output `{name}` is asked for twice"
                )));
            }
            let form = match Parameters::read(place, fields.parameters)?.binary_data {
                None => default,
                Some(binary) => Form::of(binary),
            };
            wishes.0.push(Wish { output, form });
        }
        Ok(wishes)
    }
}

impl Form {
    /// What `binary_data` and `binary_data_output` mean.
    pub(super) const fn of(binary: bool) -> Self {
        if binary { Self::Binary } else { Self::Json }
    }
}
