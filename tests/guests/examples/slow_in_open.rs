//! Takes half a second or more to open, and some milliseconds per call. Panics when `x[0]` is 13,
//! so that a new instance must be opened.

#![expect(clippy::panic, reason = "this guest ends its instance on purpose")]

use std::hint::black_box;

hotstage_guests::model!(
    open: || {
        steps(3_000);
        Ok(())
    },
    |inputs, outputs| {
        if hotstage_guests::is_told(inputs)? {
            panic!("on purpose");
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
