//! Every bound in the product, with its unit and its default.
//!
//! Constants are bounds that can't be configured. [`StageLimits`] are a stage's, with a key of the
//! same name under `limits` in the manifest; the operator's bounds on those keys are in
//! [`ceiling`](crate::ceiling). [`ServerLimits`] are the server's, each with a flag.

use std::time::Duration;

/// Dimensions of a tensor.
pub const DIMENSIONS_MAX: usize = 16;
/// Inputs, or outputs, of a signature.
pub const PORTS_MAX: usize = 256;
/// Bytes of a tensor's name.
pub const PORT_NAME_BYTES_MAX: usize = 256;
/// Bytes of a pipeline's, stage's or version's name.
pub const NAME_BYTES_MAX: usize = 128;
/// Stages of a pipeline.
pub const STAGES_MAX: usize = 32;
/// Nodes of a graph, and branches of a node.
pub const NODES_MAX: usize = 32;
/// Levels of graphs over graphs over pipelines.
pub const GRAPH_DEPTH_MAX: usize = 8;
/// Pipelines that one request to a graph may run, on all levels.
pub const GRAPH_RUNS_MAX: usize = 256;
/// The most that a graph's `deadline` may be.
pub const DEADLINE_MAX: Duration = Duration::from_secs(3600);
/// Bytes of a manifest file.
pub const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// Nesting depth of a manifest.
pub const MANIFEST_DEPTH_MAX: usize = 64;
/// Bytes of a key in a manifest.
pub const MANIFEST_KEY_BYTES_MAX: usize = 1024;
/// Rows of a joined call: the most that `batch.max_rows` may be.
pub const BATCH_ROWS_MAX: u32 = 1 << 16;
/// The most that `batch.max_delay` may be.
pub const BATCH_DELAY_MAX: Duration = Duration::from_secs(10);
/// The most that `batch.timeout` may be.
pub const BATCH_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// Golden tests of a pipeline.
pub const TESTS_MAX: usize = 256;
/// Bytes of a golden test's name.
pub const TEST_NAME_BYTES_MAX: usize = 256;
/// Bytes of a path in a manifest.
pub const PATH_BYTES_MAX: usize = 4096;
/// Bytes of a component file.
pub const COMPONENT_BYTES_MAX: u64 = 256 << 20;
/// Bytes of a stage's file or of a golden test's document.
pub const FILE_BYTES_MAX: u64 = 4 << 30;
/// Tensors up to this many bytes cross the ABI by value; larger ones stay with the host.
pub const INLINE_BYTES_MAX: usize = 16 << 10;
/// Bytes of one log line of a guest, after escaping.
pub const LOG_LINE_BYTES_MAX: usize = 8 << 10;
/// Log lines per second that a stage may write, over all its instances.
pub const LOG_LINES_PER_SECOND: u32 = 100;
/// Metrics that a stage may observe.
pub const OBSERVED_MAX: usize = 16;
/// Bytes of such a metric's name.
pub const OBSERVED_NAME_BYTES_MAX: usize = 64;
/// Bytes of the text that a stage may put into a failure.
pub const FAILURE_TEXT_BYTES_MAX: usize = 4 << 10;
/// Bytes of a request's path in a log line.
pub const LOGGED_PATH_BYTES_MAX: usize = 256;
/// Bytes of an error, or of its cause, in a log line.
pub const LOGGED_ERROR_BYTES_MAX: usize = 8 << 10;
/// Bytes of a client's `id`, and of a request id.
pub const REQUEST_ID_BYTES_MAX: usize = 256;

/// Bytes of buffers that an instance may still hold after a call, unless its manifest says
/// otherwise.
pub const HELD_BYTES: u64 = 16 << 20;
/// Content types that a stage may accept.
pub const ACCEPTS_MAX: usize = 64;
/// Bytes of such a content type.
pub const ACCEPTS_BYTES_MAX: usize = 255;
/// Bytes of a component's own name and version, each.
pub const ABOUT_NAME_BYTES_MAX: usize = 255;
/// Bytes of a component's JSON Schema.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// What one stage may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageLimits {
    /// Bytes of linear memory of an instance. Key `memory`.
    pub memory: u64,
    /// Elapsed time of one call; opening an instance may take ten times as long. Key `time`.
    pub time: Duration,
    /// Bytes that a call may return, answers and buffers together. Key `output_bytes`.
    pub output_bytes: u64,
    /// Buffers that an instance may hold at once. Key `handles`.
    pub handles: u32,
    /// Bytes of buffers that an instance may still hold after a call. Key `held_bytes`.
    pub held_bytes: u64,
    /// Bytes that a call may log. Key `log_bytes`.
    pub log_bytes: u32,
    /// The number of instances. Key `instances`.
    pub instances: Instances,
}

