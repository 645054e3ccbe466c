//! What fuzz targets call of this module's private parts. Nothing else does.

use super::{envelope, fast_path};

/// Whether the quick reader of a document's envelope, if it reads this one at all, reads what the
/// slow one reads.
pub fn quick_reader_agrees(text: &str) -> bool {
    let Some(quick) = fast_path::read(text) else {
        return true;
    };
    envelope::slow("the request", text).is_ok_and(|slow| slow == quick)
}
