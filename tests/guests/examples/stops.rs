//! Executes the instruction `unreachable`, without a panic message, when `x[0]` is 13.

hotstage_guests::on_13!(|| trap());

#[cfg(target_arch = "wasm32")]
fn trap() -> ! {
    std::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() -> ! {
    std::process::abort()
}
