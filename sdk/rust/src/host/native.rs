//! The host's stand-in under `cargo test`: held bytes lie in a vector, log lines go to stderr, and
//! a graph computes what the test says.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::error::Failure;
use crate::graphs::{GraphError, Options};
use crate::log::Level;
use crate::signature::Signature;
use crate::tensor::Tensor;

/// Bytes that nobody has looked at yet.
#[derive(Debug)]
pub(crate) struct Buffer(pub(crate) Vec<u8>);

impl Buffer {
    pub(crate) fn consume(self) -> Vec<u8> {
        self.0
    }
}

#[expect(
    clippy::print_stderr,
    reason = "natively there is no host; a test's output is where a log line helps"
)]
pub(crate) fn log_write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}

/// Everything is listened to in a test.
pub(crate) const fn log_threshold() -> Level {
    Level::Trace
}

thread_local! {
    static OBSERVED: RefCell<Vec<(String, f64)>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn observe(name: &str, value: f64) {
    OBSERVED.with_borrow_mut(|observed| observed.push((name.to_owned(), value)));
}

/// What this thread observed since it was last asked.
pub(crate) fn observed() -> Vec<(String, f64)> {
    OBSERVED.take()
}

/// A graph that a test made.
#[derive(Clone)]
pub(crate) struct Graph(Rc<StandIn>);

struct StandIn {
    signature: Signature,
    compute: Box<Compute>,
}

type Compute = dyn Fn(Vec<Tensor>) -> Result<Vec<Tensor>, Failure>;

thread_local! {
    /// By the file that opens them.
    static STAND_INS: RefCell<BTreeMap<String, Graph>> = const { RefCell::new(BTreeMap::new()) };
}

impl Graph {
    pub(crate) fn stand_in(
        file: &str,
        signature: Signature,
        compute: impl Fn(Vec<Tensor>) -> Result<Vec<Tensor>, Failure> + 'static,
    ) {
        let graph = Self(Rc::new(StandIn {
            signature,
            compute: Box::new(compute),
        }));
        STAND_INS.with_borrow_mut(|graphs| graphs.insert(file.to_owned(), graph));
    }

    pub(crate) fn open(file: &str, _: &Options) -> Result<Self, GraphError> {
        STAND_INS
            .with_borrow(|graphs| graphs.get(file).cloned())
            .ok_or_else(|| GraphError::NotFound(file.to_owned()))
    }

    pub(crate) fn signature(&self) -> Signature {
        self.0.signature.clone()
    }

    pub(crate) fn compute(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Failure> {
        (self.0.compute)(inputs)
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Graph").field(&self.0.signature).finish()
    }
}
