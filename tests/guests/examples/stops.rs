//! Executes an instruction that always traps when `x[0]` is 13, without a panic's message before
//! it.

hotstage_guests::on_13!(|| trap());

#[cfg(target_arch = "wasm32")]
fn trap() -> ! {
    std::arch::wasm32::unreachable()
}

#[cfg(not(target_arch = "wasm32"))]
fn trap() -> ! {
    std::process::abort()
}
