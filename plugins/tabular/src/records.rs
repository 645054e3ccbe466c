//! CSV records as in RFC 4180: quoted fields may contain delimiters, newlines and doubled quotes.
//!
//! Lines may end in LF, CRLF or CR; empty lines and a byte order mark are skipped. Bounds: a record
//! has at most [`FIELDS_MAX`] fields and [`RECORD_BYTES_MAX`] bytes, and the parser holds one
//! record. An unclosed quote is an error, because it would swallow the following rows.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Maximum fields of a record.
const FIELDS_MAX: usize = 65_536;
/// Maximum bytes of a record's fields.
const RECORD_BYTES_MAX: usize = 1 << 20;
/// Initial capacities in fields and bytes.
const FIELDS_FIRST: usize = 64;
const RECORD_BYTES_FIRST: usize = 1024;

/// Reads one record after another.
pub(crate) struct Records<'a> {
    reader: Reader,
    body: &'a [u8],
    /// The number of bytes read.
    read: usize,
    /// The start of the last record.
    start: usize,
    bytes: Vec<u8>,
    /// The end of each field in `bytes`.
    ends: Vec<usize>,
    fields: usize,
}

impl<'a> Records<'a> {
    pub(crate) fn new(body: &'a [u8], delimiter: u8) -> Self {
        let reader = ReaderBuilder::new().delimiter(delimiter).build();
        let (bytes, ends) = (vec![0; RECORD_BYTES_FIRST], vec![0; FIELDS_FIRST]);
        Self {
            reader,
            body,
            read: 0,
            start: 0,
            bytes,
            ends,
            fields: 0,
        }
    }

    /// Reads the next record; false at the end. The error says what is wrong with it.
    pub(crate) fn advance(&mut self) -> Result<bool, String> {
        // The parser reads the rest of a line ending with the next record.
        let skipped = self.body[self.read..]
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        self.start = self.read + skipped;
        let (mut bytes, mut fields) = (0, 0);
        loop {
            let rest = &self.body[self.read..];
            let is_end = rest.is_empty();
            // The last line may lack a newline. Appending one makes the parser's end state
            // unambiguous.
            let input = if is_end { b"\n" } else { rest };
            let (result, read, written, ended) =
                self.reader
                    .read_record(input, &mut self.bytes[bytes..], &mut self.ends[fields..]);
            bytes += written;
            fields += ended;
            if !is_end {
                self.read += read;
            }
            match result {
                ReadRecordResult::Record => {
                    self.fields = fields;
                    return Ok(true);
                }
                // A newline that is part of a field is inside quotes.
                ReadRecordResult::InputEmpty if is_end && written > 0 => {
                    return Err(
                        "a quote is opened and never closed; close it, and double quotes in a quoted field".to_owned()
                    );
                }
                ReadRecordResult::InputEmpty if is_end => return Ok(false),
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => {
                    grow(&mut self.bytes, RECORD_BYTES_MAX).ok_or_else(|| {
                        format!("more than {RECORD_BYTES_MAX} bytes; is a quote missing?")
                    })?;
                }
                ReadRecordResult::OutputEndsFull => {
                    grow(&mut self.ends, FIELDS_MAX)
                        .ok_or_else(|| format!("more than {FIELDS_MAX} fields"))?;
                }
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    /// The offset of the record in the body.
    pub(crate) const fn start(&self) -> usize {
        self.start
    }

    /// The number of fields of the record.
    pub(crate) const fn len(&self) -> usize {
        self.fields
    }

    /// A field of the record; empty if it has fewer.
    pub(crate) fn field(&self, index: usize) -> &[u8] {
        let ends = &self.ends[..self.fields];
        let start = index
            .checked_sub(1)
            .map_or(Some(0), |before| ends.get(before).copied());
        let range = start.zip(ends.get(index).copied());
        range
            .and_then(|(start, end)| self.bytes.get(start..end))
            .unwrap_or_default()
    }
}

/// Doubles a buffer, up to a bound. `None` if the bound is reached.
fn grow<T: Clone + Default>(buffer: &mut Vec<T>, most: usize) -> Option<()> {
    if buffer.len() >= most {
        return None;
    }
    buffer.resize((2 * buffer.len()).min(most), T::default());
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &[u8]) -> Result<Vec<(usize, Vec<String>)>, String> {
        let mut records = Records::new(body, b',');
        let mut all = Vec::new();
        while records.advance()? {
            let fields = (0..records.len())
                .map(|index| String::from_utf8_lossy(records.field(index)).into_owned());
            all.push((records.start(), fields.collect()));
        }
        Ok(all)
    }

    #[track_caller]
    fn check(body: &str, expected: &[(usize, &[&str])]) {
        let all = read(body.as_bytes()).unwrap();
        let all: Vec<(usize, Vec<&str>)> = all
            .iter()
            .map(|(start, fields)| (*start, fields.iter().map(String::as_str).collect()))
            .collect();
        let expected: Vec<(usize, Vec<&str>)> = expected
            .iter()
            .map(|(start, fields)| (*start, fields.to_vec()))
            .collect();
        assert_eq!(all, expected, "{body:?}");
    }

    #[test]
    fn lines_end_in_any_way_and_empty_ones_are_skipped() {
        for body in ["a,b\n1,2\n", "a,b\n1,2", "a,b\r1,2\r"] {
            check(body, &[(0, &["a", "b"]), (4, &["1", "2"])]);
        }
        check("a,b\r\n1,2\r\n", &[(0, &["a", "b"]), (5, &["1", "2"])]);
        check(
            "\n\na,b\n\r\n\n1,2\n\n\n",
            &[(2, &["a", "b"]), (9, &["1", "2"])],
        );
        check("", &[]);
        check("\n\r\n", &[]);
        check(",\n", &[(0, &["", ""])]);
    }

    #[test]
    fn quoted_fields_hold_anything() {
        check("\"a,\"\"b\"\"\nc\",d\n", &[(0, &["a,\"b\"\nc", "d"])]);
        check("\"\"\n", &[(0, &[""])]);
        check("a,\"b\"", &[(0, &["a", "b"])]);
        check("\u{feff}a,b\n1,2", &[(0, &["a", "b"]), (7, &["1", "2"])]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error() {
        for body in ["a\n\"1\n2\n3\n", "a\n\"", "a\n\"1\"\"\n"] {
            let error = read(body.as_bytes()).unwrap_err();
            assert!(
                error.starts_with("a quote is opened and never closed"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_record_has_bounds() {
        assert_eq!(
            read(&vec![b','; FIELDS_MAX]).unwrap_err(),
            "more than 65536 fields"
        );
        assert_eq!(
            read(&vec![b','; FIELDS_MAX - 1]).unwrap()[0].1.len(),
            FIELDS_MAX
        );
        assert!(
            read(&vec![b'a'; RECORD_BYTES_MAX + 1])
                .unwrap_err()
                .starts_with("more than 1048576 bytes")
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            table in prop::collection::vec(prop::collection::vec("[a\",\r\n ]{0,6}", 2), 0..9)
        ) {
            let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",");
            let body = table.iter().map(line).collect::<Vec<_>>().join("\r\n");
            let records = read(body.as_bytes()).unwrap().into_iter();
            let fields: Vec<_> = records.map(|(_, fields)| fields).collect();
            prop_assert_eq!(fields, table);
        }

        #[test]
        fn no_body_breaks_it(body in "[a\",\r\n\u{feff}]{0,64}") {
            let _ = read(body.as_bytes());
        }
    }
}
