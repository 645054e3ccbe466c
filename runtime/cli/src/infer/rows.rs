//! Rows of a CSV file → the inputs that a model's metadata asks for.
//!
//! A model with one two-dimensional input gets a matrix of all numeric columns, in the file's
//! order. A model with several inputs, or with one-dimensional ones, gets each input from the
//! column of that name. Columns that are not sent are printed beside the answer.

use std::ops::Range;
use std::path::Path;

use hotstage_core::datatype::Datatype;
use hotstage_core::tensor::{Shape, Tensor};
use serde_json::{Value, json};

use super::show::Columns;
use hotstage_server::codecs::oip::document::parse_named;
use hotstage_server::codecs::oip::field_path::Side;

/// Whether the file's name ends in `.csv`.
pub(crate) fn is_csv(path: &Path) -> bool {
    path.extension()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("csv"))
}

/// A CSV file.
pub(crate) struct Table {
    names: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    pub(crate) fn read(text: &[u8]) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text);
        let names: Vec<String> = reader
            .headers()
            .map_err(|error| error.to_string())?
            .iter()
            .map(str::to_owned)
            .collect();
        let rows = reader
            .records()
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        if rows.is_empty() {
            return Err("there are no rows below the header".to_owned());
        }
        Ok(Self { names, rows })
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    fn cell(&self, row: usize, column: usize) -> &str {
        self.rows
            .get(row)
            .and_then(|row| row.get(column))
            .unwrap_or_default()
    }

    fn is_numeric(&self, column: usize) -> bool {
        (0..self.rows()).all(|row| self.cell(row, column).parse::<f64>().is_ok())
    }
}

/// Maps columns to inputs.
pub(crate) struct Plan {
    inputs: Vec<Input>,
    /// Columns that are not sent.
    left: Vec<usize>,
}

struct Input {
    name: String,
    datatype: Datatype,
    columns: Vec<usize>,
    is_matrix: bool,
}

impl Plan {
    /// Matches the columns to the inputs of a model's metadata.
    pub(crate) fn new(table: &Table, about: &Value) -> Result<Self, String> {
        let inputs = about
            .get("inputs")
            .and_then(Value::as_array)
            .ok_or("the server's metadata lists no inputs")?;
        let inputs = match inputs.as_slice() {
            [only] if shape(only).len() == 2 && !matches!(shape(only)[..], [_, 1]) => {
                vec![matrix(table, only)?]
            }
            several => several
                .iter()
                .map(|input| column(table, input))
                .collect::<Result<_, _>>()?,
        };
        let is_sent = |column: &usize| inputs.iter().any(|input| input.columns.contains(column));
        let left = (0..table.names.len())
            .filter(|column| !is_sent(column))
            .collect();
        Ok(Self { inputs, left })
    }

    /// Names the columns that are not sent.
    pub(crate) fn remark(&self, table: &Table) -> Option<String> {
        let names: Vec<&str> = self
            .left
            .iter()
            .map(|&column| table.names[column].as_str())
            .collect();
        (!names.is_empty()).then(|| format!("not sent, only shown: {}", names.join(", ")))
    }

    /// The columns that are printed beside an answer.
    pub(super) fn beside(&self, table: &Table, rows: Range<usize>) -> Columns {
        let column = |&column: &usize| {
            let cells = rows
                .clone()
                .map(|row| table.cell(row, column).to_owned())
                .collect();
            (table.names[column].clone(), cells)
        };
        Columns {
            first_row: rows.start,
            columns: self.left.iter().map(column).collect(),
        }
    }

    /// The inputs for these rows.
    pub(crate) fn tensors(
        &self,
        table: &Table,
        rows: Range<usize>,
    ) -> Result<Vec<(String, Tensor)>, String> {
        self.inputs
            .iter()
            .map(|input| Ok((input.name.clone(), input.tensor(table, rows.clone())?)))
            .collect()
    }
}

