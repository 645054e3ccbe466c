//! The list of all protocols that the server speaks.

use crate::codecs::oip;
use crate::extensions::Prepare;
use crate::frontends::http;

/// Their `prepare` functions.
pub const ALL: &[Prepare] = &[oip::prepare, http::prepare];
