//! Every protocol that the server speaks: one line each.

use crate::codecs::oip;
use crate::extensions::Prepare;
use crate::frontends::http;

/// What they prepare for each version of a model.
pub const ALL: &[Prepare] = &[oip::prepare, http::prepare];
