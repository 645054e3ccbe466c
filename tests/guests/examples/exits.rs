//! Calls `exit` when `x[0]` is 13.

#![expect(clippy::disallowed_methods, reason = "this guest exits on purpose")]

hotstage_guests::on_13!(|| std::process::exit(3));
