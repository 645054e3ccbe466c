//! Panics when it is opened.

#![expect(clippy::panic, reason = "this guest traps on purpose")]

hotstage_guests::in_open!(|| panic!("opened"));
