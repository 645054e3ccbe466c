//! The private parts of this crate that fuzz targets call. Nothing else uses it.

use hotstage_core::compile_limits::ComponentLimits;

use crate::compile::CompileError;
use crate::{bounds, check};

/// The cheap part of [`compiler::check`](crate::compiler::check): the header, and what the
/// component consists of.
pub fn bounds(bytes: &[u8], limits: &ComponentLimits) -> Result<(), CompileError> {
    check::header(bytes)?;
    bounds::check(bytes, limits)
}