impl Input {
    fn tensor(&self, table: &Table, rows: Range<usize>) -> Result<Tensor, String> {
        if self.datatype == Datatype::Bytes {
            let cells = rows.clone().flat_map(|row| {
                self.columns
                    .iter()
                    .map(move |&column| table.cell(row, column).as_bytes())
            });
            let (datatype, _, data) = Tensor::from_bytes_elements(cells).into_parts();
            return Tensor::new(datatype, self.shape(&rows), data)
                .map_err(|error| error.to_string());
        }
        let mut cells = Vec::with_capacity(rows.len() * self.columns.len());
        for row in rows.clone() {
            for &column in &self.columns {
                let text = table.cell(row, column);
                let cell: Value = serde_json::from_str(text).map_err(|_| {
                    format!(
                        "row {}, column `{}`: `{text}` is not a number",
                        row + 1,
                        table.names[column]
                    )
                })?;
                cells.push(cell);
            }
        }
        let shape = self.shape(&rows);
        let document = json!({ "inputs": [{
            "name": self.name, "datatype": self.datatype.name(), "shape": shape.as_slice(), "data": cells,
        }]});
        let named = parse_named(document.to_string().as_bytes(), Side::Input)
            .map_err(|failure| failure.message)?;
        named
            .into_iter()
            .next()
            .map(|(_, tensor)| tensor)
            .ok_or_else(|| "the request holds no tensor".to_owned())
    }

    fn shape(&self, rows: &Range<usize>) -> Shape {
        let mut shape = Shape::from_slice(&[rows.len() as u64]);
        if self.is_matrix {
            shape.push(self.columns.len() as u64);
        }
        shape
    }
}

fn matrix(table: &Table, input: &Value) -> Result<Input, String> {
    let columns: Vec<usize> = (0..table.names.len())
        .filter(|&column| table.is_numeric(column))
        .collect();
    let name = text(input, "name")?;
    let wanted = shape(input)[1];
    if wanted >= 0 && columns.len() as i64 != wanted {
        let given = columns.len();
        return Err(format!(
            "input `{name}` takes {wanted} numbers a row; the file has {given} numeric columns"
        ));
    }
    Ok(Input {
        name,
        datatype: datatype(input)?,
        columns,
        is_matrix: true,
    })
}

fn column(table: &Table, input: &Value) -> Result<Input, String> {
    let name = text(input, "name")?;
    let column = table.names.iter().position(|column| *column == name);
    let column = column.ok_or_else(|| {
        format!(
            "there is no column `{name}`; the columns are: {}",
            table.names.join(", ")
        )
    })?;
    let is_matrix = match shape(input)[..] {
        [_] => false,
        [_, 1] => true,
        _ => {
            return Err(format!(
                "input `{name}` has a shape that a column can't fill; send a JSON request"
            ));
        }
    };
    Ok(Input {
        name,
        datatype: datatype(input)?,
        columns: vec![column],
        is_matrix,
    })
}

fn shape(input: &Value) -> Vec<i64> {
    let sizes = input.get("shape").and_then(Value::as_array);
    sizes
        .into_iter()
        .flatten()
        .filter_map(Value::as_i64)
        .collect()
}

fn text(input: &Value, key: &str) -> Result<String, String> {
    let text = input.get(key).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| format!("the server's metadata lacks an input's {key}"))
}

fn datatype(input: &Value) -> Result<Datatype, String> {
    text(input, "datatype")?
        .parse()
        .map_err(|error: hotstage_core::datatype::UnknownDatatype| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        Table::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn numeric_columns_make_a_matrix_and_the_rest_is_shown() {
        let table = table("a,truth,b\n1,yes,2\n3,no,4.5\n");
        let about = json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [-1, 2] }] });
        let plan = Plan::new(&table, &about).unwrap();
        let tensors = plan.tensors(&table, 0..2).unwrap();
        assert_eq!(tensors[0].1.shape(), [2, 2]);
        assert_eq!(tensors[0].1.data()[12..], 4.5_f32.to_le_bytes());
        assert_eq!(plan.remark(&table).unwrap(), "not sent, only shown: truth");
        let about = json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [-1, 3] }] });
        let error = Plan::new(&table, &about).err().unwrap();
        assert_eq!(
            error,
            "input `x` takes 3 numbers a row; the file has 2 numeric columns"
        );
    }

    #[test]
    fn columns_go_by_name() {
        let table = table("age,city\n7,Ulm\n8,Bonn\n");
        let about = json!({ "inputs": [
            { "name": "city", "datatype": "BYTES", "shape": [-1] },
            { "name": "age", "datatype": "INT64", "shape": [-1, 1] },
        ]});
        let tensors = Plan::new(&table, &about)
            .unwrap()
            .tensors(&table, 1..2)
            .unwrap();
        assert_eq!(tensors[0].1.bytes_elements().next().unwrap(), b"Bonn");
        assert_eq!(
            (tensors[1].1.shape(), &tensors[1].1.data()[..]),
            (&[1, 1][..], &8_i64.to_le_bytes()[..])
        );
    }
}
