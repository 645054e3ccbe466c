//! The `hotstage` program: an allocator, and the command line.

use std::process::ExitCode;

/// Tensors of every size come and go with each request; the system's allocator gives large ones
/// back to the system, and fetching their pages again costs twenty times the copy.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hotstage::cli::main()
}
