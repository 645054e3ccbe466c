//! The `hotstage` program: sets the allocator and runs the command line.

use std::process::ExitCode;

/// Every request allocates and frees tensors of many sizes. The system's allocator returns large
/// ones to the system, and faulting their pages in again costs twenty times the copy.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hotstage::main()
}
