//! Returns the clocks' values: days since 1970, seconds of the day, microseconds of the second, and
//! the nanoseconds that a million steps took. A pure stage returns the same in every call.

use std::hint::black_box;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

hotstage_guests::answers!(|| {
    let before = Instant::now();
    for step in 0..1_000_000 {
        black_box(step);
    }
    let took = before.elapsed();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let [days, seconds] = [now.as_secs() / 86_400, now.as_secs() % 86_400];
    // Each number is small enough for an `f32` to show any change.
    vec![
        days as f32,
        seconds as f32,
        now.subsec_micros() as f32,
        took.as_nanos() as f32,
    ]
});
