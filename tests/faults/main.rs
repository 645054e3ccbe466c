//! Fault injection: versions change, servers are killed, disks fill, bytes flip, uploads break off
//! and an `fsync` takes seconds, all under traffic whose every answer is checked for its value and
//! for being of one version.
//!
//! `cargo xtask test` runs each test for a few seconds. `cargo xtask faults` runs each for the
//! duration that its figure needs, one after another, and prints the figures with their goals. The
//! tests assert answers, never times.

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
