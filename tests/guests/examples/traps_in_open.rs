//! Panics when it is opened.

#![expect(clippy::panic, reason = "to trap is what this guest is for")]

hotstage_guests::in_open!(|| panic!("opened"));
