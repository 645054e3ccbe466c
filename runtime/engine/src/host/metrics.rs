//! `hotstage:serving/metrics`: numbers for the operator, of clients' requests only.

use super::{Guest, Phase};
use crate::bindings::metrics::Host;

impl Host for Guest {
    fn observe(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        if self.phase == Phase::Request {
            self.observed.observe(&name, value);
        }
        Ok(())
    }
}
