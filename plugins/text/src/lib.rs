//! Turns texts into the token ids that a language model takes, as its `tokenizer.json` defines.
//!
//! Default: one input `text`, three outputs `input_ids`, `attention_mask` and `token_type_ids`,
//! rows padded to the longest one; [`Settings`] changes each. A raw body of `text/plain` is one
//! text. The tokenizer converts texts; this stage truncates, joins and pads rows. Bounds:
//! `texts_max` texts of `text_bytes_max` bytes in a call, `max_length` tokens in a row.

mod join;
mod rows;
pub mod settings;
mod tokenizer;

use std::fmt;

use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, OpenError, Outputs, Preprocessor, Signature, any, export,
};

use rows::{Layout, Rows};
use settings::{Names, Settings};
use tokenizer::Tokenizer;

/// A tokenizer with its buffers.
#[derive(Debug)]
pub struct Text {
    tokenizer: Tokenizer,
    layout: Layout,
    /// The input's name.
    text: String,
    /// The second input's name, if any.
    text_pair: Option<String>,
    raw_body: bool,
    outputs: Names,
    text_bytes_max: usize,
    texts_max: usize,
}

impl Preprocessor for Text {
    type Settings = Settings;
    const SUMMARY: &'static str = "Turns texts into the token ids that a language model takes.";

    fn open(settings: Settings, files: &Files) -> Result<(Self, Signature), OpenError> {
        settings.check().map_err(OpenError::settings)?;
        let (tokenizer, layout) = tokenizer::open(&files.read("tokenizer")?, &settings)?;
        let mut signature = Signature::new();
        for name in std::iter::once(&settings.text).chain(&settings.text_pair) {
            signature = signature.input(name, Datatype::Bytes, [any()]);
        }
        for name in settings.outputs.given() {
            signature = signature.output(name, Datatype::Int64, [any(), any()]);
        }
        let Settings {
            text,
            text_pair,
            raw_body,
            outputs,
            text_bytes_max,
            texts_max,
            ..
        } = settings;
        let stage = Self {
            tokenizer,
            layout,
            text,
            text_pair,
            raw_body,
            outputs,
            text_bytes_max,
            texts_max,
        };
        Ok((stage, signature))
    }

    /// A body is one text, so a stage that takes pairs accepts no bodies.
    fn accepts(&self) -> &[&str] {
        if self.raw_body && self.text_pair.is_none() {
            &["text/plain"]
        } else {
            &[]
        }
    }

    fn preprocess(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let texts = self.texts(inputs, &self.text)?;
        let pairs = self
            .text_pair
            .as_ref()
            .map(|name| self.texts(inputs, name))
            .transpose()?;
        if let (Some(name), Some(pairs)) = (&self.text_pair, &pairs)
            && pairs.len() != texts.len()
        {
            let (text, given, expected) = (&self.text, pairs.len(), texts.len());
            return Err(Failure::invalid_input(format!(
                "input `{name}`: has {given} elements, and `{text}` has {expected}; give one for each"
            )));
        }
        let mut rows = Rows::default();
        for (element, text) in texts.iter().enumerate() {
            let pair = pairs.as_ref().and_then(|pairs| pairs.get(element).copied());
            rows.push(
                &self
                    .tokenizer
                    .encode(text, pair, Place::Element(&self.text, element))?,
            );
        }
        rows.write(&self.layout, &self.outputs, outputs)
    }

    fn raw(
        &mut self,
        _content_type: &str,
        body: &[u8],
        outputs: &mut Outputs,
    ) -> Result<(), Failure> {
        let text = self.text(body, Place::Body)?;
        let mut rows = Rows::default();
        rows.push(&self.tokenizer.encode(text, None, Place::Body)?);
        rows.write(&self.layout, &self.outputs, outputs)
    }
}

impl Text {
    /// All texts of an input, within the bounds.
    fn texts<'a>(&self, inputs: &'a Inputs, name: &str) -> Result<Vec<&'a str>, Failure> {
        let given = inputs.get(name)?.shape().first().copied().unwrap_or(0);
        if (self.texts_max as u64) < given {
            let most = self.texts_max;
            return Err(Failure::invalid_input(format!(
                "input `{name}`: has {given} elements; at most {most} fit"
            )));
        }
        let elements = inputs.bytes(name)?.enumerate();
        elements
            .map(|(element, bytes)| self.text(bytes, Place::Element(name, element)))
            .collect()
    }

    fn text<'a>(&self, bytes: &'a [u8], place: Place<'_>) -> Result<&'a str, Failure> {
        if self.text_bytes_max < bytes.len() {
            let (given, most) = (bytes.len(), self.text_bytes_max);
            return Err(Failure::invalid_input(format!(
                "{place} has {given} bytes; at most {most} fit"
            )));
        }
        std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            let byte = bytes.get(at).copied().unwrap_or_default();
            // No length means that the bytes end inside a character.
            let why = error
                .error_len()
                .map_or("and the end is missing", |_| "which continues nothing");
            Failure::invalid_input(format!(
                "{place} is not UTF-8: byte {at} is 0x{byte:02x}, {why}"
            ))
        })
    }
}

/// The position of a text in a request, for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// An element of the input with this name.
    Element(&'a str, usize),
    /// The whole body.
    Body,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(input, element) => write!(f, "input `{input}`: element {element}"),
            Self::Body => f.write_str("the body"),
        }
    }
}

export!(preprocessor: Text);

#[cfg(test)]
mod tests;
