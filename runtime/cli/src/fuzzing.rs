//! Access for fuzz targets to this module's private parts. Nothing else uses it.

use hotstage_core::tensor::Tensor;
use serde_json::Value;

use super::infer::rows::{Plan, Table};

/// Converts all rows of a CSV file to tensors, as `hotstage infer` does for a model with this
/// metadata.
pub fn rows(text: &[u8], about: &Value) -> Result<Vec<(String, Tensor)>, String> {
    let table = Table::read(text)?;
    Plan::new(&table, about)?.tensors(&table, 0..table.rows())
}
