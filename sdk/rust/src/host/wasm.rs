//! The host behind the wall.

use crate::log::Level;
use crate::wall::bindings::model::hotstage::serving::{files, log};

pub(crate) use crate::wall::bindings::model::hotstage::serving::tensors::Buffer;

pub(crate) fn log_write(level: Level, message: &str) {
    let level = match level {
        Level::Trace => log::Level::Trace,
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::write(level, message);
}

pub(crate) fn log_threshold() -> Level {
    match log::threshold() {
        log::Level::Trace => Level::Trace,
        log::Level::Debug => Level::Debug,
        log::Level::Info => Level::Info,
        log::Level::Warn => Level::Warn,
        log::Level::Error => Level::Error,
    }
}

pub(crate) fn file_names() -> Vec<String> {
    files::names()
}

/// The bytes, or `None` when the manifest gives the stage no file of this name.
pub(crate) fn file_read(name: &str) -> Option<Vec<u8>> {
    files::open(name).ok().map(Buffer::consume)
}
