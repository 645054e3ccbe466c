//! Request attributes that a route decides by: values of headers, cookies, parameters and inputs,
//! as bytes.

use hotstage_core::datatype::Datatype;
use hotstage_core::request::Payload;
use hotstage_core::route::{Attributes, Source};
use hotstage_core::signature::Port;
use hotstage_core::suggest::hint;
use hotstage_core::tensor::Tensor;

use crate::serving::context::{AttributeName, RequestAttributes};

/// One attribute that a route reads.
pub(super) enum AttributeSource {
    Header(AttributeName),
    Cookie(String),
    Parameter(String),
    /// By its position in the signature.
    Input(usize),
}

impl AttributeSource {
    /// Resolves a source against a signature's inputs.
    pub(super) fn new(source: &Source, inputs: &[Port]) -> Result<Self, String> {
        match source {
            // The name was checked when the route was parsed; an invalid header name never matches.
            Source::Header(name) => {
                Ok(AttributeName::new(name).map_or(Self::Cookie(String::new()), Self::Header))
            }
            Source::Cookie(name) => Ok(Self::Cookie(name.clone())),
            Source::Parameter(name) => Ok(Self::Parameter(name.clone())),
            Source::Input(name) => {
                let place = inputs.iter().position(|port| port.name == *name);
                let names = inputs.iter().map(|port| port.name.as_str());
                let place = place
                    .ok_or_else(|| format!("there is no input `{name}`; {}", hint(name, names)))?;
                let datatype = inputs[place].datatype;
                if is_float(datatype) {
                    return Err(format!(
                        "input `{name}` is {datatype}, and a float can't be a key: equal numbers may be \
                         written differently; use an input of whole numbers, BOOL or BYTES"
                    ));
                }
                Ok(Self::Input(place))
            }
        }
    }
}

/// The attributes known before the body is read.
pub(super) struct HeadAttributes<'a> {
    pub(super) sources: &'a [AttributeSource],
    pub(super) request: &'a dyn RequestAttributes,
}

impl Attributes for HeadAttributes<'_> {
    fn value(&self, source: usize) -> Option<&[u8]> {
        match self.sources.get(source)? {
            AttributeSource::Header(name) => self.request.header(name),
            AttributeSource::Cookie(name) => self.request.cookie(name),
            AttributeSource::Parameter(_) | AttributeSource::Input(_) => None,
        }
    }
}

/// All attributes, with the values from the body resolved.
pub(super) struct AllAttributes<'a> {
    head: HeadAttributes<'a>,
    /// Values from the body, in the order of the sources.
    body: Vec<Option<Vec<u8>>>,
}

impl<'a> AllAttributes<'a> {
    pub(super) fn new(
        sources: &'a [AttributeSource],
        request: &'a dyn RequestAttributes,
        payload: &Payload,
    ) -> Self {
        let value = |source: &AttributeSource| match source {
            AttributeSource::Parameter(name) => request.parameter(name).map(String::into_bytes),
            AttributeSource::Input(place) => match payload {
                Payload::Tensors(inputs) => first(inputs.get(*place)?),
                Payload::Raw { .. } => None,
            },
            AttributeSource::Header(_) | AttributeSource::Cookie(_) => None,
        };
        Self {
            head: HeadAttributes { sources, request },
            body: sources.iter().map(value).collect(),
        }
    }
}

impl Attributes for AllAttributes<'_> {
    fn value(&self, source: usize) -> Option<&[u8]> {
        self.body
            .get(source)?
            .as_deref()
            .or_else(|| self.head.value(source))
    }
}

/// A tensor's first element as text; elements of `BYTES` unchanged.
fn first(tensor: &Tensor) -> Option<Vec<u8>> {
    let data = tensor.data();
    let unsigned = |bytes: &[u8]| {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(wide)
    };
    let bytes = tensor.datatype().size().map(|size| data.get(..size));
    let text = match (tensor.datatype(), bytes) {
        (Datatype::Bytes, _) => return tensor.bytes_elements().next().map(<[u8]>::to_vec),
        (Datatype::Bool, Some(bytes)) => (unsigned(bytes?) != 0).to_string(),
        (Datatype::Int8 | Datatype::Int16 | Datatype::Int32 | Datatype::Int64, Some(bytes)) => {
            let bytes = bytes?;
            // Sign-extend: the sign is the highest bit of the element.
            let unused = 64 - 8 * u32::try_from(bytes.len()).ok()?;
            ((unsigned(bytes) << unused).cast_signed() >> unused).to_string()
        }
        (_, Some(bytes)) => unsigned(bytes?).to_string(),
        (_, None) => return None,
    };
    Some(text.into_bytes())
}

const fn is_float(datatype: Datatype) -> bool {
    matches!(
        datatype,
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hotstage_core::tensor::Shape;

    use super::*;

    #[test]
    fn the_first_element_is_text() {
        let tensor = |datatype, bytes: &[u8]| {
            Tensor::new(
                datatype,
                Shape::from_slice(&[1]),
                Bytes::copy_from_slice(bytes),
            )
            .unwrap()
        };
        for (tensor, expect) in [
            (tensor(Datatype::Int8, &[0xfe]), Some("-2")),
            (
                tensor(Datatype::Int64, &[42, 0, 0, 0, 0, 0, 0, 0]),
                Some("42"),
            ),
            (tensor(Datatype::Uint16, &[0xff, 0xff]), Some("65535")),
            (tensor(Datatype::Bool, &[1]), Some("true")),
            (
                Tensor::from_bytes_elements([b"x y".as_slice(), b"z"]),
                Some("x y"),
            ),
            (Tensor::from_bytes_elements([]), None),
        ] {
            assert_eq!(
                first(&tensor).as_deref(),
                expect.map(str::as_bytes),
                "{tensor:?}"
            );
        }
    }
}
