//! A variant that takes or gives something else than its route: requests are read, and answers
//! written, as the route's first variant would; in between tensors change places, and none is
//! copied.

use std::sync::Arc;

use hotstage_core::request::Payload;
use hotstage_core::route::Adaptation;
use hotstage_core::signature::Signature;
use hotstage_core::tensor::Tensor;
use hotstage_engine::Tensors;

use super::Pipeline;
use crate::extensions::{Extensions, Subject};

/// What stands between a route and such a variant.
pub struct Adapter {
    /// Whose signature is the route's.
    pub first: Arc<Pipeline>,
    /// What protocols encode the route's outputs with, under the variant's version.
    pub extensions: Extensions,
    places: Adaptation,
}

impl Adapter {
    /// Between the route of `first` and `variant`.
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

    /// Whether both put tensors in the same places.
    pub fn is_like(&self, other: &Self) -> bool {
        self.places == other.places && Arc::ptr_eq(&self.first, &other.first)
    }

    /// The route's inputs, as the variant takes them.
    pub fn give(&self, payload: Payload) -> Payload {
        match payload {
            Payload::Tensors(inputs) => Payload::Tensors(moved(&inputs, &self.places.inputs)),
            raw @ Payload::Raw { .. } => raw,
        }
    }

    /// The variant's outputs, as the route gives them.
    pub fn take(&self, outputs: &[Tensor]) -> Tensors {
        moved(outputs, &self.places.outputs)
    }
}

/// One may go to several places, so each is another handle to the same bytes.
fn moved(tensors: &[Tensor], places: &[usize]) -> Tensors {
    places
        .iter()
        .filter_map(|&place| tensors.get(place).cloned())
        .collect()
}
