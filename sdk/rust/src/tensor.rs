//! A tensor: typed, shaped, little-endian, row-major, without padding. Its position in the
//! signature gives its name.
//!
//! The bytes of a large tensor stay with the host until first access; an unread tensor passes
//! through as a handle. An owned tensor can be changed in place and returned without a copy.
//! Bounds: 16 dimensions; the stage's limit `output_bytes` for the bytes of an answer.

use std::cell::{Cell, OnceCell};
use std::fmt;

use bytemuck::checked;
use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};

use crate::datatype::{Datatype, Element};
use crate::error::TensorError;
use crate::host::Buffer;

/// Maximum number of dimensions.
pub(crate) const DIMENSIONS_MAX: usize = 16;

/// An array whose length fits its shape.
pub struct Tensor {
    datatype: Datatype,
    shape: Vec<u64>,
    /// Empty while the host holds the bytes.
    bytes: OnceCell<Bytes>,
    /// Consumed when the bytes are read.
    held: Cell<Option<Buffer>>,
}

/// Bytes aligned for views of 8-byte elements.
#[derive(Clone, Debug)]
enum Bytes {
    Aligned(Vec<u8>),
    /// An aligned copy of unaligned bytes, and their number. Never needed with common allocators.
    Moved(Vec<u64>, usize),
}

impl Bytes {
    fn new(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() || bytes.as_ptr().addr().is_multiple_of(align_of::<u64>()) {
            return Self::Aligned(bytes);
        }
        let mut words = vec![0_u64; bytes.len().div_ceil(size_of::<u64>())];
        bytemuck::cast_slice_mut(&mut words)[..bytes.len()].copy_from_slice(&bytes);
        Self::Moved(words, bytes.len())
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Aligned(bytes) => bytes,
            Self::Moved(words, length) => &bytemuck::cast_slice(words)[..*length],
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        match self {
            Self::Aligned(bytes) => bytes,
            Self::Moved(words, length) => &mut bytemuck::cast_slice_mut(words)[..*length],
        }
    }

    fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Aligned(bytes) => bytes,
            Self::Moved(..) => self.as_slice().to_vec(),
        }
    }
}

impl Tensor {
    /// An array of the given elements, in row-major order.
    pub fn new<T: Element>(shape: &[usize], elements: &[T]) -> Result<Self, TensorError> {
        let expected = elements_of(T::DATATYPE, shape)?;
        if expected != elements.len() {
            let (datatype, shape) = (T::DATATYPE, widen(shape));
            return Err(TensorError::Elements {
                datatype,
                shape,
                expected,
                given: elements.len(),
            });
        }
        Ok(Self::from_parts(
            T::DATATYPE,
            widen(shape),
            bytemuck::cast_slice(elements).to_vec(),
        ))
    }

    /// An array of zeros, to be written in place.
    pub fn zeros<T: Element>(shape: &[usize]) -> Result<Self, TensorError> {
        let elements = elements_of(T::DATATYPE, shape)?;
        Ok(Self::from_parts(
            T::DATATYPE,
            widen(shape),
            vec![0; elements * size_of::<T>()],
        ))
    }

    /// An array of `BYTES`, in row-major order.
    pub fn bytes<E: AsRef<[u8]>>(
        shape: &[usize],
        elements: impl IntoIterator<Item = E>,
    ) -> Result<Self, TensorError> {
        let expected = elements_of(Datatype::Bytes, shape)?;
        let (mut data, mut given) = (Vec::new(), 0);
        for element in elements {
            let element = element.as_ref();
            let length = u32::try_from(element.len())
                .map_err(|_| TensorError::ElementTooLong(element.len()))?;
            data.extend_from_slice(&length.to_le_bytes());
            data.extend_from_slice(element);
            given += 1;
        }
        if expected != given {
            let (datatype, shape) = (Datatype::Bytes, widen(shape));
            return Err(TensorError::Elements {
                datatype,
                shape,
                expected,
                given,
            });
        }
        Ok(Self::from_parts(Datatype::Bytes, widen(shape), data))
    }

    /// The type of an element.
    pub const fn datatype(&self) -> Datatype {
        self.datatype
    }

