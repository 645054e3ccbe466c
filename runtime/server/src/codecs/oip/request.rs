//! Decodes a request's body into the inputs of the first stage.

use std::time::Duration;

use bytes::Bytes;
use hotstage_core::failure::Failure;
use hotstage_core::limits::REQUEST_ID_BYTES_MAX;
use hotstage_core::signature::Signature;
use hotstage_core::suggest::list;
use hotstage_core::tensor::Tensor;
use smallvec::{SmallVec, smallvec};

use super::binary::{self, Blobs, Owner};
use super::envelope::{self, Fields, List};
use super::field_path::{FieldPath, Label, Side, find};
use super::fields::{required_string, shape, tensor};
use super::parameters::Parameters;
use super::requested_outputs::{Form, RequestedOutputs};
use super::text::{excerpt, string};

/// A decoded request.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedRequest {
    /// The client's id of the request; the response repeats it.
    pub id: Option<String>,
    /// One tensor for each input of the signature, in its order.
    pub inputs: Vec<Tensor>,
    /// The outputs to return.
    pub requested: RequestedOutputs,
    /// The request's own `parameters`, unparsed.
    pub parameters: Option<Bytes>,
    /// How long the client waits for the answer: the parameter `timeout`, in microseconds.
    pub timeout: Option<Duration>,
}

/// Decodes requests for one model.
#[derive(Clone, Debug)]
pub struct Decoder {
    model: String,
    signature: Signature,
}

type Slots = SmallVec<[Option<Tensor>; 2]>;

impl Decoder {
    /// Prepares a decoder.
    pub fn new(model: &str, signature: &Signature) -> Self {
        Self {
            model: model.to_owned(),
            signature: signature.clone(),
        }
    }

    /// Decodes a body. `header_length` is the value of `Inference-Header-Content-Length`, if
    /// present.
    pub fn decode(
        &self,
        body: &Bytes,
        header_length: Option<usize>,
    ) -> Result<DecodedRequest, Failure> {
        if header_length == Some(0) {
            let inputs = vec![binary::raw(&self.model, &self.signature, body)?];
            let requested = RequestedOutputs::all(self.signature.outputs.len(), Form::Binary);
            return Ok(DecodedRequest {
                id: None,
                inputs,
                requested,
                parameters: None,
                timeout: None,
            });
        }
        let (json, blobs) = binary::split(Owner::Model(&self.model), body, header_length)?;
        let envelope = envelope::read("the request", json)?;
        let id = envelope.id.map(read_id).transpose()?;
        let parameters = Parameters::read(FieldPath::Top, envelope.parameters)?;
        let default = Form::of(parameters.binary_data_output.unwrap_or(false));
        let given = FieldPath::Top.require("inputs", envelope.inputs.as_ref())?;
        let requested =
            RequestedOutputs::read(envelope.outputs.as_ref(), default, &self.signature.outputs)?;
        let inputs = self.inputs(given, blobs)?;
        let timeout = parameters.timeout;
        // A slice of the body, without a copy.
        let parameters = envelope
            .parameters
            .map(|raw| body.slice_ref(raw.as_bytes()));
        Ok(DecodedRequest {
            id,
            inputs,
            requested,
            parameters,
            timeout,
        })
    }

    fn inputs(&self, given: &List<'_>, mut blobs: Blobs<'_>) -> Result<Vec<Tensor>, Failure> {
        let mut slots: Slots = smallvec![None; self.signature.inputs.len()];
        for (index, fields) in given.iter().enumerate() {
            self.input(index, fields, &mut blobs, &mut slots)?;
        }
        blobs.finish(Side::Input)?;
        if slots.iter().any(Option::is_none) {
            return Err(self.missing(&slots));
        }
        let mut inputs = Vec::with_capacity(slots.len());
        inputs.extend(slots.into_iter().flatten());
        Ok(inputs)
    }

    fn input(
        &self,
        index: usize,
        fields: &Fields<'_>,
        blobs: &mut Blobs<'_>,
        slots: &mut Slots,
    ) -> Result<(), Failure> {
        let place = FieldPath::Tensor(Side::Input, index);
        let name = required_string(place, "name", fields.name)?;
        let position = find(&self.signature.inputs, Side::Input, &name)?;
        let port = &self.signature.inputs[position];
        let label = Label {
            side: Side::Input,
            name: &name,
        };
        if slots[position].is_some() {
            return Err(label.refuse("it is given twice"));
        }
        let datatype = required_string(place, "datatype", fields.datatype)?;
        // Comparing with the port's own datatype first saves the common case the search by name.
        let datatype = if datatype == port.datatype.name() {
            port.datatype
        } else {
            excerpt(&datatype)
                .parse()
                .map_err(|error| label.refuse(error))?
        };
        let shape = shape(place, label, fields.shape)?;
        port.accepts_parts(datatype, &shape)
            .map_err(|misfit| label.refuse(misfit))?;
        slots[position] = Some(tensor((place, label), datatype, shape, fields, blobs)?);
        Ok(())
    }

    #[cold]
    fn missing(&self, slots: &Slots) -> Failure {
        let ports = self.signature.inputs.iter().zip(slots);
        let names = ports
            .filter(|(_, slot)| slot.is_none())
            .map(|(port, _)| port.name.as_str());
        let (noun, verb) = if names.clone().count() == 1 {
            ("input", "is")
        } else {
            ("inputs", "are")
        };
        Failure::invalid(format!("{noun} {} {verb} missing", list(names)))
    }
}

fn read_id(raw: &str) -> Result<String, Failure> {
    let id = string(raw)
        .ok_or_else(|| Failure::invalid(format!("id must be a string, given {}", excerpt(raw))))?;
    if id.len() > REQUEST_ID_BYTES_MAX {
        let given = id.len();
        return Err(Failure::invalid(format!(
            "id has {given} bytes; at most {REQUEST_ID_BYTES_MAX} are allowed"
        )));
    }
    Ok(id.into_owned())
}
