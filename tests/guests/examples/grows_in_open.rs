//! Allocates until there is no memory left when it is opened.

hotstage_guests::in_open!(|| grow());

/// Touches every page, so that the memory is really used.
fn grow() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}
