//! Reads a model stage's `batch`. `true` or an empty map: [`Batching::default`]; not written: no
//! batching.

use std::time::Duration;

use super::decode::Decoder;
use super::limits::{count, time, time_between};
use super::node::{Data, Node};
use crate::batch::Batching;
use crate::limits::{BATCH_DELAY_MAX, BATCH_ROWS_MAX, BATCH_TIMEOUT_MAX};

const KEYS: [&str; 3] = ["max_rows", "max_delay", "timeout"];

pub(super) fn read(here: &mut Decoder, node: &Node) -> Option<Batching> {
    let default = Batching::default();
    if matches!(node.data, Data::Bool(true)) {
        return Some(default);
    }
    let fields = here.fields(node, &KEYS)?;
    let rows = here.optional(&fields, "max_rows", |here, node| {
        count(here, node, BATCH_ROWS_MAX)
    });
    let delay = here.optional(&fields, "max_delay", |here, node| {
        time_between(here, node, Duration::ZERO, BATCH_DELAY_MAX)
    });
    let timeout = here.optional(&fields, "timeout", |here, node| {
        time(here, node, BATCH_TIMEOUT_MAX)
    });
    Some(Batching {
        max_rows: rows.map_or(default.max_rows, u64::from),
        max_delay: delay.unwrap_or(default.max_delay),
        timeout: timeout.unwrap_or(default.timeout),
    })
}
