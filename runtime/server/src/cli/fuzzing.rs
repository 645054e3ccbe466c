//! What fuzz targets call of this module's private parts. Nothing else does.

use hotstage_core::tensor::Tensor;
use serde_json::Value;

use super::infer::rows::{Plan, Table};

/// Makes tensors of all rows of a CSV file, as `hotstage infer` does for a model of this metadata.
pub fn rows(text: &[u8], about: &Value) -> Result<Vec<(String, Tensor)>, String> {
    let table = Table::read(text)?;
    Plan::new(&table, about)?.tensors(&table, 0..table.rows())
}
