//! Held-out patients: a CSV header, then one row for each patient with measurements and, in the
//! last column, the doctor's diagnosis.

use std::fs;
use std::path::Path;

use crate::run::{OrStop, Outcome, Stop};

/// One patient.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    /// From 1, without the header.
    pub(crate) number: usize,
    pub(crate) features: Vec<f64>,
    pub(crate) diagnosis: String,
}

impl Row {
    /// Whether the label is the diagnosis.
    pub(crate) fn is(&self, label: &str) -> bool {
        self.diagnosis.eq_ignore_ascii_case(label)
    }
}

pub(crate) fn read(path: &Path) -> Outcome<Vec<Row>> {
    let text = fs::read_to_string(path).or_stop(|| format!("can't read {}", path.display()))?;
    parse(&text).map_err(|what| Stop::new(format!("{}: {what}", path.display())))
}

/// A split at commas suffices: no field of this file holds a comma or a quote.
fn parse(text: &str) -> Result<Vec<Row>, String> {
    let mut lines = text.lines();
    let columns = lines.next().map_or(0, |header| header.split(',').count());
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(lines.filter(|line| !line.trim().is_empty())) {
        let mut fields: Vec<&str> = line.split(',').map(str::trim).collect();
        if fields.len() != columns {
            return Err(format!(
                "row {number} has {} columns and the header {columns}",
                fields.len()
            ));
        }
        let diagnosis = fields.pop().unwrap_or_default().to_owned();
        let features = fields
            .iter()
            .map(|field| field.parse::<f64>())
            .collect::<Result<_, _>>();
        let features = features.map_err(|error| format!("row {number}: {error}"))?;
        rows.push(Row {
            number,
            features,
            diagnosis,
        });
    }
    if rows.is_empty() {
        Err("there are no rows below the header".to_owned())
    } else {
        Ok(rows)
    }
}

/// The first rows of each diagnosis, in the file's order.
pub(crate) fn of_each(rows: &[Row], each: usize) -> Outcome<Vec<&Row>> {
    let mut chosen: Vec<&Row> = Vec::new();
    for truth in ["benign", "malignant"] {
        let found = rows.iter().filter(|row| row.is(truth)).take(each);
        let had = chosen.len();
        chosen.extend(found);
        if chosen.len() - had < each {
            return Err(Stop::new(format!(
                "the held-out rows have fewer than {each} whose diagnosis is `{truth}`"
            )));
        }
    }
    chosen.sort_by_key(|row| row.number);
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a,b,diagnosis\n1,2.5,benign\n3,4,malignant\n5,6,benign\n";

    #[test]
    fn the_last_column_is_the_truth() {
        let rows = parse(TEXT).unwrap();
        assert_eq!(
            rows[1],
            Row {
                number: 2,
                features: vec![3.0, 4.0],
                diagnosis: "malignant".to_owned()
            }
        );
        assert!(rows[1].is("Malignant") && !rows[1].is("benign"));
    }

    #[test]
    fn rows_of_each_truth_come_in_the_files_order() {
        let rows = parse(TEXT).unwrap();
        let numbers: Vec<usize> = of_each(&rows, 1)
            .unwrap()
            .iter()
            .map(|row| row.number)
            .collect();
        assert_eq!(numbers, [1, 2]);
        assert!(
            of_each(&rows, 2)
                .unwrap_err()
                .to_string()
                .contains("`malignant`")
        );
    }

    #[test]
    fn a_damaged_file_names_its_row() {
        assert_eq!(
            parse("a,b,d\n1,benign\n").unwrap_err(),
            "row 1 has 2 columns and the header 3"
        );
        assert!(parse("a,d\nx,benign\n").unwrap_err().starts_with("row 1: "));
        assert!(parse("a,d\n").is_err());
    }
}
