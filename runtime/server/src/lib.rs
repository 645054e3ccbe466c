//! The Hotstage server, in layers, top first. Imports point down only, which a test checks.
//!
//! | module | contents |
//! | --- | --- |
//! | `protocols` | every protocol that the server speaks |
//! | `frontends` | the inference API and the admin API, both over HTTP |
//! | `control` | changes to what is served: checking, compiling, deploying, rollouts |
//! | `serving` | the data plane: from inputs to outputs |
//! | `codecs` | bytes of a protocol to tensors, and back |
//! | `telemetry` | metrics and log lines |
//! | `state` | the state directory: blobs and the journal |
//! | `transport` | connections, and bounds on what clients may use |
//! | `executors` | the threads that work runs on |
//! | `extensions` | what protocols prepare for one version of a model |
//! | `files` | opening files that a manifest names: regular files only, within allowed folders |

pub mod codecs;
pub mod control;
pub mod executors;
pub mod extensions;
pub mod files;
pub mod frontends;
pub mod protocols;
pub mod serving;
pub mod state;
pub mod telemetry;
pub mod transport;
