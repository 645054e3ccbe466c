//! Allocates until there is no memory left when `x[0]` is 13.

hotstage_guests::on_13!(|| grow());

/// Touches every page, so that the memory is really used.
fn grow() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}
