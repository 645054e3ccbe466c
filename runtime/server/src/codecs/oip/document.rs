//! Named tensors without a signature: documents of golden tests, and the client's side of the
//! protocol.

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Failure;
use hotstage_core::tensor::Tensor;
use serde_json::{Value, json};

use super::binary::{self, Blobs, Owner};
use super::envelope;
use super::field_path::{FieldPath, Label, Side};
use super::fields::{required_string, shape, tensor};
use super::response::write_shape;
use super::text::excerpt;
use super::write;

/// Decodes the tensors under `inputs` or `outputs` of a JSON document, in order.
pub fn parse_named(document: &[u8], side: Side) -> Result<Vec<(String, Tensor)>, Failure> {
    let nothing = Bytes::new();
    let (_, blobs) = binary::split(Owner::Document("the document"), &nothing, None)?;
    read("the document", document, blobs, side)
}

/// Decodes the outputs of a response, in order. `header_length` is the value of
/// `Inference-Header-Content-Length`.
pub fn parse_response(
    body: &Bytes,
    header_length: Option<usize>,
) -> Result<Vec<(String, Tensor)>, Failure> {
    let (json, blobs) = binary::split(Owner::Document("the response"), body, header_length)?;
    read("the response", json, blobs, Side::Output)
}

fn read(
    what: &str,
    json: &[u8],
    mut blobs: Blobs<'_>,
    side: Side,
) -> Result<Vec<(String, Tensor)>, Failure> {
    let envelope = envelope::read(what, json)?;
    let list = match side {
        Side::Input => envelope.inputs,
        Side::Output => envelope.outputs,
    };
    let list = FieldPath::Top.require(side.key(), list)?;
    let mut named: Vec<(String, Tensor)> = Vec::with_capacity(list.len());
    for (index, fields) in list.iter().enumerate() {
        let place = FieldPath::Tensor(side, index);
        let name = required_string(place, "name", fields.name)?;
        let label = Label { side, name: &name };
        if named.iter().any(|(other, _)| *other == name) {
            return Err(label.refuse("it is given twice"));
        }
        let datatype: Datatype = excerpt(&required_string(place, "datatype", fields.datatype)?)
            .parse()
            .map_err(|error| label.refuse(error))?;
        let shape = shape(place, label, fields.shape)?;
        let tensor = tensor((place, label), datatype, shape, fields, &mut blobs)?;
        named.push((name.into_owned(), tensor));
    }
    blobs.finish(side)?;
    Ok(named)
}

/// Encodes a request with these inputs, all in JSON.
pub fn encode_request(id: Option<&str>, tensors: &[(String, Tensor)]) -> Result<Vec<u8>, Failure> {
    let mut out = vec![b'{'];
    if let Some(id) = id {
        out.extend_from_slice(b"\"id\":");
        write::string(&mut out, id);
        out.push(b',');
    }
    out.extend_from_slice(b"\"inputs\":[");
    for (index, (name, tensor)) in tensors.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"name\":");
        write::string(&mut out, name);
        out.extend_from_slice(b",\"shape\":[");
        write_shape(&mut out, tensor.shape());
        out.extend_from_slice(b"],\"datatype\":");
        write::string(&mut out, tensor.datatype().name());
        out.extend_from_slice(b",\"data\":");
        out.reserve(write::size_hint(tensor));
        write::elements(&mut out, tensor).map_err(|what| {
            Label {
                side: Side::Input,
                name,
            }
            .refuse(format_args!("{what}"))
        })?;
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// Tensors in the protocol's JSON, for people to read. Data that JSON can't carry is described in
/// words.
pub fn show<'a>(tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Value {
    let shown = tensors.into_iter().map(|(name, tensor)| {
        let mut data = Vec::new();
        let data = match write::elements(&mut data, tensor) {
            Ok(()) => serde_json::from_slice(&data).unwrap_or_default(),
            Err(what) => Value::String(what),
        };
        json!({ "name": name, "datatype": tensor.datatype().name(), "shape": tensor.shape(), "data": data })
    });
    shown.collect()
}
