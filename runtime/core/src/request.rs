//! A request and its answer, independent of any protocol.

use crate::tensor::Tensor;

/// The client's input to the first stage.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// One tensor for each input of the pipeline, in its order.
    Tensors(Vec<Tensor>),
    /// A body that the first stage reads itself.
    Raw {
        /// In lower case, without parameters: `image/jpeg`.
        content_type: String,
        /// `UINT8`, shape `[n]`.
        content: Tensor,
    },
}
