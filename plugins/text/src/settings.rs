//! Settings in the manifest, and their validation.
//!
//! Default: `settings: {}` serves most encoders. Values that are not set come from
//! `tokenizer.json`, if it has them: the length, the padding token and the padding side.

use schemars::JsonSchema;
use serde::Deserialize;

/// Default for bytes of one text: some ten thousand words.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Default for texts in one call.
const TEXTS_MAX: usize = 1024;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Name of the input.
    pub(crate) text: String,
    /// Name of a second input, whose texts follow those of the first: passages after questions.
    pub(crate) text_pair: Option<String>,
    /// Whether a body of `text/plain` is accepted as one text. Disable it if a later stage takes a
    /// tensor of the request, because a body has none.
    pub(crate) raw_body: bool,
    /// The outputs and their names. Default: all three.
    pub(crate) outputs: Names,
    /// Maximum tokens in a row, including special tokens. Default: `truncation` of
    /// `tokenizer.json`, or 512.
    pub(crate) max_length: Option<usize>,
    /// The handling of a text with more tokens.
    pub(crate) on_too_long: TooLong,
    /// The length of rows.
    pub(crate) padding: Padding,
    /// The padding side. Default: `padding` of `tokenizer.json`, or the right side.
    pub(crate) padding_side: Option<Side>,
    /// The padding token. Default: `padding` of `tokenizer.json`, or `[PAD]` or `<pad>`, or token
    /// 0, which the mask hides.
    pub(crate) pad_token: Option<String>,
    /// Whether the tokenizer adds special tokens: `[CLS]` and `[SEP]`, `</s>`.
    pub(crate) add_special_tokens: bool,
    /// Maximum bytes of one text.
    pub(crate) text_bytes_max: usize,
    /// Maximum texts in one call.
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

/// The outputs' names. An output without a name is omitted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Name of the token ids.
    #[serde(default)]
    pub(crate) input_ids: Option<String>,
    /// Name of the mask: 1 for a token, 0 for padding.
    #[serde(default)]
    pub(crate) attention_mask: Option<String>,
    /// Name of the token types, which distinguish the first text from the second.
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
    /// The outputs that have names.
    pub(crate) fn given(&self) -> impl Iterator<Item = &str> {
        [&self.input_ids, &self.attention_mask, &self.token_type_ids]
            .into_iter()
            .filter_map(Option::as_deref)
    }
}

/// The handling of a text with too many tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TooLong {
    /// Its end is truncated, or its beginning if `tokenizer.json` says so.
    Truncate,
    /// The request is refused with the number of tokens and the maximum.
    Error,
}

/// The length of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Padding {
    /// The length of the longest row of the call.
    Longest,
    /// Always `max_length`.
    MaxLength,
    /// The next multiple of this number above the longest row; `max_length` must be a multiple too.
    MultipleOf(usize),
}

/// A side of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Before the tokens, as generative models need it.
    Left,
    /// After the tokens.
    Right,
}

impl Settings {
    /// The checks that need no tokenizer.
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
