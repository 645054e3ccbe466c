//! Fuzz targets: one plain function for each decoder of bytes that others send.
//!
//! A target takes any bytes and returns; a panic is a finding. Each asserts more than that the
//! decoder does not crash: what was decoded is written and decoded again to the same value, a fast
//! reader agrees with the slow one, sizes keep to their bounds, errors are texts of at most
//! [`TEXT_BYTES_MAX`].
//!
//! The same functions run three ways: over the committed corpus and seeded mutations of it, without
//! instrumentation ([`runner`], in `cargo xtask test`); under libFuzzer (`fuzz/`,
//! `cargo xtask fuzz`); and, for components, in the real process that compiles ([`worker`]).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is a finding"
)]

mod abi;
mod component;
pub mod corpus;
mod csv;
mod head;
mod journal;
mod manifest;
pub mod mutate;
mod request;
pub mod runner;
mod state;
pub mod worker;

use hotstage_core::failure::{Failure, Kind};

/// Bytes of any error's text: four kilobytes, and how many more there were.
pub const TEXT_BYTES_MAX: usize = (4 << 10) + 64;

/// One decoder, and what is fed to it.
#[derive(Debug)]
pub struct Target {
    /// The folder of its corpus, and the name of its program under libFuzzer.
    pub name: &'static str,
    /// Decodes, and asserts.
    pub run: fn(&[u8]),
    /// Bytes of an input: longer ones take longer and find no more.
    pub bytes_max: usize,
    /// Executions of the short run, about a second of them.
    pub quick: u64,
    /// Whole inputs from which its corpus is made.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "abi_conversion",
        run: abi::run,
        bytes_max: 2048,
        quick: 5_000,
        seeds: abi::seeds,
    },
    Target {
        name: "component_bounds",
        run: component::bounds,
        bytes_max: 64 << 10,
        quick: 50_000,
        seeds: component::seeds,
    },
    Target {
        name: "csv_rows",
        run: csv::run,
        bytes_max: 4096,
        quick: 10_000,
        seeds: csv::seeds,
    },
    Target {
        name: "http_head",
        run: head::run,
        bytes_max: 2048,
        quick: 50_000,
        seeds: head::seeds,
    },
    Target {
        name: "journal_revision",
        run: journal::run,
        bytes_max: 16 << 10,
        quick: 5_000,
        seeds: journal::seeds,
    },
    Target {
        name: "manifest",
        run: manifest::run,
        bytes_max: 16 << 10,
        quick: 2_000,
        seeds: manifest::seeds,
    },
    Target {
        name: "request_binary",
        run: request::binary,
        bytes_max: 4096,
        quick: 20_000,
        seeds: request::binary_seeds,
    },
    Target {
        name: "request_compressed",
        run: request::compressed,
        bytes_max: 4096,
        quick: 5_000,
        seeds: request::compressed_seeds,
    },
    Target {
        name: "request_json",
        run: request::json,
        bytes_max: 4096,
        quick: 20_000,
        seeds: request::json_seeds,
    },
    Target {
        name: "state_files",
        run: state::run,
        bytes_max: 24 << 10,
        quick: 300,
        seeds: state::seeds,
    },
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Runs one target, as libFuzzer does.
pub fn run(name: &str, bytes: &[u8]) {
    let target = target(name).unwrap_or_else(|| panic!("there is no target `{name}`"));
    (target.run)(&bytes[..bytes.len().min(target.bytes_max)]);
}

/// A text that people read: there is one, and it has a bound.
#[track_caller]
fn assert_text(text: &str) {
    assert!(!text.is_empty(), "an error without a text");
    assert!(
        text.len() <= TEXT_BYTES_MAX,
        "an error of {} bytes: {}…",
        text.len(),
        &text[..text.floor_char_boundary(200)]
    );
}

/// A refusal that is the sender's own doing.
#[track_caller]
fn assert_refusal(failure: &Failure, kinds: &[Kind]) {
    assert!(
        kinds.contains(&failure.kind),
        "{:?}: {}",
        failure.kind,
        failure.message
    );
    assert_text(&failure.message);
}
