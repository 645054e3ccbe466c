//! Takes `x[0]` million steps, then echoes. A million steps take about half a millisecond.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a count of steps is a small whole number"
)]

use std::hint::black_box;

hotstage_guests::model!(|inputs, outputs| {
    let millions = hotstage_guests::first(inputs)?.max(0.0) as u64;
    for step in 0..millions.saturating_mul(1_000_000) {
        black_box(step);
    }
    hotstage_guests::echo(inputs, outputs)
});
