//! The byte range of a value in a file's text, so that it alone can be replaced.
//!
//! A value in brackets ends with its bracket, one in lines with its last item: comments and blank
//! lines after it are not included. An empty value (`data:` without a value) has no span.

use std::ops::Range;

use saphyr_parser::{Event, Parser, Span, StrInput};

use super::problem::{KeyPath, Place, Step};

/// The bytes of the value at the path, in the document that begins at `document`.
pub fn span(text: &str, document: Place, path: &KeyPath) -> Option<Range<usize>> {
    let plain = text.trim_start_matches('\u{feff}');
    let skipped = text.len() - plain.len();
    let places = (!plain.is_ascii()).then(|| plain.char_indices().map(|(byte, _)| byte).collect());
    let mut reader = Reader {
        text: plain,
        places,
        parser: Parser::new_from_str(plain),
        found: None,
    };
    loop {
        let (event, span) = reader.event()?;
        match event {
            Event::StreamEnd => return None,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event => {
                let is_meant = (span.start.line().max(1), span.start.col() + 1)
                    == (document.line, document.column);
                reader.value(&event, span, is_meant.then_some(path.steps()))?;
            }
        }
        if let Some(Range { start, end }) = reader.found {
            return Some(start + skipped..end + skipped);
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    /// The byte offset of each character; `None` where it equals the character's index.
    places: Option<Vec<usize>>,
    parser: Parser<'t, StrInput<'t>>,
    found: Option<Range<usize>>,
}

impl<'t> Reader<'t> {
    fn event(&mut self) -> Option<(Event<'t>, Span)> {
        self.parser.next_event()?.ok()
    }

    /// Reads one value to its end, and records the wanted one inside it; returns where it ends.
    fn value(&mut self, event: &Event<'t>, span: Span, wanted: Option<&[Step]>) -> Option<usize> {
        let start = self.byte(span.start.index());
        let end = match event {
            Event::SequenceStart(..) => self.list(start, wanted)?,
            Event::MappingStart(..) => self.map(start, wanted)?,
            _ => start + scalar(&self.text[start..self.byte(span.end.index()).max(start)]),
        };
        if wanted == Some(&[]) && end > start {
            self.found = Some(start..end);
        }
        Some(end)
    }

    fn list(&mut self, start: usize, wanted: Option<&[Step]>) -> Option<usize> {
        let (mut last, mut index) = (start, 0);
        loop {
            let (event, span) = self.event()?;
            if matches!(event, Event::SequenceEnd) {
                return Some(self.closed(start, last, span));
            }
            let further = match wanted.and_then(<[Step]>::split_first) {
                Some((Step::Index(wanted), further)) if *wanted == index => Some(further),
                _ => None,
            };
            last = self.value(&event, span, further)?;
            index += 1;
        }
    }

    fn map(&mut self, start: usize, wanted: Option<&[Step]>) -> Option<usize> {
        let mut last = start;
        loop {
            let (event, span) = self.event()?;
            if matches!(event, Event::MappingEnd) {
                return Some(self.closed(start, last, span));
            }
            let key = match &event {
                Event::Scalar(text, ..) => Some(text.to_string()),
                _ => None,
            };
            self.value(&event, span, None)?;
            let further = match wanted.and_then(<[Step]>::split_first) {
                Some((Step::Key(wanted), further)) if Some(wanted) == key.as_ref() => Some(further),
                _ => None,
            };
            let (event, span) = self.event()?;
            last = self.value(&event, span, further)?;
        }
    }

    /// Where a list or a mapping ends: with its bracket if it has one.
    fn closed(&self, start: usize, last: usize, end: Span) -> usize {
        let has_bracket = self.text[start..].starts_with(['[', '{']);
        // Its event extends to the next token, past comments.
        if has_bracket {
            self.byte(end.start.index()) + 1
        } else {
            last
        }
    }

    /// The byte offset of a character: the parser counts characters.
    fn byte(&self, character: usize) -> usize {
        let byte = self
            .places
            .as_ref()
            .map_or(Some(character), |places| places.get(character).copied());
        byte.unwrap_or(self.text.len()).min(self.text.len())
    }
}

/// Bytes of the scalar at the start of a text: its event may extend past a comment.
fn scalar(text: &str) -> usize {
    let Some(quote @ (b'"' | b'\'')) = text.bytes().next() else {
        return text.trim_end().len();
    };
    let (bytes, mut at) = (text.as_bytes(), 1);
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        at += match *byte {
            b'\\' if quote == b'"' => 2,
            b'\'' if quote == b'\'' && next == Some(b'\'') => 2,
            byte if byte == quote => return at + 1,
            _ => 1,
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(keys: &str) -> KeyPath {
        keys.split('.')
            .fold(KeyPath::default(), |path, key| match key.parse() {
                Ok(index) => path.index(index),
                Err(_) => path.key(key),
            })
    }

    #[track_caller]
    fn check(text: &str, keys: &str, expect: Option<&str>) {
        let found = span(text, Place { line: 1, column: 1 }, &path(keys)).map(|span| &text[span]);
        assert_eq!(found, expect, "{keys} in\n{text}");
    }

    #[test]
    fn a_value_is_found_however_it_is_written() {
        let text = "\
a: { ü: [1, {b: 2}], c: 'x' } # no
flow: [ 1 ]     # no
quoted: 'a # b'   # no
plain: a b   # no
list:   # yes
  - data:
      - 1.5   # one

      - [2,
         3]
    # behind
    name: \"é\"
  - name: second
    data: [1, 2]
empty:
";
        check(text, "a.ü", Some("[1, {b: 2}]"));
        check(text, "a.ü.1", Some("{b: 2}"));
        check(text, "a.ü.1.b", Some("2"));
        check(text, "a.c", Some("'x'"));
        check(text, "flow", Some("[ 1 ]"));
        check(text, "flow.0", Some("1"));
        check(text, "quoted", Some("'a # b'"));
        check(text, "plain", Some("a b"));
        check("a: 'it''s' # x", "a", Some("'it''s'"));
        check(r#"a: "q\" #" # x"#, "a", Some(r#""q\" #""#));
        check(
            text,
            "list.0.data",
            Some("- 1.5   # one\n\n      - [2,\n         3]"),
        );
        check(text, "list.0.data.1", Some("[2,\n         3]"));
        check(text, "list.0.name", Some("\"é\""));
        check(text, "list.1.data", Some("[1, 2]"));
        check(text, "list.2", None);
        check(text, "empty", None);
        check(text, "none", None);
    }

    #[test]
    fn json_and_later_documents_are_read_as_well() {
        check(
            "{\"outputs\": [{\"data\": [1,\n2]}]}",
            "outputs.0.data",
            Some("[1,\n2]"),
        );
        let two = "a: 1\n---\nb: 2\n---\na: 3\n";
        let at = |line| span(two, Place { line, column: 1 }, &path("a")).map(|span| &two[span]);
        assert_eq!((at(1), at(3), at(5)), (Some("1"), None, Some("3")));
    }
}
