//! The adapter for a variant whose signature differs from its route's. Requests are decoded, and
//! answers encoded, by the signature of the route's first variant; the adapter reorders the tensors
//! in between and copies none.

use std::sync::Arc;

use hotstage_core::request::Payload;
use hotstage_core::route::Adaptation;
use hotstage_core::signature::Signature;
use hotstage_core::tensor::Tensor;
use hotstage_engine::Tensors;

use super::Pipeline;
use crate::extensions::{Extensions, Subject};

/// The adapter between a route and one variant.
pub struct Adapter {
    /// The variant whose signature is the route's.
    pub first: Arc<Pipeline>,
    /// What protocols encode the route's outputs with, under the variant's version.
    pub extensions: Extensions,
    places: Adaptation,
}

impl Adapter {
    /// Creates the adapter between the route of `first` and `variant`.
    pub fn new(first: Arc<Pipeline>, variant: &Pipeline, places: Adaptation) -> Arc<Self> {
        let extensions = first.extensions.another(&Subject {
            name: &variant.name,
            version: &variant.version,
            digest: &variant.digest,
            signature: first.signature(),
        });
        Arc::new(Self {
            first,
            extensions,
            places,
        })
    }

    /// The route's signature.
    pub fn signature(&self) -> &Signature {
        self.first.signature()
    }

    /// Whether both reorder tensors in the same way.
    pub fn is_like(&self, other: &Self) -> bool {
        self.places == other.places && Arc::ptr_eq(&self.first, &other.first)
    }

    /// Maps the route's inputs to the variant's.
    pub fn give(&self, payload: Payload) -> Payload {
        match payload {
            Payload::Tensors(inputs) => Payload::Tensors(moved(&inputs, &self.places.inputs)),
            raw @ Payload::Raw { .. } => raw,
        }
    }

    /// Maps the variant's outputs to the route's.
    pub fn take(&self, outputs: &[Tensor]) -> Tensors {
        moved(outputs, &self.places.outputs)
    }
}

/// A tensor may be used several times; each use is another handle to the same bytes.
fn moved(tensors: &[Tensor], places: &[usize]) -> Tensors {
    places
        .iter()
        .filter_map(|&place| tensors.get(place).cloned())
        .collect()
}
