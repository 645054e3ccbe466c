//! Divides an integer by zero when `x[0]` is 13.

use std::hint::black_box;

hotstage_guests::on_13!(|| {
    black_box(1 / black_box(0));
    Ok(())
});
