//! Stand-in for the host under `cargo test`: held bytes are a vector, log lines go to stderr, and a
//! graph runs a function that the test provides.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use crate::error::Failure;
use crate::graphs::{GraphError, Options};
use crate::log::Level;
use crate::signature::Signature;
use crate::tensor::Tensor;

/// Bytes that the stage has not read yet.
#[derive(Debug)]
pub(crate) struct Buffer(pub(crate) Vec<u8>);

impl Buffer {
    pub(crate) fn consume(self) -> Vec<u8> {
        self.0
    }
}

#[expect(
    clippy::print_stderr,
    reason = "natively there is no host; log lines belong in the test's output"
)]
pub(crate) fn log_write(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}

/// Tests log every level.
pub(crate) const fn log_threshold() -> Level {
    Level::Trace
}

thread_local! {
    static OBSERVED: RefCell<Vec<(String, f64)>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn observe(name: &str, value: f64) {
    OBSERVED.with_borrow_mut(|observed| observed.push((name.to_owned(), value)));
}

/// Takes the values that this thread has observed since the last call.
pub(crate) fn observed() -> Vec<(String, f64)> {
    OBSERVED.take()
}

/// A graph that a test registered.
#[derive(Clone)]
pub(crate) struct Graph(Rc<StandIn>);

struct StandIn {
    signature: Signature,
    compute: Box<Compute>,
}

type Compute = dyn Fn(Vec<Tensor>) -> Result<Vec<Tensor>, Failure>;

thread_local! {
    /// Keyed by file name.
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
