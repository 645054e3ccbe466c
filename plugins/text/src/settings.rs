//! What the manifest may set, and what of it makes no sense.
//!
//! Default: everything, so that `settings: {}` serves most encoders. What is left out and stands in
//! `tokenizer.json` comes from there: the length, the token and the side that rows are padded with.

use schemars::JsonSchema;
use serde::Deserialize;

/// Bytes of one text unless the settings say otherwise: some ten thousand words.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Texts in one call unless the settings say otherwise.
const TEXTS_MAX: usize = 1024;

/// What the manifest may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The name of the input.
    pub(crate) text: String,
    /// The name of a second input, whose texts follow those of the first: passages after questions.
    pub(crate) text_pair: Option<String>,
    /// Whether a body of `text/plain` is taken as one text. To be switched off where a later stage
    /// takes a tensor of the request, as a body has none.
    pub(crate) raw_body: bool,
    /// Which outputs there are, and their names; all three unless set.
    pub(crate) outputs: Names,
    /// Most tokens in a row, those that the tokenizer adds among them. Unless set, what
    /// `tokenizer.json` says under `truncation`, or else 512.
    pub(crate) max_length: Option<usize>,
    /// What happens to a text of more tokens.
    pub(crate) on_too_long: TooLong,
    /// How long rows are.
    pub(crate) padding: Padding,
    /// Which end of a row is filled up. Unless set, what `tokenizer.json` says under `padding`, or
    /// else the right one.
    pub(crate) padding_side: Option<Side>,
    /// The token that rows are filled up with. Unless set, what `tokenizer.json` says under
    /// `padding`, or else `[PAD]` or `<pad>`, or else the token 0, which the mask hides.
    pub(crate) pad_token: Option<String>,
    /// Whether the tokenizer adds what it adds around a text: `[CLS]` and `[SEP]`, `</s>`.
    pub(crate) add_special_tokens: bool,
    /// Most bytes of one text.
    pub(crate) text_bytes_max: usize,
    /// Most texts in one call.
    pub(crate) texts_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            text: "text".to_owned(),
            text_pair: None,
            raw_body: true,
            outputs: Names::default(),
            max_length: None,
            on_too_long: TooLong::Truncate,
            padding: Padding::Longest,
            padding_side: None,
            pad_token: None,
            add_special_tokens: true,
            text_bytes_max: TEXT_BYTES_MAX,
            texts_max: TEXTS_MAX,
        }
    }
}

/// The outputs' names. One that has none is not made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// The name of the tokens' numbers.
    #[serde(default)]
    pub(crate) input_ids: Option<String>,
    /// The name of the mask: 1 for a token, 0 for what fills up the row.
    #[serde(default)]
    pub(crate) attention_mask: Option<String>,
    /// The name of the numbers that tell the first text from the second.
    #[serde(default)]
    pub(crate) token_type_ids: Option<String>,
}

impl Default for Names {
    fn default() -> Self {
        let named = |name: &str| Some(name.to_owned());
        Self {
            input_ids: named("input_ids"),
            attention_mask: named("attention_mask"),
            token_type_ids: named("token_type_ids"),
        }
    }
}

impl Names {
    /// Those that are made.
    pub(crate) fn given(&self) -> impl Iterator<Item = &str> {
        [&self.input_ids, &self.attention_mask, &self.token_type_ids]
            .into_iter()
            .filter_map(Option::as_deref)
    }
}

/// What happens to a text of more tokens than fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TooLong {
    /// It loses its end, or its beginning if `tokenizer.json` says so.
    Truncate,
    /// The client is told how many tokens it has, and how many fit.
    Error,
}

/// How long rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// As long as the longest row of the call.
    Longest,
    /// Always `max_length`.
    MaxLength,
    /// The next multiple of this number above the longest row; `max_length` must be one too.
    MultipleOf(usize),
}

/// An end of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Before the tokens, as models that go on writing need it.
    Left,
    /// Behind the tokens.
    Right,
}

impl Settings {
    /// What can be said without the tokenizer.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.outputs.given().next().is_none() {
            return Err("settings.outputs: names no output; give a name to `input_ids`, `attention_mask` or \
                        `token_type_ids`"
                .to_owned());
        }
        let numbers = [
            ("max_length", self.max_length),
            ("text_bytes_max", Some(self.text_bytes_max)),
            ("texts_max", Some(self.texts_max)),
        ];
        match numbers.iter().find(|(_, number)| *number == Some(0)) {
            Some((key, _)) => Err(format!("settings.{key}: is 0; it must be at least 1")),
            None => Ok(()),
        }
    }
}
