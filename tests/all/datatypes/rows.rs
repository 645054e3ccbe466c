//! A row for each datatype: the tensor in JSON and in binary form.

use serde_json::{Value, json};

/// A tensor in both forms. `json` is exactly what the server writes; `None` if JSON can't represent
/// it.
pub(super) struct Row {
    pub(super) datatype: &'static str,
    pub(super) shape: u64,
    pub(super) json: Option<&'static str>,
    pub(super) bytes: Vec<u8>,
}

impl Row {
    pub(super) fn name(&self) -> String {
        self.datatype.to_lowercase()
    }

    pub(super) fn new<const SIZE: usize>(
        datatype: &'static str,
        json: &'static str,
        elements: &[[u8; SIZE]],
    ) -> Self {
        Self {
            datatype,
            shape: elements.len() as u64,
            json: Some(json),
            bytes: elements.concat(),
        }
    }

    /// As a binary tensor.
    pub(super) fn in_bytes(&self) -> Value {
        let parameters = json!({ "binary_data_size": self.bytes.len() });
        json!({ "name": self.name(), "datatype": self.datatype, "shape": [self.shape], "parameters": parameters })
    }

    /// As a JSON tensor, if possible.
    pub(super) fn in_json(&self) -> Option<Value> {
        let data: Value = serde_json::from_str(self.json?).unwrap();
        Some(
            json!({ "name": self.name(), "datatype": self.datatype, "shape": [self.shape], "data": data }),
        )
    }
}

pub(super) fn element(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

/// The limits of each range, the values next to zero, and texts with special characters.
pub(super) fn extremes() -> Vec<Row> {
    let mut rows = whole_numbers();
    rows.extend(halves());
    rows.extend(floats());
    let texts = ["", "a\0b", "é😀", "\"\\\n"];
    rows.push(Row {
        datatype: "BYTES",
        shape: 4,
        json: Some(r#"["","a\u0000b","é😀","\"\\\n"]"#),
        bytes: texts.map(|text| element(text.as_bytes())).concat(),
    });
    rows
}

/// Values that JSON represents exactly, and true and false.
fn whole_numbers() -> Vec<Row> {
    vec![
        Row::new("BOOL", "[true,false]", &[[1], [0]]),
        Row::new("UINT8", "[0,255]", &[[0], [255]]),
        Row::new("UINT16", "[0,65535]", &[0, u16::MAX].map(u16::to_le_bytes)),
        Row::new(
            "UINT32",
            "[0,4294967295]",
            &[0, u32::MAX].map(u32::to_le_bytes),
        ),
        Row::new(
            "UINT64",
            "[0,18446744073709551615]",
            &[0, u64::MAX].map(u64::to_le_bytes),
        ),
        Row::new(
            "INT8",
            "[-128,127]",
            &[i8::MIN, i8::MAX].map(i8::to_le_bytes),
        ),
        Row::new(
            "INT16",
            "[-32768,32767]",
            &[i16::MIN, i16::MAX].map(i16::to_le_bytes),
        ),
        Row::new(
            "INT32",
            "[-2147483648,2147483647]",
            &[i32::MIN, i32::MAX].map(i32::to_le_bytes),
        ),
        Row::new(
            "INT64",
            "[-9223372036854775808,9223372036854775807]",
            &[i64::MIN, i64::MAX].map(i64::to_le_bytes),
        ),
    ]
}

/// Floats that JSON can't represent.
fn halves() -> [Row; 2] {
    [
        Row {
            datatype: "FP16",
            shape: 3,
            json: None,
            bytes: vec![0, 0x7c, 1, 0x7e, 0xff, 0x7b],
        },
        Row {
            datatype: "BF16",
            shape: 2,
            json: None,
            bytes: vec![0x80, 0x7f, 0x7f, 0xff],
        },
    ]
}

fn floats() -> [Row; 2] {
    let fp32 = [
        -0.0,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        f32::from_bits(1),
        0.1,
        16_777_216.0,
    ];
    let fp64 = [
        -0.0,
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        0.1,
    ];
    [
        Row::new(
            "FP32",
            "[-0.0,3.4028235e+38,-3.4028235e+38,1.1754944e-38,1e-45,0.1,16777216.0]",
            &fp32.map(f32::to_le_bytes),
        ),
        Row::new(
            "FP64",
            "[-0.0,1.7976931348623157e+308,-1.7976931348623157e+308,2.2250738585072014e-308,5e-324,0.1]",
            &fp64.map(f64::to_le_bytes),
        ),
    ]
}
