//! Runs forever when `x[0]` is 13.

#![expect(
    clippy::empty_loop,
    reason = "to burn a core is what this guest is for"
)]

hotstage_guests::on_13!(|| loop {});
