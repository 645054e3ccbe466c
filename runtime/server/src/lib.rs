//! The Hotstage server. Floors, top first; imports point down only, and a test keeps it so.
//!
//! | module | what is in it |
//! | --- | --- |
//! | `cli` | the command line |
//! | `protocols` | every protocol that the server speaks |
//! | `frontends` | HTTP for clients, HTTP for the admin |
//! | `control` | changes to what is served: checking, compiling, deploying, rollouts |
//! | `serving` | the data plane: from inputs to outputs |
//! | `codecs` | bytes of a protocol to tensors, and back |
//! | `telemetry` | metrics and log lines |
//! | `state` | the state directory: blobs and the journal |
//! | `transport` | connections, and what clients may take |
//! | `executors` | the threads that work runs on |
//! | `extensions` | what protocols prepare for one version of a model |
//! | `files` | opening what others name: regular files only, within the folders that are allowed |
//! | `api` | the admin API's requests and answers |

pub mod api;
pub mod cli;
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
