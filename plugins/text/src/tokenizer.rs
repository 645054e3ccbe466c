//! The file `tokenizer`: opened with the settings, then used for one text at a time.
//!
//! Rows are truncated here, before special tokens are added, and not by the library, which would
//! keep the truncated parts as separate rows, for a pair every combination of them. Padding is done
//! here as well, because rows go straight into tensors. Bound: a text's encoding before truncation
//! grows with its bytes.

use hotstage_sdk::{Failure, OpenError};
use tokenizers::utils::truncation::TruncationError;
use tokenizers::{
    Encoding, ModelWrapper, PaddingDirection, PostProcessor, PostProcessorWrapper,
    TruncationParams, TruncationStrategy, truncate_encodings,
};

use crate::Place;
use crate::join;
use crate::rows::Layout;
use crate::settings::{Padding, Settings, Side, TooLong};

/// The row length if neither the settings nor the file define one: that of BERT and its family.
const MAX_LENGTH: usize = 512;
/// An upper bound for tokens in a row, more than any model takes.
const MAX_LENGTH_MAX: usize = 1 << 20;
/// Common padding tokens.
const PAD_TOKENS: [&str; 2] = ["[PAD]", "<pad>"];
/// A letter, an emoji and a cuneiform sign, which a tokenizer without an unknown token can't
/// encode.
const PROBE: &str = "a \u{2603} \u{12000}";

/// A tokenizer that makes one row from one text, or from a pair.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    /// From text to tokens, without a post-processor.
    words: tokenizers::Tokenizer,
    /// The post-processor, which joins a pair and adds special tokens.
    join: PostProcessorWrapper,
    add_special_tokens: bool,
    on_too_long: TooLong,
    /// `max_length` counts the special tokens.
    truncation: TruncationParams,
}

/// Reads the file, and merges its values with the settings.
pub(crate) fn open(file: &[u8], settings: &Settings) -> Result<(Tokenizer, Layout), OpenError> {
    let mut words = tokenizers::Tokenizer::from_bytes(file).map_err(|error| {
        OpenError::file(format!("file `tokenizer`: is no tokenizer.json: {error}"))
    })?;
    if let ModelWrapper::BPE(model) = words.get_model()
        && let Some(dropout) = model.dropout.filter(|dropout| *dropout != 0.0)
    {
        return Err(OpenError::file(format!(
            "file `tokenizer`: model.dropout is {dropout}, which answers by chance; set it to null"
        )));
    }
    let truncation = TruncationParams {
        stride: 0,
        ..words.get_truncation().cloned().unwrap_or_default()
    };
    let max_length = settings
        .max_length
        .or(words.get_truncation().map(|given| given.max_length));
    let truncation = TruncationParams {
        max_length: max_length.unwrap_or(MAX_LENGTH),
        ..truncation
    };
    let layout = layout(&words, settings, truncation.max_length)?;
    let join = join::open(words.get_post_processor())
        .map_err(|wrong| OpenError::file(format!("file `tokenizer`: {wrong}")))?;
    // From here on the library neither truncates, nor pads, nor joins.
    let alone: Option<PostProcessorWrapper> = None;
    words.with_padding(None).with_post_processor(alone);
    words
        .with_truncation(None)
        .map_err(|error| OpenError::internal(error.to_string()))?;
    let Settings {
        add_special_tokens,
        on_too_long,
        ..
    } = *settings;
    let tokenizer = Tokenizer {
        words,
        join,
        add_special_tokens,
        on_too_long,
        truncation,
    };
    tokenizer.check(settings)?;
    Ok((tokenizer, layout))
}

fn layout(
    words: &tokenizers::Tokenizer,
    settings: &Settings,
    max_length: usize,
) -> Result<Layout, OpenError> {
    if let Padding::MultipleOf(step) = settings.padding
        && (step == 0 || !max_length.is_multiple_of(step))
    {
        return Err(OpenError::settings(format!(
            "settings.padding.multiple_of: is {step}; max_length, which is {max_length}, must be a multiple of it"
        )));
    }
    let file = words.get_padding();
    let side = settings
        .padding_side
        .unwrap_or(match file.map(|file| file.direction) {
            Some(PaddingDirection::Left) => Side::Left,
            Some(PaddingDirection::Right) | None => Side::Right,
        });
    let pad_id = match &settings.pad_token {
        Some(token) => words.token_to_id(token).ok_or_else(|| {
            OpenError::settings(format!(
                "settings.pad_token: the tokenizer has no token `{token}`; give one of its own"
            ))
        })?,
        None => {
            let usual = || PAD_TOKENS.iter().find_map(|token| words.token_to_id(token));
            file.map(|file| file.pad_id).or_else(usual).unwrap_or(0)
        }
    };
    let pad_type_id = file.map_or(0, |file| file.pad_type_id);
    Ok(Layout {
        padding: settings.padding,
        side,
        pad_id,
        pad_type_id,
        max_length,
    })
}

