//! Fails with `unavailable` when `x[0]` is 13.

use hotstage_sdk::Failure;

hotstage_guests::on_13!(|| Err(Failure::unavailable("not now")));
