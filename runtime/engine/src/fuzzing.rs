//! What fuzz targets call of this crate's private parts. Nothing else does.

use hotstage_core::compile_limits::ComponentLimits;

use crate::compile::CompileError;
use crate::{bounds, check};

/// The cheap part of [`compiler::check`](crate::compiler::check): the header, and what the
/// component consists of.
pub fn bounds(bytes: &[u8], limits: &ComponentLimits) -> Result<(), CompileError> {
    check::header(bytes)?;
    bounds::check(bytes, limits)
}
