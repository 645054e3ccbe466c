//! The output tensors of one call, by name.
//!
//! `put` checks each tensor against the signature, so that an error names the output. The bytes are
//! returned inline at any size; a tensor that was passed on unread is returned as its handle.
//! Bound: 256 ports.

use ndarray::{ArrayRef, ArrayViewMutD, Dimension};

use crate::datatype::Element;
use crate::error::{Failure, TensorError};
use crate::signature::{Port, no_such, place};
use crate::tensor::{DIMENSIONS_MAX, Tensor};

/// The outputs of a call. Every output of the signature must be put.
#[derive(Debug)]
pub struct Outputs {
    ports: Vec<Port>,
    /// One for each port.
    tensors: Vec<Option<Tensor>>,
}

impl Outputs {
    pub(crate) fn new(ports: Vec<Port>) -> Self {
        let tensors = ports.iter().map(|_| None).collect();
        Self { ports, tensors }
    }

    /// The outputs of the signature, in its order.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// Sets an output, without a copy. A second tensor of the same name replaces the first.
    pub fn put(&mut self, name: &str, tensor: Tensor) -> Result<(), Failure> {
        self.place(name, tensor).map(drop)
    }

    /// Sets all outputs, in signature order, without a copy.
    pub fn put_all(&mut self, tensors: Vec<Tensor>) -> Result<(), Failure> {
        if tensors.len() != self.ports.len() {
            return Err(Failure::Internal(format!(
                "{} tensors for {} outputs",
                tensors.len(),
                self.ports.len()
            )));
        }
        for ((port, place), tensor) in self.ports.iter().zip(&mut self.tensors).zip(tensors) {
            port.accepts(&tensor)
                .map_err(|misfit| Failure::Internal(format!("output {misfit}")))?;
            *place = Some(tensor);
        }
        Ok(())
    }

    /// Sets an output to a copy of the elements, in row-major order.
    pub fn put_slice<T: Element>(
        &mut self,
        name: &str,
        shape: &[usize],
        elements: &[T],
    ) -> Result<(), Failure> {
        let tensor = Tensor::new(shape, elements).map_err(|error| named(name, &error))?;
        self.put(name, tensor)
    }

    /// Sets an output to a copy of an array. [`make`](Self::make) avoids the copy.
    pub fn put_array<T: Element, D: Dimension>(
        &mut self,
        name: &str,
        array: &ArrayRef<T, D>,
    ) -> Result<(), Failure> {
        if let Some(elements) = array.as_slice() {
            return self.put_slice(name, array.shape(), elements);
        }
        let elements: Vec<T> = array.iter().copied().collect();
        self.put_slice(name, array.shape(), &elements)
    }

    /// Sets an output of `BYTES` elements, in row-major order.
    pub fn put_bytes<E: AsRef<[u8]>>(
        &mut self,
        name: &str,
        shape: &[usize],
        elements: impl IntoIterator<Item = E>,
    ) -> Result<(), Failure> {
        let tensor = Tensor::bytes(shape, elements).map_err(|error| named(name, &error))?;
        self.put(name, tensor)
    }

    /// Sets an output to an array of zeros and returns a mutable view of it.
    pub fn make<T: Element>(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<ArrayViewMutD<'_, T>, Failure> {
        let tensor = Tensor::zeros::<T>(shape).map_err(|error| named(name, &error))?;
        self.place(name, tensor)?
            .view_mut()
            .map_err(|error| named(name, &error))
    }

    /// Sets an output to an array of zeros and returns its elements in row-major order.
    pub fn make_slice<T: Element>(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<&mut [T], Failure> {
        let tensor = Tensor::zeros::<T>(shape).map_err(|error| named(name, &error))?;
        self.place(name, tensor)?
            .slice_mut()
            .map_err(|error| named(name, &error))
    }

    fn place(&mut self, name: &str, tensor: Tensor) -> Result<&mut Tensor, Failure> {
        let Some(index) = place(&self.ports, name) else {
            return Err(Failure::Internal(no_such("output", &self.ports, name)));
        };
        debug_assert!(
            tensor.shape().len() <= DIMENSIONS_MAX,
            "the constructor checks the shape"
        );
        self.ports[index]
            .accepts(&tensor)
            .map_err(|misfit| Failure::Internal(format!("output {misfit}")))?;
        Ok(self.tensors[index].insert(tensor))
    }

    /// Takes the outputs, in signature order.
    pub(crate) fn unload<'a, W>(
        &'a mut self,
        wrap: impl Fn(Tensor) -> W + 'a,
    ) -> Result<Vec<W>, Failure> {
        if let Some(index) = self.tensors.iter().position(Option::is_none) {
            return Err(Failure::Internal(format!(
                "output `{}` was never put",
                self.ports[index].name
            )));
        }
        let mut answers = Vec::with_capacity(self.tensors.len());
        answers.extend(self.tensors.iter_mut().filter_map(Option::take).map(wrap));
        Ok(answers)
    }

    /// Drops the outputs of a failed call.
    pub(crate) fn clear(&mut self) {
        self.tensors.fill_with(|| None);
    }
}

macro_rules! typed {
    ($($type:ty, $put:ident, $make:ident);* $(;)?) => { impl Outputs {$(
        #[doc = concat!("[`put_array`](Self::put_array) of `", stringify!($type), "`.")]
        pub fn $put<D: Dimension>(
            &mut self,
            name: &str,
            array: &ArrayRef<$type, D>,
        ) -> Result<(), Failure> {
            self.put_array(name, array)
        }

        #[doc = concat!("[`make`](Self::make) of `", stringify!($type), "`.")]
        pub fn $make(
            &mut self,
            name: &str,
            shape: &[usize],
        ) -> Result<ArrayViewMutD<'_, $type>, Failure> {
            self.make(name, shape)
        }
    )*}};
}

typed! {
    bool, put_bool, make_bool;
    u8, put_u8, make_u8;
    u16, put_u16, make_u16;
    u32, put_u32, make_u32;
    u64, put_u64, make_u64;
    i8, put_i8, make_i8;
    i16, put_i16, make_i16;
    i32, put_i32, make_i32;
    i64, put_i64, make_i64;
    half::f16, put_f16, make_f16;
    half::bf16, put_bf16, make_bf16;
    f32, put_f32, make_f32;
    f64, put_f64, make_f64;
}

#[cold]
fn named(name: &str, error: &TensorError) -> Failure {
    Failure::Internal(format!("output `{name}`: {error}"))
}
