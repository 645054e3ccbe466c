//! Elements: the values that each datatype accepts, and how lists may nest.

use hotstage_core::datatype::Datatype;
use hotstage_core::tensor::elements_of;

use super::super::data::read;

fn given(datatype: Datatype, shape: &[u64], data: &str) -> Result<Vec<u8>, String> {
    read(datatype, shape, elements_of(shape).unwrap(), data)
}

#[test]
fn each_datatype_takes_what_it_can_hold() {
    let table: &[(Datatype, &str, &[u8])] = &[
        (Datatype::Bool, "[true, false, 1, 0]", &[1, 0, 1, 0]),
        (Datatype::Uint8, "[0, 255, 3.0, 2e1]", &[0, 255, 3, 20]),
        (Datatype::Int8, "[-128, 127, -0, -3.0]", &[128, 127, 0, 253]),
        (Datatype::Uint16, "[1, 65535]", &[1, 0, 255, 255]),
        (Datatype::Int16, "[-1, 32767]", &[255, 255, 255, 127]),
        (Datatype::Uint32, "[4294967295]", &[255; 4]),
        (Datatype::Int32, "[-1]", &[255; 4]),
        (Datatype::Uint64, "[18446744073709551615]", &[255; 8]),
        (
            Datatype::Int64,
            "[-9223372036854775808]",
            &[0, 0, 0, 0, 0, 0, 0, 128],
        ),
        (
            Datatype::Int64,
            "[9223372036854775807.0]",
            &[255, 255, 255, 255, 255, 255, 255, 127],
        ),
        (Datatype::Fp32, "[1]", &1_f32.to_le_bytes()),
        (Datatype::Fp32, "[3.4028235e38]", &f32::MAX.to_le_bytes()),
        (Datatype::Fp32, "[1e-50]", &0_f32.to_le_bytes()),
        // Rounded by way of FP64 this would be 1.
        (
            Datatype::Fp32,
            "[1.00000005960464477540]",
            &1.000_000_1_f32.to_le_bytes(),
        ),
        (Datatype::Fp64, "[0.1]", &0.1_f64.to_le_bytes()),
        (
            Datatype::Bytes,
            r#"["", "a,]\n", "é"]"#,
            b"\0\0\0\0\x04\0\0\0a,]\n\x02\0\0\0\xc3\xa9",
        ),
    ];
    for (datatype, data, bytes) in table {
        let count = bytes.len() / datatype.size().unwrap_or(6);
        assert_eq!(
            given(*datatype, &[count as u64], data).as_deref(),
            Ok(*bytes),
            "{datatype} {data}"
        );
    }
}

/// A datatype, data of one value, and why that value is rejected.
const NO_ELEMENTS: &[(Datatype, &str, &str)] = &[
    (
        Datatype::Fp32,
        r#"["abc"]"#,
        "element 0 is \"abc\"; FP32 takes numbers",
    ),
    (
        Datatype::Fp32,
        "[null]",
        "element 0 is null; FP32 takes numbers",
    ),
    (
        Datatype::Fp32,
        "[true]",
        "element 0 is true; FP32 takes numbers",
    ),
    (
        Datatype::Fp32,
        r#"["1.5"]"#,
        "element 0 is \"1.5\"; FP32 takes numbers",
    ),
    (
        Datatype::Fp32,
        "[1e39]",
        "element 0 is 1e39, which FP32 can't hold",
    ),
    (
        Datatype::Fp64,
        "[-1e400]",
        "element 0 is -1e400, which FP64 can't hold",
    ),
    (
        Datatype::Fp32,
        r#"[{"a": 1}]"#,
        "element 0 is {\"a\":; FP32 takes numbers",
    ),
    (
        Datatype::Uint8,
        "[256]",
        "element 0 is 256; UINT8 takes whole numbers from 0 to 255",
    ),
    (
        Datatype::Uint8,
        "[-1]",
        "element 0 is -1; UINT8 takes whole numbers from 0 to 255",
    ),
    (
        Datatype::Int32,
        "[3.5]",
        "element 0 is 3.5; INT32 takes whole numbers from -2147483648 to 2147483647",
    ),
    (
        Datatype::Uint64,
        "[18446744073709551616]",
        "element 0 is 18446744073709551616; UINT64 takes whole numbers from 0 to 18446744073709551615",
    ),
    (
        Datatype::Bool,
        "[2]",
        "element 0 is 2; BOOL takes true, false, 1 and 0",
    ),
    (
        Datatype::Bool,
        "[-1]",
        "element 0 is -1; BOOL takes true, false, 1 and 0",
    ),
    (
        Datatype::Bool,
        "[null]",
        "element 0 is null; BOOL takes true, false, 1 and 0",
    ),
    (
        Datatype::Bytes,
        "[5]",
        "element 0 is 5; BYTES takes strings",
    ),
    (
        Datatype::Bytes,
        "[null]",
        "element 0 is null; BYTES takes strings",
    ),
    (
        Datatype::Bytes,
        r#"["\ud800"]"#,
        r#"element 0 is "\ud800", which escapes half a surrogate pair"#,
    ),
    (
        Datatype::Fp16,
        "[1]",
        "FP16 can't be given in JSON; send it with the binary tensor extension",
    ),
    (
        Datatype::Bf16,
        "[1]",
        "BF16 can't be given in JSON; send it with the binary tensor extension",
    ),
    (Datatype::Int8, "5", "data must be a list, given 5"),
    (
        Datatype::Int8,
        r#""[1]""#,
        "data must be a list, given \"[1]\"",
    ),
];

