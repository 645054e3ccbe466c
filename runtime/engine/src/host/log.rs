//! `hotstage:serving/log`: lines for the operator.

use super::Guest;
use crate::bindings::log::{Host, Level};

impl Host for Guest {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            Level::Trace => tracing::Level::TRACE,
            Level::Debug => tracing::Level::DEBUG,
            Level::Info => tracing::Level::INFO,
            Level::Warn => tracing::Level::WARN,
            Level::Error => tracing::Level::ERROR,
        };
        self.log.line(level, &message);
        Ok(())
    }

    fn threshold(&mut self) -> wasmtime::Result<Level> {
        Ok(match crate::log::threshold() {
            Some(tracing::Level::TRACE) => Level::Trace,
            Some(tracing::Level::DEBUG) => Level::Debug,
            Some(tracing::Level::INFO) => Level::Info,
            Some(tracing::Level::WARN) => Level::Warn,
            _ => Level::Error,
        })
    }
}
