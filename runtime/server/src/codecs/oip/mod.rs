//! The codec of the Open Inference Protocol v2 over REST: bytes to tensors, and back.
//!
//! Decoding a request takes three steps. `envelope` reads the JSON text without building a tree,
//! and leaves each value in place; `fast_path` does the same faster for common documents.
//! [`request`] checks names, shapes and parameters against the signature. `data` decodes the
//! elements directly into the tensor's bytes. Tensors of the binary extension ([`binary`]) stay
//! slices of the body. To encode, [`response`] copies text that was prepared at deploy and writes
//! the elements in between.
//!
//! Everything that depends on the model alone is prepared once: a deploy makes a
//! [`Decoder`] and an [`Encoder`], which all requests share.
//!
//! Architecture invariant: no network, no clock and no engine is named here. Input bytes never make
//! it panic, recurse, or allocate more than a small multiple of their own length.

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

/// The decoder and encoder of one version of a model.
pub struct Codec {
    /// Decodes requests.
    pub decoder: Decoder,
    /// Encodes responses.
    pub encoder: Encoder,
}

/// Prepares the decoder and the encoder of a version.
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
