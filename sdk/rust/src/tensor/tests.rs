//! Tests of tensors as a component author sees them.

use half::{bf16, f16};

use super::*;

fn comes_back<T: Element + PartialEq + fmt::Debug>(elements: [T; 2]) {
    let mut tensor = Tensor::new(&[1, 2], &elements).unwrap();
    assert_eq!(tensor.datatype(), T::DATATYPE);
    assert_eq!(tensor.slice::<T>().unwrap(), elements);
    assert_eq!(tensor.view::<T>().unwrap().shape(), [1, 2]);
    tensor.view_mut::<T>().unwrap()[[0, 0]] = elements[1];
    assert_eq!(
        tensor.as_bytes(),
        bytemuck::cast_slice::<T, u8>(&[elements[1], elements[1]])
    );
}

#[test]
fn every_element_comes_back() {
    comes_back([false, true]);
    comes_back([0_u8, u8::MAX]);
    comes_back([0_u16, u16::MAX]);
    comes_back([0_u32, u32::MAX]);
    comes_back([0_u64, u64::MAX]);
    comes_back([i8::MIN, i8::MAX]);
    comes_back([i16::MIN, i16::MAX]);
    comes_back([i32::MIN, i32::MAX]);
    comes_back([i64::MIN, i64::MAX]);
    comes_back([f16::MIN, f16::MAX]);
    comes_back([bf16::MIN, bf16::MAX]);
    comes_back([f32::MIN, f32::MAX]);
    comes_back([f64::MIN, f64::MAX]);
}

#[test]
fn bytes_come_back() {
    let tensor = Tensor::bytes(&[3], ["a", "", "ccc"]).unwrap();
    assert_eq!(tensor.as_bytes(), b"\x01\0\0\0a\0\0\0\0\x03\0\0\0ccc");
    let elements: Vec<&[u8]> = tensor.bytes_elements().unwrap().collect();
    assert_eq!(elements, [&b"a"[..], b"", b"ccc"]);
}

#[test]
fn a_scalar_and_an_empty_array_have_views() {
    assert_eq!(
        Tensor::f32(&[], [1.5]).unwrap().as_f32().unwrap().sum(),
        1.5
    );
    let mut empty = Tensor::f64(&[0, 3], []).unwrap();
    assert_eq!(empty.as_f64().unwrap().shape(), [0, 3]);
    assert_eq!(empty.f64_mut().unwrap().shape(), [0, 3]);
}

#[test]
fn unaligned_bytes_are_moved() {
    let words = vec![u64::from_ne_bytes([1, 0, 0, 0, 2, 0, 0, 0]), 3];
    let moved = Bytes::Moved(words, 12);
    let mut tensor = Tensor::u32(&[3], [0; 3]).unwrap();
    tensor.bytes = OnceCell::from(moved);
    assert_eq!(tensor.slice::<u32>().unwrap(), [1, 2, 3]);
    tensor.slice_mut::<u32>().unwrap()[2] = 4;
    assert_eq!(
        tensor.into_parts().2.unwrap(),
        [1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0]
    );
}

#[test]
fn a_held_tensor_is_read_on_first_access() {
    let held = || {
        Tensor::from_held(
            Datatype::Fp32,
            vec![1],
            Buffer(1.5_f32.to_le_bytes().to_vec()),
        )
    };
    assert!(held().into_parts().2.is_err());
    let tensor = held();
    assert_eq!(tensor.slice::<f32>().unwrap(), [1.5]);
    assert_eq!(tensor.into_parts().2.unwrap(), 1.5_f32.to_le_bytes());
}

#[test]
fn an_error_says_what_was_expected_and_what_was_given() {
    let error = Tensor::f32(&[2, 3], [0.0; 5]).unwrap_err().to_string();
    assert_eq!(error, "shape [2, 3] takes 6 elements of FP32, given 5");
    let error = Tensor::f32(&[1], [0.0])
        .unwrap()
        .as_i64()
        .unwrap_err()
        .to_string();
    assert_eq!(error, "the tensor is FP32, read as INT64");
    let error = Tensor::zeros::<u64>(&[usize::MAX, 0])
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("is more than memory can hold"), "{error}");
    let error = Tensor::zeros::<u8>(&[1; 17]).unwrap_err().to_string();
    assert_eq!(error, "a shape of 17 dimensions; at most 16 are allowed");
    let error = Tensor::new(&[1], &[2_u8])
        .unwrap()
        .as_bool()
        .unwrap_err()
        .to_string();
    assert_eq!(error, "the tensor is UINT8, read as BOOL");
}
