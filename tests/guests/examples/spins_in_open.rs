//! Runs forever when it is opened.

#![expect(
    clippy::empty_loop,
    reason = "to burn a core is what this guest is for"
)]

hotstage_guests::in_open!(|| loop {});
