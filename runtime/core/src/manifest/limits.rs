//! Reads a stage's `limits`. Default of each key: [`StageLimits::default`]. Bounds: the least that
//! makes sense, and [`STAGE_LIMITS_MAX`](crate::limits::STAGE_LIMITS_MAX).

use std::time::Duration;

use super::decode::Decoder;
use super::node::{Data, Node};
use crate::limits::{IDLE_MIN, Instances, Reuse, STAGE_LIMITS_MAX as MAX, StageLimits};
use crate::quantity::{parse_bytes, parse_duration, show_bytes, show_duration};
use crate::suggest::shown;

const KEYS: [&str; 7] = [
    "memory",
    "time",
    "output_bytes",
    "handles",
    "held_bytes",
    "log_bytes",
    "instances",
];

/// One page: a component with less can't even start.
const MEMORY_MIN: u64 = 64 << 10;

const KEEPS_NONE: &str =
    "with `reuse: never` no instance is kept, as each call takes a new one; leave `min` out";

pub(super) fn read(here: &mut Decoder, node: &Node) -> Option<StageLimits> {
    let fields = here.fields(node, &KEYS)?;
    let default = StageLimits::default();
    let memory = here.optional(&fields, "memory", |here, node| {
        size(here, node, MEMORY_MIN, MAX.memory)
    });
    let time = here.optional(&fields, "time", |here, node| time(here, node, MAX.time));
    let output = here.optional(&fields, "output_bytes", |here, node| {
        size(here, node, 1, MAX.output_bytes)
    });
    let handles = here.optional(&fields, "handles", |here, node| {
        count(here, node, MAX.handles)
    });
    let held = here.optional(&fields, "held_bytes", |here, node| {
        size(here, node, 0, MAX.held_bytes)
    });
    let log = here.optional(&fields, "log_bytes", |here, node| {
        size(here, node, 1, u64::from(MAX.log_bytes))
    });
    let instances = here.optional(&fields, "instances", instances);
    Some(StageLimits {
        memory: memory.unwrap_or(default.memory),
        time: time.unwrap_or(default.time),
        output_bytes: output.unwrap_or(default.output_bytes),
        handles: handles.unwrap_or(default.handles),
        held_bytes: held.unwrap_or(default.held_bytes),
        log_bytes: log
            .and_then(|bytes| u32::try_from(bytes).ok())
            .unwrap_or(default.log_bytes),
        instances: instances.unwrap_or(default.instances),
    })
}

/// A number is `max`; a map sets more.
fn instances(here: &mut Decoder, node: &Node) -> Option<Instances> {
    let default = Instances::default();
    if !matches!(node.data, Data::Map(_)) {
        return Some(Instances {
            max: count(here, node, MAX.instances.max)?,
            ..default
        });
    }
    let fields = here.fields(node, &["min", "max", "idle", "reuse"])?;
    let max = here
        .optional(&fields, "max", |here, node| {
            count(here, node, MAX.instances.max)
        })
        .unwrap_or(default.max);
    let words = [("always", Reuse::Always), ("never", Reuse::Never)];
    let reuse = here
        .optional(&fields, "reuse", |here, node| here.word(node, &words))
        .unwrap_or(default.reuse);
    let min = here.optional(&fields, "min", |here, node| match reuse {
        Reuse::Always => count_between(here, node, 0, max),
        Reuse::Never => here.sound(node, Err(KEEPS_NONE.to_owned())),
    });
    let idle = here.optional(&fields, "idle", |here, node| {
        time_between(here, node, IDLE_MIN, MAX.instances.idle)
    });
    Some(Instances {
        min,
        max,
        idle: idle.unwrap_or(default.idle),
        reuse,
    })
}

fn size(here: &mut Decoder, node: &Node, min: u64, max: u64) -> Option<u64> {
    let bytes = match &node.data {
        Data::Text(text) => parse_bytes(text).map_err(|error| error.to_string()),
        Data::Number { value, written } => value.as_u64().ok_or_else(|| {
            let written = shown(written);
            format!("`{written}` is not a size; write a whole number of bytes, or one with a unit, like `64MiB`")
        }),
        _ => return here.expected("a size, like `64MiB`", node),
    };
    let bytes = here.sound(node, bytes)?;
    here.sound(node, between(bytes, min, max, show_bytes))
}

/// A time from a microsecond to `max`.
pub(super) fn time(here: &mut Decoder, node: &Node, max: Duration) -> Option<Duration> {
    time_between(here, node, Duration::from_micros(1), max)
}

/// A time from `min` to `max`.
pub(super) fn time_between(
    here: &mut Decoder,
    node: &Node,
    min: Duration,
    max: Duration,
) -> Option<Duration> {
    let time = match &node.data {
        Data::Text(text) => parse_duration(text),
        // The parser's error lists the units.
        Data::Number { written, .. } => parse_duration(written),
        _ => return here.expected("a time, like `500ms`", node),
    };
    let time = here.sound(node, time.map_err(|error| error.to_string()))?;
    here.sound(node, between(time, min, max, show_duration))
}

pub(super) fn count(here: &mut Decoder, node: &Node, max: u32) -> Option<u32> {
    count_between(here, node, 1, max)
}

fn count_between(here: &mut Decoder, node: &Node, min: u32, max: u32) -> Option<u32> {
    let Data::Number { value, .. } = &node.data else {
        return here.expected("a whole number", node);
    };
    let Some(count) = value.as_u64() else {
        return here.expected(&format!("a whole number, {min} or more"), node);
    };
    let count = here.sound(
        node,
        between(count, u64::from(min), u64::from(max), |count| {
            count.to_string()
        }),
    )?;
    u32::try_from(count).ok()
}

pub(super) fn between<T: PartialOrd + Copy>(
    value: T,
    min: T,
    max: T,
    show: impl Fn(T) -> String,
) -> Result<T, String> {
    if value < min {
        Err(format!(
            "{} is less than the minimum, {}",
            show(value),
            show(min)
        ))
    } else if value > max {
        Err(format!(
            "{} is more than the {} that are allowed",
            show(value),
            show(max)
        ))
    } else {
        Ok(value)
    }
}
