//! Runs forever when `x[0]` is 13.

#![expect(clippy::empty_loop, reason = "this guest spins on purpose")]

hotstage_guests::on_13!(|| loop {});
