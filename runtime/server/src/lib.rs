//! The Hotstage server. Floors, top first; imports point down only, and a test keeps it so.
//!
//! | room | what it is for |
//! | --- | --- |
//! | `cli` | one file per verb |
//! | `listen` | sockets, connections, drain |
//! | `http` | the protocols' paths, bodies and answers |
//! | `deploy` | manifests → pipelines that passed every check (beside the request path) |
//! | `telemetry` | log lines and metrics |
//! | `app` | what every request may use |
//! | `router` | a name → the pipeline version that answers |
//! | `board` | what is served right now |
//! | `pipeline` | one request through its stages |
//! | `place` | on which thread guests run |
//! | `store` | the state directory |
//! | `oip` | the Open Inference Protocol's payloads |

pub mod app;
pub mod board;
pub mod cli;
pub mod deploy;
pub mod http;
pub mod listen;
pub mod oip;
pub mod pipeline;
pub mod place;
pub mod router;
pub mod store;
pub mod telemetry;
