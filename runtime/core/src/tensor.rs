//! One array: typed, shaped, little-endian, row-major, without padding.
//!
//! The bytes are shared and immutable, so a clone or a slice costs a reference count. A [`Tensor`]
//! is made only by its checked constructor, so its length always fits its shape. An element of
//! `BYTES` is a `u32` length followed by that many bytes. Bounds: [`DIMENSIONS_MAX`] dimensions.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::datatype::Datatype;
use crate::limits::DIMENSIONS_MAX;

/// Sizes of the dimensions, outermost first. Empty is a scalar. Up to four are stored inline,
/// without a heap allocation.
pub type Shape = SmallVec<[u64; 4]>;

/// An array whose length fits its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    datatype: Datatype,
    shape: Shape,
    data: Bytes,
}

/// Bytes that do not match their datatype and shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// There are too many dimensions.
    #[error("the shape has {0} dimensions; at most {DIMENSIONS_MAX} are allowed")]
    TooManyDimensions(usize),
    /// The product of the shape is larger than memory.
    #[error("the shape {0} has more elements than memory can hold")]
    Overflow(String),
    /// The length does not match the shape and the datatype.
    #[error("shape {shape} of {datatype} takes {expected} bytes, given {given}")]
    #[expect(missing_docs, reason = "the message says it")]
    Length {
        datatype: Datatype,
        shape: String,
        expected: usize,
        given: usize,
    },
    /// A `BOOL` byte is neither 0 nor 1.
    #[error("element {index} of BOOL is the byte {value}; it must be 0 or 1")]
    #[expect(missing_docs, reason = "the message says it")]
    NotBool { index: usize, value: u8 },
    /// An element of `BYTES` extends past the end.
    #[error("element {index} of BYTES needs {needed} bytes where {left} are left")]
    #[expect(missing_docs, reason = "the message says it")]
    Element {
        index: usize,
        needed: usize,
        left: usize,
    },
    /// `BYTES` holds more or fewer elements than the shape has.
    #[error(
        "shape {shape} takes {expected} elements of BYTES; there are {left} bytes after the last"
    )]
    #[expect(missing_docs, reason = "the message says it")]
    Trailing {
        shape: String,
        expected: usize,
        left: usize,
    },
}

impl Tensor {
    /// Checks the bytes against the shape.
    pub fn new(datatype: Datatype, shape: Shape, data: Bytes) -> Result<Self, TensorError> {
        let elements = elements_of(&shape)?;
        match datatype.size() {
            Some(size) => {
                let expected = elements
                    .checked_mul(size)
                    .ok_or_else(|| TensorError::Overflow(show_shape(&shape)))?;
                if expected != data.len() {
                    let shape = show_shape(&shape);
                    return Err(TensorError::Length {
                        datatype,
                        shape,
                        expected,
                        given: data.len(),
                    });
                }
                if datatype == Datatype::Bool
                    && let Some(index) = data.iter().position(|&byte| byte > 1)
                {
                    return Err(TensorError::NotBool {
                        index,
                        value: data[index],
                    });
                }
            }
            None => check_bytes_elements(&shape, elements, &data)?,
        }
        Ok(Self {
            datatype,
            shape,
            data,
        })
    }

    /// The type of an element.
    pub const fn datatype(&self) -> Datatype {
        self.datatype
    }

    /// The dimensions.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The bytes.
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// A copy in memory of its own, which holds nothing else.
    #[must_use]
    pub fn compact(&self) -> Self {
        Self {
            datatype: self.datatype,
            shape: self.shape.clone(),
            data: Bytes::copy_from_slice(&self.data),
        }
    }

    /// Its parts.
    pub fn into_parts(self) -> (Datatype, Shape, Bytes) {
        (self.datatype, self.shape, self.data)
    }

    /// The number of elements; 1 for a scalar.
    pub fn elements(&self) -> usize {
        self.shape.iter().fold(1, |product, &size| {
            product.saturating_mul(usize::try_from(size).unwrap_or(usize::MAX))
        })
    }

    /// The elements of a `BYTES` tensor.
    pub fn bytes_elements(&self) -> BytesElements<'_> {
        BytesElements { rest: &self.data }
    }

    /// A `BYTES` tensor of the given elements, shape `[n]`.
    pub fn from_bytes_elements<'a>(elements: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut data = Vec::new();
        let mut count = 0;
        for element in elements {
            push_bytes_element(&mut data, element);
            count += 1;
        }
        Self {
            datatype: Datatype::Bytes,
            shape: Shape::from_slice(&[count]),
            data: data.into(),
        }
    }
}

