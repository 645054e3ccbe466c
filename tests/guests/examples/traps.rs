//! Panics when `x[0]` is 13.

#![expect(clippy::panic, reason = "this guest traps on purpose")]

hotstage_guests::on_13!(|| panic!("on purpose"));
