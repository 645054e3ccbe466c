//! The fast path through the JSON around the elements: one pass, for documents as clients usually
//! write them.
//!
//! Nearly every request is valid, has no duplicate keys and no escapes in its keys. This reader
//! takes two or three instructions a byte for those. For anything else it gives up, and
//! [`envelope`](super::envelope) reads the document again and reports what is wrong, if anything
//! is. So both must read a document to the same result, which a test checks. Nesting uses no stack.

use hotstage_core::limits::PORTS_MAX;

use super::envelope::{Envelope, Fields, List, present};

/// Reads a whole document. `None` is not an error: the caller takes the slow path.
pub(super) fn read(text: &str) -> Option<Envelope<'_>> {
    let mut reader = Reader { text, at: 0 };
    let mut envelope = Envelope::default();
    let (mut id, mut parameters) = (None, None);
    reader.space();
    reader.object(|reader, key| match key {
        "inputs" => reader.tensors(&mut envelope.inputs),
        "outputs" => reader.tensors(&mut envelope.outputs),
        "id" => reader.value(&mut id),
        "parameters" => reader.value(&mut parameters),
        _ => reader.skip(),
    })?;
    reader.space();
    (envelope.id, envelope.parameters) = (present(id), present(parameters));
    (reader.at == text.len()).then_some(envelope)
}

/// The text, and the position of the reader.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// An object; `member` reads the value of each key.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        self.space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.take(b':')?;
            self.space();
            member(self, key)?;
            self.space();
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Reads a list of tensors' objects; `None` for a duplicate.
    fn tensors(&mut self, list: &mut Option<List<'a>>) -> Option<()> {
        if list.is_some() {
            return None;
        }
        let list = list.insert(List::new());
        self.take(b'[')?;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        while list.len() < PORTS_MAX {
            self.space();
            list.push(self.tensor()?);
            self.space();
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
        None
    }

    fn tensor(&mut self) -> Option<Fields<'a>> {
        let (mut name, mut shape, mut datatype, mut parameters, mut data) =
            (None, None, None, None, None);
        self.object(|reader, key| match key {
            "name" => reader.value(&mut name),
            "shape" => reader.value(&mut shape),
            "datatype" => reader.value(&mut datatype),
            "parameters" => reader.value(&mut parameters),
            "data" => reader.value(&mut data),
            _ => reader.skip(),
        })?;
        let [name, shape, datatype, parameters, data] =
            [name, shape, datatype, parameters, data].map(present);
        Some(Fields {
            name,
            shape,
            datatype,
            parameters,
            data,
        })
    }

    /// Reads the text of a value; `None` for a duplicate key.
    fn value(&mut self, slot: &mut Option<&'a str>) -> Option<()> {
        let from = self.at;
        self.skip()?;
        let text = self.text.get(from..self.at)?;
        slot.replace(text).is_none().then_some(())
    }

    /// Skips any value except an object that contains another one.
    fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'[' => self.list(),
            b'{' => self.object(|reader, _| reader.scalar()),
            _ => self.scalar(),
        }
    }

    /// Skips a list of scalars and such lists.
    fn list(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.space();
            match self.peek()? {
                b'[' => {
                    self.at += 1;
                    depth += 1;
                    self.space();
                    if self.peek()? != b']' {
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            loop {
                self.space();
                match self.next()? {
                    b',' => break,
                    b']' => depth -= 1,
                    _ => return None,
                }
                if depth == 0 {
                    return Some(());
                }
            }
        }
    }

    #[inline]
    fn scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.text.get(self.at..)?.starts_with(word).then_some(())?;
        self.at += word.len();
        Some(())
    }

    /// A string without escapes; returns the text between its quotes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let from = self.at;
        loop {
            match self.next()? {
                b'"' => return self.text.get(from..self.at - 1),
                b'\\' | ..b' ' => return None,
                _ => {}
            }
        }
    }

    /// A number in the syntax of RFC 8259, section 6.
    #[inline]
    fn number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Some(())
    }

    #[inline]
    fn some_digits(&mut self) -> Option<()> {
        let from = self.at;
        self.digits();
        (from < self.at).then_some(())
    }

    #[inline]
    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::envelope;
    use super::*;

    /// Replacements that a test puts into a document.
    const CHANGE: &str = "[\\[\\]{},:\"\\\\ 0-9eE.+a-z-]?";
    const SOUND: [&str; 5] = [
        r#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[0.5,-1e-3]}]}"#,
        r#"{"id":"7","parameters":{"a":true,"b":"c"},"inputs":[],"outputs":[{"name":"y"}],"more":[[1,[]],null]}"#,
        r#"{"inputs":[{"name":"x","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":12}}]}"#,
        "{ \"inputs\" : [ { \"name\" : \"é\" , \"data\" : [ [ \"a\" , \"\" ] , [ 0 , -0.10E+2 ] ] } , { } ] }\r\n",
        "\t{}",
    ];

    #[test]
    fn typical_documents_take_the_fast_path() {
        for text in SOUND {
            assert_eq!(
                read(text).as_ref(),
                envelope::slow("it", text).ok().as_ref(),
                "{text}"
            );
            assert!(read(text).is_some(), "{text}");
        }
    }

    #[test]
    fn unusual_or_invalid_documents_take_the_slow_path() {
        let values = [
            "01", "1.", ".5", "1e", "+1", "-", "nul", "[1,]", "[,1]", "[1 2]", "[1", "]", "[[1]",
            "[1]]", "{{}}",
        ];
        for value in values {
            assert_eq!(read(&format!(r#"{{"id":{value}}}"#)), None, "{value}");
        }
        let keys = [
            r#""id":"a","id":"b""#,
            r#""id":"\n""#,
            "\"id\":\"\n\"",
            r#""id":"a","#,
            r#""id" "a""#,
            r#""inputs":null"#,
        ];
        for keys in keys.iter().chain(&[
            r#""inputs":[],"inputs":[]"#,
            r#""inputs":[5]"#,
            r#""inputs":[{"data":[{}]}]"#,
        ]) {
            assert_eq!(read(&format!("{{{keys}}}")), None, "{keys}");
        }
        for text in ["", "[]", "{", "{}}", "{} {}", r#"{"parameters":{"a":{}}}"#] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_fast_path_agrees_with_the_slow_path(
            which in 0..SOUND.len(),
            changes in prop::collection::vec(
                (any::<prop::sample::Index>(), CHANGE, any::<bool>()),
                1..4,
            ),
        ) {
            let mut text: Vec<char> = SOUND[which].chars().collect();
            for (place, with, replaces) in changes {
                let at = place.index(text.len());
                text.splice(at..at + usize::from(replaces), with.chars());
                if text.is_empty() {
                    break;
                }
            }
            let text: String = text.into_iter().collect();
            if let Some(quick) = read(&text) {
                prop_assert_eq!(Some(quick), envelope::slow("it", &text).ok());
            }
        }
    }
}
