//! Entry points of this module for fuzz targets only.

use super::{envelope, fast_path};

/// Whether the fast path, if it reads this document at all, returns what the slow path returns.
pub fn quick_reader_agrees(text: &str) -> bool {
    let Some(quick) = fast_path::read(text) else {
        return true;
    };
    envelope::slow("the request", text).is_ok_and(|slow| slow == quick)
}
