//! Fuzz targets: one function for each decoder of untrusted bytes.
//!
//! A target must return for any bytes; a panic is a finding. Targets also assert properties:
//! decoded values encode and decode to the same value, the fast and the slow reader agree, sizes
//! respect their bounds, and error texts have at most [`TEXT_BYTES_MAX`].
//!
//! The functions run in three environments: over the committed corpus and seeded mutations of it,
//! without instrumentation ([`runner`], in `cargo xtask test`); under libFuzzer (`fuzz/`,
//! `cargo xtask fuzz`); and, for components, in the real compile process ([`worker`]).

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

/// Maximum bytes of an error text: 4 KiB, plus the note about omitted bytes.
pub const TEXT_BYTES_MAX: usize = (4 << 10) + 64;

/// One decoder and its inputs.
#[derive(Debug)]
pub struct Target {
    /// The name of its corpus folder and of its libFuzzer program.
    pub name: &'static str,
    /// Decodes an input and asserts the properties.
    pub run: fn(&[u8]),
    /// Maximum bytes of an input: longer ones take more time and find no more.
    pub bytes_max: usize,
    /// Executions of the short run, about one second.
    pub quick: u64,
    /// Valid inputs from which its corpus is generated.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
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

/// Asserts that an error text is not empty and within its bound.
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

/// Asserts that a failure is a client error.
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
