//! Overflows its stack when `x[0]` is 13.

use std::hint::black_box;

hotstage_guests::on_13!(|| {
    black_box(recurse(0));
    Ok(())
});

/// Adds after the call, so that the compiler can't turn the recursion into a loop.
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    if black_box(true) {
        recurse(depth + 1).wrapping_add(frame[0])
    } else {
        depth
    }
}