/// The number of instances of a stage. A number in the manifest is `max` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instances {
    /// Created before the stage serves, and never given up for another stage. `None`: the first is
    /// created and kept, but is given up when the instance budget is exhausted. Key `min`.
    pub min: Option<u32>,
    /// The most instances at once, and so calls at once. Key `max`.
    pub max: u32,
    /// How long an instance beyond `min` may stay idle. Key `idle`.
    pub idle: Duration,
    /// Whether an instance may answer more than one call. Key `reuse`.
    pub reuse: Reuse,
}

/// Whether an instance may answer more than one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Any number of calls: fastest, but what a component keeps from one call is there in the next.
    #[default]
    Always,
    /// One call: each call gets a new instance, and pays for opening it.
    Never,
}

impl Default for Instances {
    fn default() -> Self {
        Self {
            min: None,
            max: 16,
            idle: Duration::from_secs(300),
            reuse: Reuse::Always,
        }
    }
}

impl Default for StageLimits {
    fn default() -> Self {
        Self {
            memory: 256 << 20,
            time: Duration::from_secs(5),
            output_bytes: 64 << 20,
            handles: 1024,
            held_bytes: HELD_BYTES,
            log_bytes: 64 << 10,
            instances: Instances::default(),
        }
    }
}

/// The most that a manifest may request.
pub const STAGE_LIMITS_MAX: StageLimits = StageLimits {
    memory: 4 << 30,
    time: Duration::from_secs(3600),
    output_bytes: 4 << 30,
    handles: 1 << 20,
    held_bytes: 4 << 30,
    log_bytes: 16 << 20,
    instances: Instances {
        min: Some(1024),
        max: 1024,
        idle: Duration::from_secs(24 * 3600),
        reuse: Reuse::Always,
    },
};

/// The least that an instance's `idle` may be: the interval at which idle instances are checked.
pub const IDLE_MIN: Duration = Duration::from_secs(1);

/// The time before a body's rate is checked: a client may start slowly.
pub const BODY_GRACE: Duration = Duration::from_secs(10);
/// Log lines a second about refused requests, and as many about failed ones. `--log-rate`.
pub const LOG_RATE: u32 = 50;

/// What the server accepts from its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Bytes of a request body, before and after decompression. `--max-body`.
    pub body_bytes: usize,
    /// Bytes of the bodies of all requests together. `--max-body-memory`.
    pub body_memory: u64,
    /// The least bytes a second that a body must bring, on average, after [`BODY_GRACE`]; 0: no
    /// bound. `--min-body-rate`.
    pub body_rate: u64,
    /// How long a whole body may take. `--body-timeout`.
    pub body_time: Duration,
    /// Bytes of a request's headers. `--max-headers`.
    pub header_bytes: usize,
    /// Connections at once; further ones wait to be accepted. `--max-connections`.
    pub connections: usize,
    /// Connections at once from one peer; further ones are refused. `--max-connections-per-peer`.
    pub connections_per_peer: usize,
    /// Requests that wait for an instance of a pipeline; further ones get 503. `--max-queue`.
    pub queue: usize,
    /// How long a client's body may pause. `--client-timeout`.
    pub client_timeout: Duration,
    /// How long a connection may be idle. `--idle-timeout`.
    pub idle: Duration,
    /// How long requests in flight may take after SIGTERM. `--drain-timeout`.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            body_memory: 1 << 30,
            body_rate: 1 << 10,
            body_time: Duration::from_secs(600),
            header_bytes: 16 << 10,
            connections: 4096,
            connections_per_peer: 2048,
            queue: 1024,
            client_timeout: Duration::from_secs(20),
            idle: Duration::from_secs(75),
            drain: Duration::from_secs(25),
        }
    }
}

/// Whether the name of a stage's metric is valid: lower-case letters, digits and `_`, beginning
/// with a letter.
pub fn is_observed_name(name: &str) -> bool {
    name.len() <= OBSERVED_NAME_BYTES_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}
