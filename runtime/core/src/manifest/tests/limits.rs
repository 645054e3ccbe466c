//! Limits that are refused, each with its full text.

use super::refused::check;

/// A stage's limits, and the error from its column on.
const REFUSED: [(&str, &str); 21] = [
    (
        "memory: 64M",
        "25: spec.stages[1].limits.memory: `M` is not a unit of a size; did you mean `64MiB`?",
    ),
    (
        "memory: 5GiB",
        "25: spec.stages[1].limits.memory: 5GiB is more than the 4GiB that are allowed",
    ),
    (
        "memory: 1",
        "25: spec.stages[1].limits.memory: 1B is less than the minimum, 64KiB",
    ),
    (
        "memory: 1.5",
        "25: spec.stages[1].limits.memory: `1.5` is not a size; write a whole number of bytes, or one with a unit, \
         like `64MiB`",
    ),
    (
        "memory: [1]",
        "25: spec.stages[1].limits.memory: expected a size, like `64MiB`, found a list",
    ),
    (
        "time: 5",
        "23: spec.stages[1].limits.time: `5` lacks a unit: `us`, `ms`, `s`, `m` and `h`",
    ),
    (
        "time: 0s",
        "23: spec.stages[1].limits.time: 0s is less than the minimum, 1us",
    ),
    (
        "time: 2h",
        "23: spec.stages[1].limits.time: 2h is more than the 1h that are allowed",
    ),
    (
        "handles: 0",
        "26: spec.stages[1].limits.handles: 0 is less than the minimum, 1",
    ),
    (
        "handles: many",
        "26: spec.stages[1].limits.handles: expected a whole number, found the text `many`",
    ),
    (
        "handles: -1",
        "26: spec.stages[1].limits.handles: expected a whole number, 1 or more, found the number -1",
    ),
    (
        "instances: 1025",
        "28: spec.stages[1].limits.instances: 1025 is more than the 1024 that are allowed",
    ),
    (
        "instances: { min: 3, max: 2 }",
        "35: spec.stages[1].limits.instances.min: 3 is more than the 2 that are allowed",
    ),
    (
        "instances: { min: -1 }",
        "35: spec.stages[1].limits.instances.min: expected a whole number, 0 or more, found the number -1",
    ),
    (
        "instances: { reuse: once }",
        "37: spec.stages[1].limits.instances.reuse: unknown value `once`; known: `always` and `never`",
    ),
    (
        "instances: { reuse: never, min: 2 }",
        "49: spec.stages[1].limits.instances.min: with `reuse: never` no instance is kept, as each call takes a \
         new one; leave `min` out",
    ),
    (
        "held_bytes: 5GiB",
        "29: spec.stages[1].limits.held_bytes: 5GiB is more than the 4GiB that are allowed",
    ),
    (
        "instances: { idle: 10ms }",
        "36: spec.stages[1].limits.instances.idle: 10ms is less than the minimum, 1s",
    ),
    (
        "instances: { most: 2 }",
        "30: spec.stages[1].limits.instances.most: unknown key; known: `min`, `max`, `idle` and `reuse`",
    ),
    (
        "log_bytes: 1GiB",
        "28: spec.stages[1].limits.log_bytes: 1GiB is more than the 16MiB that are allowed",
    ),
    (
        "outputBytes: 1",
        "17: spec.stages[1].limits.outputBytes: unknown key; did you mean `output_bytes`?",
    ),
];

#[test]
fn limits() {
    for (limits, expect) in REFUSED {
        check(
            "memory: 64MiB, time: 1s",
            limits,
            &format!("t.yaml:16:{expect}"),
        );
    }
}
