//! Files that are, or claim to be, components, and that attack a decoder or a compiler.

use wasm_encoder::Component;

use super::component_bombs::{
    CORE_MODULE, doubling, imports_function, imports_instance, many_modules, many_types, nested,
    package, with_section,
};
use super::module_bombs::{
    blocks, condition_body, conditions, functions, long_function, loops, many_functions, module,
    tail_call, with_memories, with_memory,
};
use crate::harness;

/// A hostile component and its error.
pub(crate) struct Bomb {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// The error contains one of these.
    pub(crate) says: &'static [&'static str],
}

/// The errors of a process that reached one of its bounds.
const BOUNDED: &[&str] = &[
    "memory (--compile-memory)",
    "s of processor time (--compile-cpu-time)",
];
const UNREADABLE: &[&str] = &["the file is not a component that can be read"];
const CRASHED: &[&str] = &[
    "the compiler failed on it",
    "the compiler's stack is full",
    "the compiler crashed on it",
];

fn bomb(name: &'static str, says: &'static [&'static str], bytes: Vec<u8>) -> Bomb {
    Bomb { name, bytes, says }
}

/// Files that only a memory or time bound stops: each takes seconds.
pub(crate) fn large() -> Vec<Bomb> {
    vec![
        bomb("instances by doubling", BOUNDED, doubling(40)),
        bomb(
            "nested loops with many locals",
            BOUNDED,
            loops(10_000, 20_000),
        ),
        bomb("many conditions", BOUNDED, conditions(70_000)),
        bomb("nested blocks with values", BOUNDED, blocks(20_000)),
    ]
}

/// Files that are refused at once.
pub(crate) fn small() -> Vec<Bomb> {
    [oddly_named(), too_many(), unsupported(), cut_off()]
        .into_iter()
        .flatten()
        .collect()
}

/// Names that components may have but our worlds do not; and a package with them.
fn oddly_named() -> Vec<Bomb> {
    let function = |name, import| bomb(name, CRASHED, imports_function(import));
    let instance = |name, import| bomb(name, UNREADABLE, imports_instance(import));
    let package_says = &["the file holds a WIT package", "the compiler failed on it"];
    vec![
        function("an import named like a package and a path", "a:b/c"),
        function("an import named by an address", "url=<https://a.example>"),
        function("an import named by a lock", "unlocked-dep=<a:b>"),
        function("an import named by a hash", "integrity=<sha256-AAAA>"),
        instance("an instance named by an address", "url=<https://a.example>"),
        instance("an instance named by a lock", "unlocked-dep=<a:b>"),
        instance("an instance named by a hash", "integrity=<sha256-AAAA>"),
        bomb("a WIT package", package_says, package()),
    ]
}

/// More items than a bound of the decoder allows.
fn too_many() -> Vec<Bomb> {
    vec![
        bomb(
            "components inside each other",
            &["more than 16 components inside each other"],
            nested(20),
        ),
        bomb(
            "a million functions",
            &["more than 200000 functions"],
            many_functions(1_000_000),
        ),
        bomb(
            "many modules",
            &["more than 1000 instances, modules and components"],
            many_modules(2_000),
        ),
        bomb(
            "many types",
            &["more than 100000 types"],
            many_types(200_000),
        ),
        bomb(
            "one long function",
            &["bytes in one function"],
            long_function(600_000),
        ),
    ]
}

/// Disabled WebAssembly features.
fn unsupported() -> Vec<Bomb> {
    vec![
        bomb("a memory of 64 bits", &["memory64"], with_memory(true)),
        bomb(
            "a tail call",
            &["tail calls support is not enabled"],
            tail_call(),
        ),
        bomb(
            "two memories",
            &["multi-memory", "multiple memories"],
            with_memories(2),
        ),
    ]
}

/// Truncated files.
fn cut_off() -> Vec<Bomb> {
    vec![
        bomb(
            "nothing behind the header",
            &["it must export"],
            Component::new().finish(),
        ),
        bomb(
            "a section that is cut off",
            UNREADABLE,
            b"\0asm\x0d\0\x01\0\x07\xff\x01\x40".to_vec(),
        ),
        bomb(
            "a length of 32 bits set",
            UNREADABLE,
            b"\0asm\x0d\0\x01\0\x07\xff\xff\xff\xff\x0f\x40".to_vec(),
        ),
    ]
}

/// Code that compiles longer than any test waits, with little memory.
pub(crate) fn slow() -> Vec<u8> {
    functions(200, || condition_body(5_000))
}

/// `scale` with additional functions that take seconds to compile.
pub(crate) fn slow_scale() -> Vec<u8> {
    let scale = std::fs::read(harness::components().join("scale.wasm")).unwrap();
    with_section(
        scale,
        CORE_MODULE,
        &module(16, || condition_body(5_000)).finish(),
    )
}