#[test]
fn what_is_no_element() {
    for (datatype, data, message) in NO_ELEMENTS {
        assert_eq!(given(*datatype, &[1], data).unwrap_err(), *message);
    }
}

type Expected = Result<&'static [u8], &'static str>;

/// A shape, data, and the result.
const LISTS: &[(&[u64], &str, Expected)] = &[
    (&[2, 2], "[1,2,3,4]", Ok(&[1, 2, 3, 4])),
    (&[2, 2], "[[1, 2],\n\t[3, 4]]", Ok(&[1, 2, 3, 4])),
    (&[1, 2, 1], "[[[1],[2]]]", Ok(&[1, 2])),
    (&[], "[7]", Ok(&[7])),
    (&[0], "[]", Ok(&[])),
    (&[2, 0], "[]", Ok(&[])),
    (&[2, 0], "[[],[]]", Ok(&[])),
    (&[0, 3], "[]", Ok(&[])),
    (
        &[2, 30],
        "[1,2,3]",
        Err("shape [2, 30] takes 60 elements, given 3"),
    ),
    (&[2], "[1,2,3]", Err("shape [2] takes 2 elements, given 3")),
    (&[2], "[]", Err("shape [2] takes 2 elements, given 0")),
    (&[], "[]", Err("shape [] takes 1 elements, given 0")),
    (
        &[2, 2],
        "[[1,2],[3]]",
        Err("data[1] has 1 value, where shape [2, 2] takes 2"),
    ),
    (
        &[2, 2],
        "[[1,2]]",
        Err("data has 1 value, where shape [2, 2] takes 2"),
    ),
    (
        &[2, 2],
        "[[1,2],[3,4],[5,6]]",
        Err("data has 3 values, where shape [2, 2] takes 2"),
    ),
    (
        &[1, 2, 2],
        "[[[1,2],[3,4,5]]]",
        Err("data[0][1] has 3 values, where shape [1, 2, 2] takes 2"),
    ),
    (
        &[2, 2],
        "[[1,2],3,4]",
        Err("data[1] is not a list, but shape [2, 2] needs one"),
    ),
    (
        &[1, 2, 2],
        "[[1,2],[3,4]]",
        Err("data[0][0] is not a list, but shape [1, 2, 2] needs one"),
    ),
    (
        &[2, 2],
        "[1,2,[3,4]]",
        Err("data[2] is a list among plain values"),
    ),
    (&[2], "[[1,2]]", Err("data is nested deeper than shape [2]")),
    (&[], "[[1]]", Err("data is nested deeper than shape []")),
    (
        &[2, 2],
        "[[[1,2],[3,4]]]",
        Err("data is nested deeper than shape [2, 2]"),
    ),
    (
        &[0, 3],
        "[[1,2,3]]",
        Err("data has 1 value, where shape [0, 3] takes 0"),
    ),
];

#[test]
fn lists_are_flat_or_as_the_shape_says() {
    for (shape, data, expected) in LISTS {
        let expected = expected.map(<[u8]>::to_vec).map_err(str::to_owned);
        assert_eq!(
            given(Datatype::Uint8, shape, data),
            expected,
            "{shape:?} {data}"
        );
    }
}

#[test]
fn a_large_shape_reserves_no_memory() {
    let message = given(Datatype::Fp64, &[1 << 40], "[1, 2]").unwrap_err();
    assert_eq!(
        message,
        "shape [1099511627776] takes 1099511627776 elements, given 2"
    );
    let message = given(Datatype::Bytes, &[1 << 40], r#"["a"]"#).unwrap_err();
    assert_eq!(
        message,
        "shape [1099511627776] takes 1099511627776 elements, given 1"
    );
}
