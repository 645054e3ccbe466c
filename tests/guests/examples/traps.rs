//! Panics when `x[0]` is 13.

#![expect(clippy::panic, reason = "to trap is what this guest is for")]

hotstage_guests::on_13!(|| panic!("told to"));
