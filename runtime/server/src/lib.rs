//! The Hotstage server. Floors, top first; imports point down only, and a test keeps it so.
//!
//! | room | what it is for |
//! | --- | --- |
//! | `cli` | one file per verb |
//! | `listen` | sockets, connections, drain |
//! | `admin` | the admin API's paths, tokens and uploads |
//! | `http` | the protocols' paths, bodies and answers |
//! | `control` | every change to what is served: check, record, swap, drain |
//! | `deploy` | manifests → pipelines that passed every check (beside the request path) |
//! | `telemetry` | how log lines and metrics are told |
//! | `app` | what every request may use |
//! | `router` | a name → the pipeline version that answers |
//! | `board` | what is served right now |
//! | `routing` | a route, and the versions that it decides between |
//! | `mirror` | copies of requests, and how their answers compare |
//! | `pipeline` | one request through its stages, or through a graph of pipelines |
//! | `experiments` | which version gave which answer, and what it was worth |
//! | `journal` | the record of every change |
//! | `engines` | where ONNX Runtime is |
//! | `compiler` | components become machine code, in processes of their own |
//! | `store` | the state directory |
//! | `files` | opening what others name: regular files only, within the folders that are allowed |
//! | `callers` | the connections of a listener |
//! | `intake` | what a listener takes from all of its clients |
//! | `peers` | how many connections each peer has |
//! | `budget` | the memory of requests' bodies |
//! | `hosts` | which names requests may give as their host |
//! | `http_status` | the HTTP status of a failure |
//! | `lines` | log lines about requests |
//! | `admission` | who may run, and who waits |
//! | `cache` | answers that were given before |
//! | `chance` | numbers that nobody can foresee |
//! | `place` | on which thread guests run |
//! | `workers` | which thread a connection has |
//! | `cores` | which core a thread keeps to |
//! | `counts` | what is counted |
//! | `oip` | the Open Inference Protocol's payloads |
//! | `api` | the admin API's requests and answers |

pub mod admin;
pub mod admission;
pub mod api;
pub mod app;
pub mod board;
pub mod budget;
pub mod cache;
pub mod callers;
mod chance;
pub mod cli;
pub mod compiler;
pub mod control;
pub mod cores;
pub mod counts;
pub mod deploy;
pub mod engines;
pub mod experiments;
pub mod files;
pub mod hosts;
pub mod http;
pub mod http_status;
pub mod intake;
pub mod journal;
pub mod lines;
pub mod listen;
pub mod mirror;
pub mod oip;
mod peers;
pub mod pipeline;
pub mod place;
pub mod router;
pub mod routing;
pub mod store;
pub mod telemetry;
pub mod workers;
