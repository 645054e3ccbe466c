//! An answer as a table: a row for each element of dimension 0, a column for each output.

use comfy_table::{ContentArrangement, Table, presets};
use half::{bf16, f16};
use hotstage_core::datatype::Datatype;
use hotstage_core::tensor::Tensor;

/// Bound on the elements shown in one cell.
const ELEMENTS: usize = 8;

/// Columns of the input that are shown beside the answer.
#[derive(Default)]
pub(super) struct Columns {
    pub(super) first_row: usize,
    pub(super) columns: Vec<(String, Vec<String>)>,
}

pub(super) fn table(outputs: &[(String, Tensor)], beside: Option<&Columns>) -> String {
    let none = Columns::default();
    let beside = beside.unwrap_or(&none);
    let rows = outputs
        .iter()
        .map(|(_, tensor)| rows(tensor))
        .max()
        .unwrap_or(0);
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    let names = beside
        .columns
        .iter()
        .map(|(name, _)| name.as_str())
        .chain(outputs.iter().map(|(name, _)| name.as_str()));
    table.set_header(std::iter::once("row").chain(names));
    for row in 0..rows {
        let mut line = vec![(beside.first_row + row + 1).to_string()];
        line.extend(
            beside
                .columns
                .iter()
                .map(|(_, cells)| cells.get(row).cloned().unwrap_or_default()),
        );
        line.extend(outputs.iter().map(|(_, tensor)| cell(tensor, row)));
        table.add_row(line);
    }
    table.to_string()
}

fn rows(tensor: &Tensor) -> usize {
    tensor
        .shape()
        .first()
        .map_or(1, |&rows| usize::try_from(rows).unwrap_or(usize::MAX))
}

fn cell(tensor: &Tensor, row: usize) -> String {
    let width = tensor.elements() / rows(tensor).max(1);
    let range = row * width..(row + 1) * width;
    let shown: Vec<String> = range
        .clone()
        .take(ELEMENTS)
        .filter_map(|index| element(tensor, index))
        .collect();
    let more = if range.len() > ELEMENTS { " …" } else { "" };
    format!("{}{more}", shown.join(" "))
}

fn element(tensor: &Tensor, index: usize) -> Option<String> {
    let Some(size) = tensor.datatype().size() else {
        return Some(String::from_utf8_lossy(tensor.bytes_elements().nth(index)?).into_owned());
    };
    let bytes = tensor.data().get(index * size..(index + 1) * size)?;
    macro_rules! number {
        ($type:ty) => {
            <$type>::from_le_bytes(bytes.try_into().ok()?).to_string()
        };
    }
    Some(match tensor.datatype() {
        Datatype::Bool => (bytes[0] == 1).to_string(),
        Datatype::Uint8 => number!(u8),
        Datatype::Uint16 => number!(u16),
        Datatype::Uint32 => number!(u32),
        Datatype::Uint64 => number!(u64),
        Datatype::Int8 => number!(i8),
        Datatype::Int16 => number!(i16),
        Datatype::Int32 => number!(i32),
        Datatype::Int64 => number!(i64),
        Datatype::Fp16 => number!(f16),
        Datatype::Bf16 => number!(bf16),
        Datatype::Fp32 => number!(f32),
        Datatype::Fp64 => number!(f64),
        Datatype::Bytes => return None,
    })
}
