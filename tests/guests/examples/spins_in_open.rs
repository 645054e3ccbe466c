//! Runs forever when it is opened.

#![expect(clippy::empty_loop, reason = "this guest spins on purpose")]

hotstage_guests::in_open!(|| loop {});
