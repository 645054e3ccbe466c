//! Why a graph can't be opened, or has no answer; and an engine's own words made fit for people.

/// Why a graph can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The file is no graph, or none that this engine computes.
    #[error("{0}")]
    Refused(String),
    /// The engine, or a provider, is not here.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a graph has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ComputeError {
    /// To these inputs.
    InvalidInput(String),
    /// For reasons of its own.
    Failed(String),
}

/// What an engine says, without the places in its own source that it puts before: one line, and the reason last.
pub(super) fn plain(message: &str) -> String {
    let message = message.split_once("Status Message: ").map_or(message, |(_, reason)| reason);
    let mut words: Vec<&str> = Vec::new();
    for word in message.split_whitespace() {
        // `/build/onnxruntime/core/graph/model.cc:183`, and the function that is named behind it.
        let is_place = word.contains('/') && (word.contains(".cc:") || word.contains(".h:") || word.contains(".rs:"));
        if is_place {
            continue;
        }
        words.push(word);
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn only_the_reason_is_left() {
        let message = "Non-zero status code returned while running Gather node. Name:'g' Status Message: indices \
                       element out of data bounds, idx=7";
        assert_eq!(plain(message), "indices element out of data bounds, idx=7");
        assert_eq!(
            plain("/o/core/graph/model.cc:12 Model::Model Unknown model file format"),
            "Model::Model Unknown model file format"
        );
    }
}
