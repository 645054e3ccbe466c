//! Faults, injected: versions come and go, servers are killed, disks fill, bytes flip, uploads
//! break off and an `fsync` takes seconds, all under traffic whose every answer is checked for its
//! value and for being of one version.
//!
//! `cargo xtask test` gives each of them a few seconds. `cargo xtask faults` gives each the time
//! that its figure takes, one after the other, and prints the figures beside their goals. Only
//! answers are asserted, never times.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a panic is the answer"
)]

#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "the other black-box tests use the rest")]
mod harness;

mod compile;
mod cuts;
mod damage;
mod echo;
mod effort;
mod first;
mod flushes;
mod full;
mod kills;
mod load;
mod many;
mod pipelines;
mod rollouts;
mod soak;
mod stalls;
mod swaps;
mod traps;