    /// Sizes of the dimensions, outermost first. Empty for a scalar.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The bytes in the ABI's layout. The first access to a held tensor fetches it from the host.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get_or_init(|| Bytes::new(self.held.take().map(Buffer::consume).unwrap_or_default()))
            .as_slice()
    }

    /// All elements, in row-major order.
    pub fn slice<T: Element>(&self) -> Result<&[T], TensorError> {
        self.expect::<T>()?;
        let bytes = self.as_bytes();
        if bytes.is_empty() {
            return Ok(&[]);
        }
        checked::try_cast_slice(bytes).map_err(|_| TensorError::NotElements(T::DATATYPE))
    }

    /// All elements, in row-major order, to be changed in place.
    pub fn slice_mut<T: Element>(&mut self) -> Result<&mut [T], TensorError> {
        self.expect::<T>()?;
        self.as_bytes();
        match self.bytes.get_mut().map(Bytes::as_mut_slice) {
            Some(bytes) if !bytes.is_empty() => checked::try_cast_slice_mut(bytes)
                .map_err(|_| TensorError::NotElements(T::DATATYPE)),
            _ => Ok(&mut []),
        }
    }

    /// A view in the tensor's own shape.
    pub fn view<T: Element>(&self) -> Result<ArrayViewD<'_, T>, TensorError> {
        let elements = self.slice()?;
        ArrayViewD::from_shape(self.dimensions(), elements)
            .map_err(|_| TensorError::NotElements(T::DATATYPE))
    }

    /// A view in the tensor's own shape, to be changed in place.
    pub fn view_mut<T: Element>(&mut self) -> Result<ArrayViewMutD<'_, T>, TensorError> {
        let dimensions = self.dimensions();
        ArrayViewMutD::from_shape(dimensions, self.slice_mut()?)
            .map_err(|_| TensorError::NotElements(T::DATATYPE))
    }

    /// The elements of a `BYTES` tensor, in row-major order.
    pub fn bytes_elements(&self) -> Result<BytesElements<'_>, TensorError> {
        if self.datatype != Datatype::Bytes {
            return Err(TensorError::Datatype {
                expected: Datatype::Bytes,
                given: self.datatype,
            });
        }
        Ok(BytesElements {
            rest: self.as_bytes(),
        })
    }

    /// Wraps bytes that already have the ABI's layout.
    pub(crate) fn from_parts(datatype: Datatype, shape: Vec<u64>, bytes: Vec<u8>) -> Self {
        Self {
            datatype,
            shape,
            bytes: OnceCell::from(Bytes::new(bytes)),
            held: Cell::new(None),
        }
    }

    /// A tensor whose bytes the host holds.
    pub(crate) const fn from_held(datatype: Datatype, shape: Vec<u64>, buffer: Buffer) -> Self {
        Self {
            datatype,
            shape,
            bytes: OnceCell::new(),
            held: Cell::new(Some(buffer)),
        }
    }

    /// Splits the tensor into its parts: the handle if it is still unread, the bytes otherwise.
    pub(crate) fn into_parts(self) -> (Datatype, Vec<u64>, Result<Vec<u8>, Buffer>) {
        let data = match self.held.into_inner() {
            Some(buffer) => Err(buffer),
            None => Ok(self
                .bytes
                .into_inner()
                .map(Bytes::into_vec)
                .unwrap_or_default()),
        };
        (self.datatype, self.shape, data)
    }

    const fn expect<T: Element>(&self) -> Result<(), TensorError> {
        if self.datatype as u8 == T::DATATYPE as u8 {
            Ok(())
        } else {
            Err(TensorError::Datatype {
                expected: T::DATATYPE,
                given: self.datatype,
            })
        }
    }

    /// The shape for `ndarray`, which allocates only for more than four dimensions.
    fn dimensions(&self) -> IxDyn {
        let mut sizes = [0; DIMENSIONS_MAX];
        let rank = self.shape.len().min(DIMENSIONS_MAX);
        for (narrow, &wide) in sizes.iter_mut().zip(&self.shape) {
            *narrow = usize::try_from(wide).unwrap_or(usize::MAX);
        }
        IxDyn(&sizes[..rank])
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.datatype, self.shape)
    }
}

/// One constructor and two views for each Rust type.
macro_rules! typed {
    ($($type:ty, $make:ident, $view:ident, $view_mut:ident);* $(;)?) => { impl Tensor {$(
        #[doc = concat!("An array of `", stringify!($type), "` in row-major order.")]
        pub fn $make(shape: &[usize], elements: impl AsRef<[$type]>) -> Result<Self, TensorError> {
            Self::new(shape, elements.as_ref())
        }

        #[doc = concat!("[`view`](Self::view) of `", stringify!($type), "`.")]
        pub fn $view(&self) -> Result<ArrayViewD<'_, $type>, TensorError> {
            self.view()
        }

        #[doc = concat!("[`view_mut`](Self::view_mut) of `", stringify!($type), "`.")]
        pub fn $view_mut(&mut self) -> Result<ArrayViewMutD<'_, $type>, TensorError> {
            self.view_mut()
        }
    )*}};
}

typed! {
    bool, bool, as_bool, bool_mut;
    u8, u8, as_u8, u8_mut;
    u16, u16, as_u16, u16_mut;
    u32, u32, as_u32, u32_mut;
    u64, u64, as_u64, u64_mut;
    i8, i8, as_i8, i8_mut;
    i16, i16, as_i16, i16_mut;
    i32, i32, as_i32, i32_mut;
    i64, i64, as_i64, i64_mut;
    half::f16, f16, as_f16, f16_mut;
    half::bf16, bf16, as_bf16, bf16_mut;
    f32, f32, as_f32, f32_mut;
    f64, f64, as_f64, f64_mut;
}

/// Iterates over the elements of a `BYTES` tensor.
#[derive(Clone, Debug)]
pub struct BytesElements<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for BytesElements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, after) = self.rest.split_first_chunk::<4>()?;
        let (element, rest) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.rest = rest;
        Some(element)
    }
}

/// The number of elements of the shape, if their bytes fit into memory.
fn elements_of(datatype: Datatype, shape: &[usize]) -> Result<usize, TensorError> {
    if shape.len() > DIMENSIONS_MAX {
        return Err(TensorError::TooManyDimensions(shape.len()));
    }
    // A size of 0 makes the product 0, but the other sizes must still be valid, as the host checks
    // them too.
    let nonzero = shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size.max(1)));
    match nonzero.and_then(|elements| elements.checked_mul(datatype.size().unwrap_or(4))) {
        Some(bytes) if bytes <= isize::MAX.unsigned_abs() => Ok(shape.iter().product()),
        _ => Err(TensorError::TooLarge {
            datatype,
            shape: widen(shape),
        }),
    }
}

pub(crate) fn widen(shape: &[usize]) -> Vec<u64> {
    shape.iter().map(|&size| size as u64).collect()
}

#[cfg(test)]
mod tests;
