//! The server from outside: the protocol to the byte, manifests, and faults of guests.
//!
//! One test binary, because linking costs more than running, and because its tests share compiled
//! components. `cargo xtask test` builds everything it needs; the tests of third-party clients are
//! in [`clients`].

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a panic is the answer"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod adapted;
mod answers;
mod apart;
mod batch;
mod beside;
mod binary;
mod cache;
mod changes;
mod cli;
mod clients;
mod compiling;
mod dashboard;
mod datatypes;
mod deploy;
mod drain;
mod encodings;
mod errors;
mod experiments;
mod graphs;
mod guests;
mod http;
mod http2;
mod infer;
mod instances;
mod intake;
mod limits;
mod metadata;
mod metrics;
mod observed;
mod onnx;
mod openapi;
mod pages;
mod pictures;
mod placement;
mod rollout_guards;
mod rollouts;
mod routes;
mod sandboxed;
mod starting;
mod state;
mod tabular;
mod texts;
mod timeouts;
mod top;
mod trees;
mod walkthrough;