/// Appends one element in the layout of `BYTES`. An element whose length does not fit a `u32` is
/// cut; every bound in [`limits`](crate::limits) is far below that.
pub fn push_bytes_element(data: &mut Vec<u8>, element: &[u8]) {
    let length = u32::try_from(element.len()).unwrap_or(u32::MAX);
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(&element[..length as usize]);
}

/// The product of a shape.
pub fn elements_of(shape: &[u64]) -> Result<usize, TensorError> {
    if shape.len() > DIMENSIONS_MAX {
        return Err(TensorError::TooManyDimensions(shape.len()));
    }
    // A dimension of 0 makes the product 0, so the others are multiplied as if they were 1.
    let product = shape.iter().try_fold(1_usize, |product, &size| {
        usize::try_from(size)
            .ok()
            .and_then(|size| product.checked_mul(size.max(1)))
    });
    match product {
        Some(product) if product <= isize::MAX as usize => {
            Ok(if shape.contains(&0) { 0 } else { product })
        }
        _ => Err(TensorError::Overflow(show_shape(shape))),
    }
}

/// A shape in messages: `[2, 30]`.
pub fn show_shape(shape: &[u64]) -> String {
    format!("{shape:?}")
}

fn check_bytes_elements(shape: &[u64], elements: usize, data: &[u8]) -> Result<(), TensorError> {
    let mut rest = data;
    for index in 0..elements {
        let Some((length, after)) = rest.split_first_chunk::<4>() else {
            return Err(TensorError::Element {
                index,
                needed: 4,
                left: rest.len(),
            });
        };
        let needed = u32::from_le_bytes(*length) as usize;
        rest = after.get(needed..).ok_or(TensorError::Element {
            index,
            needed,
            left: after.len(),
        })?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(TensorError::Trailing {
            shape: show_shape(shape),
            expected: elements,
            left: rest.len(),
        })
    }
}

/// Iterates over the elements of a checked `BYTES` tensor.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shape() -> impl Strategy<Value = Vec<u64>> {
        prop::collection::vec(0_u64..6, 0..5)
    }

    proptest! {
        #[test]
        fn a_length_fits_or_is_refused(
            shape in shape(),
            datatype in 0..13_usize,
            extra in 0..3_usize,
        ) {
            let datatype = Datatype::ALL[datatype];
            let size = datatype.size().unwrap();
            let right = usize::try_from(shape.iter().product::<u64>()).unwrap() * size;
            let data = vec![0_u8; right + extra];
            let made = Tensor::new(datatype, Shape::from_slice(&shape), data.into());
            if extra == 0 {
                let tensor = made.unwrap();
                prop_assert_eq!(tensor.elements() * size, tensor.data().len());
            } else {
                let refused = matches!(made, Err(TensorError::Length { .. }));
                prop_assert!(refused);
            }
        }

        #[test]
        fn bytes_elements_come_back(
            elements in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20)
        ) {
            let tensor = Tensor::from_bytes_elements(elements.iter().map(Vec::as_slice));
            let back: Vec<Vec<u8>> = tensor.bytes_elements().map(<[u8]>::to_vec).collect();
            prop_assert_eq!(&back, &elements);
            let (datatype, shape, data) = tensor.into_parts();
            prop_assert!(Tensor::new(datatype, shape, data).is_ok());
        }

        #[test]
        fn no_bytes_make_it_panic(
            shape in prop::collection::vec(any::<u64>(), 0..20),
            datatype in 0..14_usize,
            data in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = Tensor::new(Datatype::ALL[datatype], Shape::from_slice(&shape), data.into());
        }
    }

    #[test]
    fn a_shape_beyond_memory_is_refused_even_beside_a_zero() {
        let shape = Shape::from_slice(&[u64::MAX, 0]);
        assert!(matches!(
            Tensor::new(Datatype::Fp32, shape, Bytes::new()),
            Err(TensorError::Overflow(_))
        ));
        let shape = Shape::from_slice(&[1 << 62, 4]);
        assert!(matches!(
            Tensor::new(Datatype::Fp32, shape, Bytes::new()),
            Err(TensorError::Overflow(_))
        ));
    }

    #[test]
    fn a_bool_is_a_zero_or_a_one() {
        let made = Tensor::new(
            Datatype::Bool,
            Shape::from_slice(&[2]),
            Bytes::from_static(&[1, 2]),
        );
        assert_eq!(made, Err(TensorError::NotBool { index: 1, value: 2 }));
    }
}
