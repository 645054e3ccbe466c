//! The Hotstage server. Floors, top first; imports point down only, and a test keeps it so.
//!
//! | room | what it is for |
//! | --- | --- |
//! | `cli` | one file per verb |
//! | `listen` | sockets, connections, drain |
//! | `http` | the protocols' paths, bodies and answers |
//! | `deploy` | manifests → pipelines that passed every check (beside the request path) |
//! | `telemetry` | how log lines and metrics are told |
//! | `app` | what every request may use |
//! | `router` | a name → the pipeline version that answers |
//! | `board` | what is served right now |
//! | `pipeline` | one request through its stages |
//! | `store` | the state directory |
//! | `place` | on which thread guests run |
//! | `counts` | what is counted |
//! | `oip` | the Open Inference Protocol's payloads |

pub mod app;
pub mod board;
pub mod cli;
pub mod counts;
pub mod deploy;
pub mod http;
pub mod listen;
pub mod oip;
pub mod pipeline;
pub mod place;
pub mod router;
pub mod store;
pub mod telemetry;
