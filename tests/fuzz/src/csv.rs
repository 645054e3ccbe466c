//! Conversion of CSV rows to tensors, as in `hotstage infer`. The first byte selects the model's
//! metadata.

use serde_json::{Value, json};

use hotstage::fuzzing::rows;

/// Metadata of models: a matrix, named columns, and one that no table matches.
fn about(choice: u8) -> Value {
    match choice % 4 {
        0 => json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [-1, -1] }] }),
        1 => json!({ "inputs": [{ "name": "x", "datatype": "FP64", "shape": [-1, 2] }] }),
        2 => json!({ "inputs": [
            { "name": "city", "datatype": "BYTES", "shape": [-1] },
            { "name": "age", "datatype": "INT64", "shape": [-1, 1] },
        ]}),
        _ => {
            json!({ "inputs": [{ "name": "x", "datatype": "BOOL", "shape": [-1, 3, 3] }, { "name": 7 }] })
        }
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let Some((choice, text)) = bytes.split_first() else {
        return;
    };
    match rows(text, &about(*choice)) {
        Ok(tensors) => {
            assert!(!tensors.is_empty());
            let count = tensors[0].1.shape()[0];
            assert!(count > 0, "a table without rows was accepted");
            for (name, tensor) in tensors {
                assert_eq!(
                    tensor.shape()[0],
                    count,
                    "`{name}` has another number of rows"
                );
                assert!(
                    tensor.data().len() <= 8 * text.len().max(1) + 8,
                    "{} bytes of {}",
                    tensor.data().len(),
                    text.len()
                );
            }
        }
        // The user who passed the file reads these texts.
        Err(text) => assert!(!text.is_empty()),
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let held_out = include_str!("../../../examples/tumor/held-out.csv");
    let few: String = held_out
        .lines()
        .take(4)
        .flat_map(|line| [line, "\n"])
        .collect();
    let seed = |choice: u8, text: &str| [&[choice][..], text.as_bytes()].concat();
    vec![
        seed(0, &few),
        seed(0, "a,truth,b\n1,yes,2\n3,no,4.5\n"),
        seed(1, "a,b\n1,2\n\"3\",-4e2\n"),
        seed(2, "age,city\n7,Ulm\n8,\"Bonn, \"\"am Rhein\"\"\"\n"),
        seed(3, "x\n1\n"),
    ]
}
