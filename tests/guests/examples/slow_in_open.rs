//! Takes a long time when it is opened, half a second or more, and a short one, some milliseconds,
//! when it is called. Panics when `x[0]` is 13, so that another instance has to be opened.

#![expect(
    clippy::panic,
    reason = "to end its instance is what this guest is for"
)]

use std::hint::black_box;

hotstage_guests::model!(
    open: || {
        steps(3_000);
        Ok(())
    },
    |inputs, outputs| {
        if hotstage_guests::is_told(inputs)? {
            panic!("told to");
        }
        steps(20);
        hotstage_guests::echo(inputs, outputs)
    }
);

fn steps(millions: u64) {
    for step in 0..black_box(millions) * 1_000_000 {
        black_box(step);
    }
}
