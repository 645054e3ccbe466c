//! The payloads of the Open Inference Protocol v2 over REST: bytes to tensors, and back.
//!
//! A request passes three stations. `envelope` reads the JSON text without a tree, and leaves each
//! value where it lies; `fast_path` is its quick way. [`request`] checks names, shapes and
//! parameters against the signature. `data` reads the elements straight into the tensor's bytes.
//! Tensors of the binary extension ([`binary`]) stay slices of the body. The way back is shorter:
//! [`response`] copies what a deploy has prepared and writes the elements between.
//!
//! What depends on the model alone is prepared once: a [`Decoder`](request::Decoder) and an
//! [`Encoder`](response::Encoder) are made at deploy and shared by its requests.
//!
//! Architecture invariant: no network, no clock and no engine is named here. Bytes from outside
//! never make it panic, recurse, or allocate more than a small multiple of their own length.

pub mod binary;
pub mod document;
pub mod field_path;
pub mod fuzzing;
pub mod parameters;
pub mod request;
pub mod requested_outputs;
pub mod response;

mod data;
mod element;
mod envelope;
mod fast_path;
mod fields;
mod number;
mod text;
mod write;

#[cfg(test)]
mod tests;

use self::request::Decoder;
use self::response::Encoder;
use crate::extensions::{Subject, Value};

/// What is prepared for one version of a model.
pub struct Codec {
    /// Reads requests.
    pub decoder: Decoder,
    /// Writes responses.
    pub encoder: Encoder,
}

/// Prepares the decoder and the encoder.
pub fn prepare(subject: &Subject<'_>) -> Value {
    let Subject {
        name,
        version,
        signature,
        ..
    } = *subject;
    Box::new(Codec {
        decoder: Decoder::new(name, signature),
        encoder: Encoder::new(name, version, &signature.outputs),
    })
}
