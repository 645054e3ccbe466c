//! Asks to end the process when `x[0]` is 13.

#![expect(
    clippy::disallowed_methods,
    reason = "to exit is what this guest is for"
)]

hotstage_guests::on_13!(|| std::process::exit(3));
