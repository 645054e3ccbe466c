//! What somebody may have meant: the nearest known name.
//!
//! Bounds: a client's name of more than [`BYTES_MAX`] bytes gets no suggestion, and of the known
//! ones the first [`CANDIDATES_MAX`] are looked at, so that an error costs little.

const BYTES_MAX: usize = 64;
const CANDIDATES_MAX: usize = 1000;

/// The known name that is nearest, if it is near: about every third letter may differ. Capitals,
/// spaces, `_` and `-` do not count.
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
        // Of one letter and another nothing is left in common.
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
