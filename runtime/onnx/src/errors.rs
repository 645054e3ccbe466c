//! Why a graph can't be opened, or has no answer; and the cleanup of an engine's own messages.

/// Why a graph can't be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The file is not a graph, or not one that this engine computes.
    #[error("{0}")]
    Refused(String),
    /// The engine, or an execution provider, is not available.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a graph has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComputeError {
    /// The inputs are invalid; the text says why.
    InvalidInput(String),
    /// The engine failed.
    Failed(String),
    /// The time of the call was over.
    Time,
    /// It would hold more memory than its stage may use; the text is for the log.
    Memory(String),
    /// It would return more bytes than its stage may.
    Output,
}

/// An engine's message in one line, without the places in its own source that precede it, and with
/// the reason last.
pub(super) fn plain(message: &str) -> String {
    let message = message
        .split_once("Status Message: ")
        .map_or(message, |(_, reason)| reason);
    let message = without_signature(message);
    let mut words: Vec<&str> = Vec::new();
    for word in message.split_whitespace() {
        // `/build/onnxruntime/core/graph/model.cc:183`, and the function named after it.
        let is_place = word.contains('/')
            && (word.contains(".cc:") || word.contains(".h:") || word.contains(".rs:"));
        if is_place {
            continue;
        }
        words.push(word);
    }
    words.join(" ")
}

/// The message starts with the C++ function that wrote it, with all types of its arguments.
fn without_signature(message: &str) -> &str {
    let Some(open) = message
        .find('(')
        .filter(|&open| message[..open].contains("onnxruntime::"))
    else {
        return message;
    };
    let mut depth = 0_usize;
    for (at, character) in message[open..].char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            let rest = message[open + at + 1..].trim_start();
            return if rest.is_empty() { message } else { rest };
        }
    }
    message
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn only_the_reason_is_left() {
        let message = "Non-zero status code returned while running Gather node. Name:'g' Status Message: indices \
                       element out of data bounds, idx=7";
        assert_eq!(plain(message), "indices element out of data bounds, idx=7");
        let message = "void onnxruntime::Check(const std::map<int (*)(int), int>&, bool) Opset 99 is under development";
        assert_eq!(plain(message), "Opset 99 is under development");
        assert_eq!(
            plain("/o/core/graph/model.cc:12 Model::Model Unknown model file format"),
            "Model::Model Unknown model file format"
        );
    }
}
