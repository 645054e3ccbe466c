//! The binary tensor extension: a body is JSON followed by the bytes of the tensors that are sent
//! in binary, in the JSON's order.
//!
//! `Inference-Header-Content-Length` is the length of the JSON. Without it the whole body is JSON;
//! with 0 the whole body is the model's only input. Tensors are slices of the body, never copies,
//! except for a raw element of `BYTES`, which needs a length in front of it. Error texts that
//! clients of Triton may match are Triton's texts.

use std::fmt;

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Failure;
use hotstage_core::signature::{Port, Signature, show_dimensions};
use hotstage_core::tensor::{Shape, Tensor, push_bytes_element};

use super::field_path::{Label, Side};
use super::text::excerpt;

/// The header with the length of the JSON part.
pub const HEADER: &str = "inference-header-content-length";

/// Parses the header for a body of that length, after decompression.
pub fn parse_header_length(text: &str, body_length: usize) -> Result<usize, Failure> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let given = excerpt(text);
        return Err(Failure::invalid(format!(
            "Unable to parse Inference-Header-Content-Length, got: {given}"
        )));
    }
    match text.parse::<usize>() {
        Ok(length) if length <= body_length => Ok(length),
        _ => Err(out_of_range(body_length, &excerpt(text))),
    }
}

#[cold]
fn out_of_range(body_length: usize, given: &str) -> Failure {
    Failure::invalid(format!(
        "inference header size should be in range (0, {body_length}), got: {given}"
    ))
}

/// What a body belongs to, for error messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owner<'a> {
    /// A request for this model.
    Model(&'a str),
    /// Another document, such as "the response".
    Document(&'a str),
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(name) => write!(f, "model '{name}'"),
            Self::Document(what) => f.write_str(what),
        }
    }
}

/// The binary tensors after the JSON, taken in order.
#[derive(Debug)]
pub(super) struct Blobs<'a> {
    body: &'a Bytes,
    at: usize,
    has_header: bool,
    owner: Owner<'a>,
}

/// Splits the body into its JSON and its binary tensors.
pub(super) fn split<'a>(
    owner: Owner<'a>,
    body: &'a Bytes,
    header_length: Option<usize>,
) -> Result<(&'a [u8], Blobs<'a>), Failure> {
    let at = header_length.unwrap_or(body.len());
    let json = body
        .get(..at)
        .ok_or_else(|| out_of_range(body.len(), &at.to_string()))?;
    Ok((
        json,
        Blobs {
            body,
            at,
            has_header: header_length.is_some(),
            owner,
        },
    ))
}

impl Blobs<'_> {
    /// Takes the next `size` bytes.
    pub(super) fn take(&mut self, label: Label<'_>, size: usize) -> Result<Bytes, Failure> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        if !self.has_header {
            return Err(Failure::invalid(
                "must specify valid 'Infer-Header-Content-Length' in request header and 'binary_data_size' when \
                 passing inputs in binary data format",
            ));
        }
        let left = self.body.len() - self.at;
        if size > left {
            let Label { side, name } = label;
            return Err(Failure::invalid(format!(
                "unexpected size for {} '{}', expecting {} additional bytes for {}",
                side.noun(),
                excerpt(name),
                size - left,
                self.owner
            )));
        }
        let taken = self.body.slice(self.at..self.at + size);
        self.at += size;
        Ok(taken)
    }

    /// Fails if bytes are left.
    pub(super) fn finish(self, side: Side) -> Result<(), Failure> {
        if self.at == self.body.len() {
            return Ok(());
        }
        Err(Failure::invalid(format!(
            "unexpected additional {} data for {}",
            side.noun(),
            self.owner
        )))
    }
}

/// Decodes a body without JSON: the bytes of the only input.
pub(super) fn raw(model: &str, signature: &Signature, body: &Bytes) -> Result<Tensor, Failure> {
    let [port] = signature.inputs.as_slice() else {
        return Err(Failure::invalid(format!(
            "Raw request must only have 1 input (found 1) to be deduced but got {} inputs in '{model}' model \
             configuration",
            signature.inputs.len()
        )));
    };
    let label = Label {
        side: Side::Input,
        name: &port.name,
    };
    let (shape, bytes) = match port.datatype.size() {
        None => raw_element(port, label, body)?,
        Some(size) => (raw_shape(port, label, size, body.len())?, body.clone()),
    };
    Tensor::new(port.datatype, shape, bytes).map_err(|error| label.refuse(error))
}

/// One element of `BYTES`: the whole body.
fn raw_element(port: &Port, label: Label<'_>, body: &Bytes) -> Result<(Shape, Bytes), Failure> {
    let shape = Shape::from_slice(&[1]);
    port.accepts_parts(Datatype::Bytes, &shape)
        .map_err(|misfit| label.refuse(misfit))?;
    if u32::try_from(body.len()).is_err() {
        return Err(label.refuse(format_args!(
            "{} bytes are too many for one element",
            body.len()
        )));
    }
    let mut bytes = Vec::with_capacity(size_of::<u32>() + body.len());
    push_bytes_element(&mut bytes, body);
    Ok((shape, bytes.into()))
}

/// The shape that uses all bytes.
fn raw_shape(port: &Port, label: Label<'_>, size: usize, given: usize) -> Result<Shape, Failure> {
    match port.shape.iter().filter(|size| size.is_none()).count() {
        0 => return Ok(port.shape.iter().flatten().copied().collect()),
        1 => {}
        _ => {
            return Err(Failure::invalid(format!(
                "The shape of the raw input '{}' can not be deduced because there are more than one variable-sized \
                 dimension",
                port.name
            )));
        }
    }
    let given = given as u64;
    let known = port
        .shape
        .iter()
        .flatten()
        .try_fold(size as u64, |product, size| product.checked_mul(*size));
    let variable = match known {
        Some(known) if known > 0 => {
            if !given.is_multiple_of(known) {
                let (datatype, shape) = (port.datatype, show_dimensions(&port.shape));
                let takes =
                    format_args!("shape {shape} of {datatype} takes a multiple of {known} bytes");
                return Err(label.refuse(format_args!("{takes}, given {given}")));
            }
            given / known
        }
        // Either the shape takes no bytes, or a single row exceeds the address space. With 0 the
        // tensor's own check reports it.
        _ => 0,
    };
    Ok(port
        .shape
        .iter()
        .map(|size| size.unwrap_or(variable))
        .collect())
}