impl Tokenizer {
    /// One row: a text, or a pair.
    pub(crate) fn encode(
        &self,
        text: &str,
        pair: Option<&str>,
        place: Place<'_>,
    ) -> Result<Encoding, Failure> {
        let mut first = self.tokens(text)?;
        let mut second = pair.map(|pair| self.tokens(pair)).transpose()?;
        let added = self.added(pair.is_some());
        let given = first.len() + second.as_ref().map_or(0, Encoding::len) + added;
        let most = self.truncation.max_length;
        if given == 0 {
            return Err(Failure::invalid_input(format!(
                "{place} makes no tokens; at least one is needed"
            )));
        }
        if most < given {
            if self.on_too_long == TooLong::Error {
                return Err(Failure::invalid_input(format!(
                    "{place} makes {given} tokens; at most {most} fit"
                )));
            }
            (first, second) = self.cut(first, second, most - added, place)?;
        }
        self.join
            .process(first, second, self.add_special_tokens)
            .map_err(defect)
    }

    fn tokens(&self, text: &str) -> Result<Encoding, Failure> {
        self.words.encode_fast(text, false).map_err(defect)
    }

    /// The number of special tokens around the text.
    fn added(&self, pair: bool) -> usize {
        if self.add_special_tokens {
            self.join.added_tokens(pair)
        } else {
            0
        }
    }

    fn cut(
        &self,
        first: Encoding,
        second: Option<Encoding>,
        most: usize,
        place: Place<'_>,
    ) -> Result<(Encoding, Option<Encoding>), Failure> {
        let params = TruncationParams {
            max_length: most,
            ..self.truncation
        };
        let refusal = |error: tokenizers::Error| match error.downcast_ref::<TruncationError>() {
            Some(_) => Failure::invalid_input(format!(
                "{place}: the text of the pair that is never cut makes too many tokens; at most {most} fit"
            )),
            None => defect(error),
        };
        let (mut first, mut second) =
            truncate_encodings(first, second, &params).map_err(refusal)?;
        // Drops the truncated parts; `process` would make rows of them.
        first.take_overflowing();
        second
            .iter_mut()
            .for_each(|second| drop(second.take_overflowing()));
        Ok((first, second))
    }

    /// Detects an error that would affect every request.
    fn check(&self, settings: &Settings) -> Result<(), OpenError> {
        let pair = settings.text_pair.is_some();
        let (most, added) = (self.truncation.max_length, self.added(pair));
        // The source of the number, so that the message says where to correct it.
        let place = if settings.max_length.is_some() {
            "settings.max_length"
        } else {
            "file `tokenizer`: max_length"
        };
        if MAX_LENGTH_MAX < most {
            return Err(OpenError::settings(format!(
                "{place}: is {most}; at most {MAX_LENGTH_MAX} is allowed"
            )));
        }
        if most <= added {
            return Err(OpenError::settings(format!(
                "{place}: is {most}, and the tokenizer itself adds {added} tokens; it must be more than that"
            )));
        }
        if !pair && self.truncation.strategy == TruncationStrategy::OnlySecond {
            return Err(OpenError::file(
                "file `tokenizer`: truncation.strategy is `OnlySecond`, and there is no second text; set \
                 settings.text_pair, or change the strategy",
            ));
        }
        self.encode(PROBE, pair.then_some(PROBE), Place::Body)
            .map(drop)
            .or_else(|failure| match failure {
                // Too long according to the settings, with the clients' error.
                Failure::InvalidInput(_) => Ok(()),
                failure => Err(OpenError::file(format!(
                    "file `tokenizer`: can't encode a text: {failure}"
                ))),
            })
    }
}

#[cold]
#[expect(
    clippy::needless_pass_by_value,
    reason = "`map_err` passes it by value"
)]
fn defect(error: tokenizers::Error) -> Failure {
    Failure::internal(format!("the tokenizer failed: {error}"))
}
