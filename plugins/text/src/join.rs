//! The post-processor of a tokenizer: joins a pair and adds special tokens.
//!
//! Default, if the file has none: a pair is concatenated, and nothing is added. A template is
//! validated here, because the library does not: an invalid one would fail the first call instead
//! of the deploy. Bound: the file's size.

use serde_json::Value;
use tokenizers::PostProcessorWrapper;
use tokenizers::processors::template::TemplateProcessing;

/// The post-processor, or the error.
pub(crate) fn open(given: Option<&PostProcessorWrapper>) -> Result<PostProcessorWrapper, String> {
    let Some(given) = given else {
        return nothing_added();
    };
    let written =
        serde_json::to_value(given).map_err(|error| format!("post_processor: {error}"))?;
    check(&written)?;
    Ok(given.clone())
}

fn nothing_added() -> Result<PostProcessorWrapper, String> {
    let mut template = TemplateProcessing::builder();
    template.try_single("$A:0")?.try_pair("$A:0 $B:1")?;
    template
        .build()
        .map(PostProcessorWrapper::Template)
        .map_err(|error| error.to_string())
}

fn check(given: &Value) -> Result<(), String> {
    given["processors"]
        .as_array()
        .into_iter()
        .flatten()
        .try_for_each(check)?;
    if given["type"] != "TemplateProcessing" {
        return Ok(());
    }
    for template in ["single", "pair"] {
        for piece in given[template].as_array().into_iter().flatten() {
            if let Some(token) = piece["SpecialToken"]["id"].as_str()
                && given["special_tokens"].get(token).is_none()
            {
                return Err(format!(
                    "post_processor.{template}: adds the token `{token}`; special_tokens lacks it"
                ));
            }
            if template == "single" && piece["Sequence"]["id"] == "B" {
                return Err(
                    "post_processor.single: names the second text `B`; one text alone has none"
                        .to_owned(),
                );
            }
        }
    }
    Ok(())
}
