//! The closing table: each file with its size, licence and source.

use crate::build::size;

/// One file.
pub(super) struct Row {
    /// Relative to the workspace.
    pub(super) file: String,
    /// `None` if there is no file.
    pub(super) bytes: Option<u64>,
    pub(super) licence: String,
    /// A package and its version, or a script.
    pub(super) from: String,
    pub(super) note: &'static str,
}

/// Aligned columns, a line for each file.
pub(super) fn lines(rows: &[Row]) -> Vec<String> {
    let width = |text: fn(&Row) -> &str| rows.iter().map(|row| text(row).len()).max().unwrap_or(0);
    let (file, licence, from) = (
        width(|row| &row.file),
        width(|row| &row.licence),
        width(|row| &row.from),
    );
    let line = |row: &Row| {
        let bytes = row.bytes.map_or_else(|| "-".to_owned(), size);
        let Row {
            file: name,
            licence: terms,
            from: source,
            note,
            ..
        } = row;
        format!("{name:file$}  {bytes:>10}  {terms:licence$}  {source:from$}  {note}")
            .trim_end()
            .to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let row = |file: &str, bytes, note| Row {
            file: file.to_owned(),
            bytes,
            licence: "MIT".to_owned(),
            from: "a 1".to_owned(),
            note,
        };
        let lines = lines(&[
            row("a/fetched/x", Some(2048), "new"),
            row("y", None, "missing"),
        ]);
        assert_eq!(
            lines,
            [
                "a/fetched/x     2.0 KiB  MIT  a 1  new",
                "y                     -  MIT  a 1  missing"
            ]
        );
    }
}
