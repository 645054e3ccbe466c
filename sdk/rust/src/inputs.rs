//! The input tensors of one call, by name.
//!
//! A name is found by a linear scan over the signature, without hashing. A held tensor is fetched
//! from the host on first access. Bound: 256 ports.

use ndarray::ArrayViewD;

use crate::datatype::Element;
use crate::error::Failure;
use crate::signature::{Port, no_such, place};
use crate::tensor::{BytesElements, Tensor};

/// The inputs of a call. Read a tensor with [`f32`](Self::f32) and its siblings;
/// [`take`](Self::take) it to change it in place or to pass it on.
#[derive(Debug)]
pub struct Inputs {
    ports: Vec<Port>,
    /// One for each port during a call; `None` once taken.
    tensors: Vec<Option<Tensor>>,
}

impl Inputs {
    pub(crate) fn new(ports: Vec<Port>) -> Self {
        let tensors = Vec::with_capacity(ports.len());
        Self { ports, tensors }
    }

    /// The inputs of the signature, in its order.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// Borrows a tensor.
    pub fn get(&self, name: &str) -> Result<&Tensor, Failure> {
        let Some(index) = place(&self.ports, name) else {
            return Err(Failure::Internal(no_such("input", &self.ports, name)));
        };
        self.tensors
            .get(index)
            .and_then(Option::as_ref)
            .ok_or_else(|| taken(name))
    }

    /// Takes ownership of a tensor, to change it in place, pass it on, or drop it early.
    pub fn take(&mut self, name: &str) -> Result<Tensor, Failure> {
        let Some(index) = place(&self.ports, name) else {
            return Err(Failure::Internal(no_such("input", &self.ports, name)));
        };
        self.tensors
            .get_mut(index)
            .and_then(Option::take)
            .ok_or_else(|| taken(name))
    }

    /// Takes ownership of all tensors, in signature order.
    pub fn take_all(&mut self) -> Result<Vec<Tensor>, Failure> {
        let ports = &self.ports;
        let all = self
            .tensors
            .iter_mut()
            .zip(ports)
            .map(|(tensor, port)| tensor.take().ok_or_else(|| taken(&port.name)));
        all.collect()
    }

    /// A view of the elements, in the tensor's shape.
    pub fn view<T: Element>(&self, name: &str) -> Result<ArrayViewD<'_, T>, Failure> {
        self.get(name)?
            .view()
            .map_err(|error| Failure::Internal(format!("input `{name}`: {error}")))
    }

    /// All elements, in row-major order.
    pub fn slice<T: Element>(&self, name: &str) -> Result<&[T], Failure> {
        self.get(name)?
            .slice()
            .map_err(|error| Failure::Internal(format!("input `{name}`: {error}")))
    }

    /// The elements of a `BYTES` tensor, in row-major order.
    pub fn bytes(&self, name: &str) -> Result<BytesElements<'_>, Failure> {
        self.get(name)?
            .bytes_elements()
            .map_err(|error| Failure::Internal(format!("input `{name}`: {error}")))
    }

    /// Stores the tensors of the next call, in signature order.
    pub(crate) fn load(&mut self, tensors: impl Iterator<Item = Tensor>) {
        self.tensors.clear();
        self.tensors.extend(tensors.map(Some));
    }

    /// Drops the tensors that the call did not take.
    pub(crate) fn clear(&mut self) {
        self.tensors.clear();
    }
}

macro_rules! typed {
    ($($type:ty, $name:ident);* $(;)?) => { impl Inputs {$(
        #[doc = concat!("[`view`](Self::view) of `", stringify!($type), "`.")]
        pub fn $name(&self, name: &str) -> Result<ArrayViewD<'_, $type>, Failure> {
            self.view(name)
        }
    )*}};
}

typed! {
    bool, bool;
    u8, u8;
    u16, u16;
    u32, u32;
    u64, u64;
    i8, i8;
    i16, i16;
    i32, i32;
    i64, i64;
    half::f16, f16;
    half::bf16, bf16;
    f32, f32;
    f64, f64;
}

#[cold]
fn taken(name: &str) -> Failure {
    Failure::Internal(format!(
        "input `{name}` was taken already, or this call came without tensors"
    ))
}
