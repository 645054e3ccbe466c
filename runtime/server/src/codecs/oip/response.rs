//! Encodes tensors into a response's body.
//!
//! A deploy prepares the constant text: the model, the version, and each output's name and
//! datatype. A response copies those pieces and writes the variable parts between them, into one
//! buffer of about the right size.

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::signature::Port;
use hotstage_core::tensor::Tensor;

use super::field_path::{Label, Side};
use super::requested_outputs::{Form, RequestedOutput, RequestedOutputs};
use super::write::{self, BINARY_ADVICE};

/// Estimated bytes of one output's shape and parameters.
const OUTPUT_BYTES: usize = 96;

/// An encoded response body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// JSON, followed by the binary outputs.
    pub body: Vec<u8>,
    /// The length of the JSON, when there is an output in binary form: the value of the header
    /// [`HEADER`](super::binary::HEADER).
    pub json_length: Option<usize>,
}

/// Encodes responses of one version of a model.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// `{"model_name":"…","model_version":"…"`
    head: Vec<u8>,
    outputs: Vec<Template>,
}

/// The constant parts of one output.
#[derive(Clone, Debug)]
struct Template {
    port: Port,
    /// `{"name":"…","datatype":"…","shape":[`
    head: Vec<u8>,
}

impl Template {
    fn new(port: &Port) -> Self {
        let mut head = b"{\"name\":".to_vec();
        write::string(&mut head, &port.name);
        head.extend_from_slice(b",\"datatype\":");
        write::string(&mut head, port.datatype.name());
        head.extend_from_slice(b",\"shape\":[");
        Self {
            port: port.clone(),
            head,
        }
    }
}

impl Encoder {
    /// Prepares an encoder.
    pub fn new(model: &str, version: &str, outputs: &[Port]) -> Self {
        let mut head = b"{\"model_name\":".to_vec();
        write::string(&mut head, model);
        head.extend_from_slice(b",\"model_version\":");
        write::string(&mut head, version);
        Self {
            head,
            outputs: outputs.iter().map(Template::new).collect(),
        }
    }

    /// Encodes a response. `id` is the request's; `tensors` are all outputs, in the signature's
    /// order.
    pub fn encode(
        &self,
        id: Option<&str>,
        requested: &RequestedOutputs,
        tensors: &[Tensor],
    ) -> Result<Encoded, Failure> {
        let mut body = Vec::with_capacity(self.size_hint(id, requested, tensors));
        body.extend_from_slice(&self.head);
        if let Some(id) = id {
            body.extend_from_slice(b",\"id\":");
            write::string(&mut body, id);
        }
        body.extend_from_slice(b",\"outputs\":[");
        for (index, wanted) in requested.0.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            self.output(&mut body, *wanted, tensors)?;
        }
        body.extend_from_slice(b"]}");

        let json_length = body.len();
        let mut has_binary = false;
        for wanted in requested
            .0
            .iter()
            .filter(|wanted| wanted.form == Form::Binary)
        {
            has_binary = true;
            body.extend_from_slice(self.pair(*wanted, tensors)?.1.data());
        }
        Ok(Encoded {
            body,
            json_length: has_binary.then_some(json_length),
        })
    }

    fn output(
        &self,
        body: &mut Vec<u8>,
        wanted: RequestedOutput,
        tensors: &[Tensor],
    ) -> Result<(), Failure> {
        let (template, tensor) = self.pair(wanted, tensors)?;
        body.extend_from_slice(&template.head);
        write_shape(body, tensor.shape());
        match wanted.form {
            Form::Binary => {
                body.extend_from_slice(b"],\"parameters\":{\"binary_data_size\":");
                body.extend_from_slice(itoa::Buffer::new().format(tensor.data().len()).as_bytes());
                body.extend_from_slice(b"}}");
            }
            Form::Json => {
                body.extend_from_slice(b"],\"data\":");
                let label = Label {
                    side: Side::Output,
                    name: &template.port.name,
                };
                write::elements(body, tensor)
                    .map_err(|what| label.refuse(format_args!("{what}; {BINARY_ADVICE}")))?;
                body.push(b'}');
            }
        }
        Ok(())
    }

    /// A requested output and its tensor. The engine has checked that they fit, so a mismatch is a
    /// defect of the server.
    fn pair<'a>(
        &'a self,
        wanted: RequestedOutput,
        tensors: &'a [Tensor],
    ) -> Result<(&'a Template, &'a Tensor), Failure> {
        let misfit = |what: String| {
            Failure::new(Kind::Internal, "the answer could not be encoded").because(what)
        };
        let (Some(template), Some(tensor)) =
            (self.outputs.get(wanted.output), tensors.get(wanted.output))
        else {
            return Err(misfit(format!(
                "no output {} among {} tensors",
                wanted.output,
                tensors.len()
            )));
        };
        if template.port.datatype != tensor.datatype() {
            return Err(misfit(format!(
                "{} was given {}",
                template.port,
                tensor.datatype()
            )));
        }
        Ok((template, tensor))
    }

    fn size_hint(
        &self,
        id: Option<&str>,
        requested: &RequestedOutputs,
        tensors: &[Tensor],
    ) -> usize {
        let outputs = requested.0.iter().map(|wanted| {
            let head = self
                .outputs
                .get(wanted.output)
                .map_or(0, |template| template.head.len());
            let data = tensors
                .get(wanted.output)
                .map_or(0, |tensor| match wanted.form {
                    Form::Json => write::size_hint(tensor),
                    Form::Binary => tensor.data().len(),
                });
            head + OUTPUT_BYTES + data
        });
        self.head.len() + id.map_or(0, |id| id.len() + 16) + 16 + outputs.sum::<usize>()
    }
}

/// Appends the sizes, without the brackets.
pub(super) fn write_shape(body: &mut Vec<u8>, shape: &[u64]) {
    let mut buffer = itoa::Buffer::new();
    for (index, size) in shape.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(buffer.format(*size).as_bytes());
    }
}
