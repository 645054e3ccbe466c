//! Comparison with scikit-learn: `reference/make.py` wrote the answers of a fitted
//! `ColumnTransformer`.

use hotstage_sdk::{Files, Tensor, testing};
use serde_json::{Map, Value, json};

use crate::Tabular;

const GOLDEN: &str = include_str!("../../reference/golden.json");
const TOLERANCE: f64 = 1e-6;

struct Golden {
    settings: Value,
    names: Vec<String>,
    rows: Vec<Vec<Value>>,
    csv: String,
    matrix: Vec<Vec<f64>>,
}

impl Golden {
    fn read() -> Self {
        let mut golden: Map<String, Value> = serde_json::from_str(GOLDEN).unwrap();
        let mut part = |key: &str| golden.remove(key).unwrap();
        Self {
            settings: part("settings"),
            names: serde_json::from_value(part("names")).unwrap(),
            rows: serde_json::from_value(part("rows")).unwrap(),
            csv: serde_json::from_value(part("csv")).unwrap(),
            matrix: serde_json::from_value(part("matrix")).unwrap(),
        }
    }

    fn open(&self, tensors: &str) -> testing::Bench<Tabular> {
        let mut settings = self.settings.clone();
        settings["tensors"] = tensors.into();
        settings["header"] = json!(self.names);
        testing::open_preprocessor(settings, Files::none()).unwrap()
    }

    #[track_caller]
    fn check(&self, answer: &testing::Answer) {
        let given = answer.get("features").unwrap();
        let (rows, width) = (self.matrix.len(), self.matrix[0].len());
        assert_eq!(given.shape(), [rows as u64, width as u64]);
        let given = given.slice::<f32>().unwrap().iter();
        for (index, (given, expected)) in given.zip(self.matrix.iter().flatten()).enumerate() {
            let (row, column) = (index / width, index % width);
            let tolerance = TOLERANCE * expected.abs().max(1.0);
            let difference = (f64::from(*given) - expected).abs();
            assert!(
                difference <= tolerance,
                "row {row}, column {column}: {given}, expected {expected}"
            );
        }
    }

    /// Objects, one per line.
    fn objects(&self) -> Vec<String> {
        let object = |row: &Vec<Value>| {
            let object: Map<String, Value> = self
                .names
                .iter()
                .cloned()
                .zip(row.iter().cloned())
                .collect();
            Value::Object(object).to_string()
        };
        self.rows.iter().map(object).collect()
    }
}

#[test]
fn csv_agrees_with_scikit_learn() {
    let golden = Golden::read();
    let mut bench =
        testing::open_preprocessor::<Tabular>(golden.settings.clone(), Files::none()).unwrap();
    golden.check(&bench.call_raw("text/csv", golden.csv.as_bytes()).unwrap());
    let (_, headless) = golden.csv.split_once('\n').unwrap();
    golden.check(
        &golden
            .open("columns")
            .call_raw("text/csv", headless.as_bytes())
            .unwrap(),
    );
}

#[test]
fn json_lines_agree_with_scikit_learn() {
    let golden = Golden::read();
    let objects = golden.objects().join("\n");
    golden.check(
        &golden
            .open("columns")
            .call_raw("application/x-ndjson", objects.as_bytes())
            .unwrap(),
    );
    let arrays: Vec<String> = golden
        .rows
        .iter()
        .map(|row| Value::from(row.clone()).to_string())
        .collect();
    let arrays = arrays.join("\r\n\r\n");
    golden.check(
        &golden
            .open("columns")
            .call_raw("application/jsonl", arrays.as_bytes())
            .unwrap(),
    );
}

#[test]
fn rows_in_a_tensor_agree_with_scikit_learn() {
    let golden = Golden::read();
    let rows = Tensor::bytes(&[golden.rows.len()], golden.objects()).unwrap();
    golden.check(&golden.open("rows").call([("rows", rows)]).unwrap());
}

#[test]
fn columns_in_tensors_agree_with_scikit_learn() {
    let golden = Golden::read();
    let count = golden.rows.len();
    let tensors = golden.names.iter().enumerate().map(|(index, name)| {
        let column = golden.rows.iter().map(|row| &row[index]);
        let is_text = golden.rows.iter().any(|row| row[index].is_string());
        let tensor = if is_text {
            Tensor::bytes(
                &[count],
                column.map(|value| value.as_str().unwrap_or_default()),
            )
        } else {
            Tensor::f64(
                &[count],
                column
                    .map(|value| value.as_f64().unwrap_or(f64::NAN))
                    .collect::<Vec<_>>(),
            )
        };
        (name, tensor.unwrap())
    });
    golden.check(&golden.open("columns").call(tensors).unwrap());
}
