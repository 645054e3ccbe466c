//! `hotstage:serving/metrics`: numbers for the operator.

use super::Guest;
use crate::bindings::metrics::Host;

impl Host for Guest {
    fn observe(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.observed.observe(&name, value);
        Ok(())
    }
}
