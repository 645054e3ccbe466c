//! Suggestions for unknown names: the nearest known name.
//!
//! Bounds: a client's name of more than [`BYTES_MAX`] bytes gets no suggestion, and only the first
//! [`CANDIDATES_MAX`] known names are compared, so that an error is cheap.

const BYTES_MAX: usize = 64;
const CANDIDATES_MAX: usize = 1000;

/// The nearest known name, if about every third letter differs at most. Case, spaces, `_` and `-`
/// do not count.
pub(crate) fn nearest<'a>(
    word: &[u8],
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = plain(
        str::from_utf8(word)
            .ok()
            .filter(|word| word.len() <= BYTES_MAX)?,
    );
    let allowed = (word.chars().count() / 3).max(1);
    let known = known
        .into_iter()
        .take(CANDIDATES_MAX)
        .filter(|candidate| candidate.len() <= BYTES_MAX);
    known
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&word, &plain(candidate)),
                candidate,
            )
        })
        // Two different single letters have nothing in common.
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn plain(word: &str) -> String {
    word.to_lowercase()
        .chars()
        .filter(|char| !matches!(char, '_' | '-' | ' '))
        .collect()
}
