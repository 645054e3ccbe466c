//! Components from WebAssembly text, for guests that no compiler would generate.
//!
//! A guest is a few lines of text. This module adds everything that a stage imports, a memory of
//! four pages, an allocator, and a model like those of `tests/guests`: `x` FP32 `[-1]` in, `y` FP32
//! `[-1]` out, `y = x`, and `$misbehave` when `x[0]` is 13. A guest's own definitions replace the
//! default ones:
//!
//! | it may define | called |
//! | --- | --- |
//! | `(func $misbehave (param $x i32) (result i32)` | with the list of inputs |
//! | `(func $any (param $x i32)` | in every call, before |
//! | `(func $post` | after every call, in the function that frees its answer |
//! | `(func $realloc (param i32 i32 i32 i32) (result i32)` | when the host needs memory |
//! | `(func $describe (result i32)` | its answer is [`DESCRIBED`] |
//! | `(func $open (result i32)` | its answer is [`OPENED`] |
//! | `(memory (export "memory")`, `(start …)` | |
//!
//! `$misbehave` returns the result of `$answer` or `$fail`.
//!
//! Records have the layout of the canonical ABI; the words that a guest may change have names
//! below.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::root;
use super::state::Folder;

/// Address of the description: address and length of name, version, summary and schema.
pub(crate) const DESCRIBED: u32 = 1024;
/// Address of the result of `open`: 0 for ok, then address and length of inputs, of outputs, and of
/// content types.
pub(crate) const OPENED: u32 = 1056;
/// The input: address and length of its name, datatype, address and length of its shape.
pub(crate) const INPUT: u32 = 1104;

/// The parts of WASI that some guests misuse.
const WASI: [(&str, &str); 4] = [
    (
        "io.wit",
        "package wasi:io@0.2.0;
         interface error { resource error; }
         interface poll {
           resource pollable { block: func(); }
           poll: func(in: list<borrow<pollable>>) -> list<u32>;
         }
         interface streams {
           use error.{error};
           variant stream-error { last-operation-failed(error), closed }
           resource input-stream { blocking-read: func(len: u64) -> result<list<u8>, stream-error>; }
           resource output-stream { write-zeroes: func(len: u64) -> result<_, stream-error>; }
         }",
    ),
    (
        "clocks.wit",
        "package wasi:clocks@0.2.0;
         interface monotonic-clock {
           use wasi:io/poll@0.2.0.{pollable};
           subscribe-duration: func(when: u64) -> pollable;
         }",
    ),
    (
        "cli.wit",
        "package wasi:cli@0.2.0;
         interface stdin { use wasi:io/streams@0.2.0.{input-stream}; get-stdin: func() -> input-stream; }
         interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
         interface exit { exit: func(status: result); }",
    ),
    (
        "random.wit",
        "package wasi:random@0.2.0;
         interface random { get-random-bytes: func(len: u64) -> list<u8>; }",
    ),
];

const WORLDS: &str = "package test:hostile;
    world wasi {
      import wasi:io/poll@0.2.0;
      import wasi:io/streams@0.2.0;
      import wasi:clocks/monotonic-clock@0.2.0;
      import wasi:cli/stdin@0.2.0;
      import wasi:cli/stdout@0.2.0;
      import wasi:cli/exit@0.2.0;
      import wasi:random/random@0.2.0;
    }
    world model { include wasi; include hotstage:serving/model@0.1.0; }
    world preprocessor { include wasi; include hotstage:serving/preprocessor@0.1.0; }";

/// Module, import name, local name and type of every imported function.
const IMPORTS: [(&str, &str, &str); 20] = [
    (
        "hotstage:serving/tensors@0.1.0",
        "[static]buffer.create",
        "$create (param i32 i32) (result i32)",
    ),
    (
        "hotstage:serving/tensors@0.1.0",
        "[method]buffer.length",
        "$length (param i32) (result i64)",
    ),
    (
        "hotstage:serving/tensors@0.1.0",
        "[method]buffer.read",
        "$read (param i32 i64 i64 i32)",
    ),
    (
        "hotstage:serving/tensors@0.1.0",
        "[static]buffer.consume",
        "$consume (param i32 i32)",
    ),
    (
        "hotstage:serving/tensors@0.1.0",
        "[method]buffer.slice",
        "$slice (param i32 i64 i64 i32)",
    ),
    (
        "hotstage:serving/tensors@0.1.0",
        "[method]buffer.share",
        "$share (param i32) (result i32)",
    ),
    (
        "hotstage:serving/tensors@0.1.0",
        "[resource-drop]buffer",
        "$drop (param i32)",
    ),
    (
        "hotstage:serving/log@0.1.0",
        "write",
        "$log (param i32 i32 i32)",
    ),
    (
        "hotstage:serving/log@0.1.0",
        "threshold",
        "$threshold (result i32)",
    ),
    (
        "hotstage:serving/files@0.1.0",
        "open",
        "$file (param i32 i32 i32)",
    ),
    (
        "hotstage:serving/metrics@0.1.0",
        "observe",
        "$observe (param i32 i32 f64)",
    ),
    ("wasi:io/poll@0.2.0", "poll", "$poll (param i32 i32 i32)"),
    (
        "wasi:io/poll@0.2.0",
        "[method]pollable.block",
        "$block (param i32)",
    ),
    (
        "wasi:clocks/monotonic-clock@0.2.0",
        "subscribe-duration",
        "$subscribe (param i64) (result i32)",
    ),
    ("wasi:cli/stdin@0.2.0", "get-stdin", "$stdin (result i32)"),
    (
        "wasi:io/streams@0.2.0",
        "[method]input-stream.blocking-read",
        "$blocking_read (param i32 i64 i32)",
    ),
    (
        "wasi:cli/stdout@0.2.0",
        "get-stdout",
        "$stdout (result i32)",
    ),
    (
        "wasi:io/streams@0.2.0",
        "[method]output-stream.write-zeroes",
        "$write_zeroes (param i32 i64 i32)",
    ),
    ("wasi:cli/exit@0.2.0", "exit", "$exit (param i32)"),
    (
        "wasi:random/random@0.2.0",
        "get-random-bytes",
        "$random (param i64 i32)",
    ),
];

/// The default definitions of a guest: the beginning of a definition, and the definition.
const DEFAULTS: [(&str, &str); 7] = [
    ("(memory ", r#"(memory (export "memory") 4)"#),
    (
        "(func $misbehave ",
        "(func $misbehave (param $x i32) (result i32) unreachable)",
    ),
    ("(func $any ", "(func $any (param i32))"),
    ("(func $post", "(func $post)"),
    (
        "(func $realloc ",
        "(func $realloc (param i32 i32 i32 i32) (result i32) (call $allocate (local.get 3)))",
    ),
    (
        "(func $describe ",
        "(func $describe (result i32) (i32.const 1024))",
    ),
    ("(func $open ", "(func $open (result i32) (i32.const 1056))"),
];

const COMMON: &str = r#"
    (global $heap (mut i32) (i32.const 65536))
    (func $allocate (param $size i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
      (global.set $heap (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))))))
      (local.get $at))
    (func $answer (param $list i32) (param $length i32) (result i32)
      (i64.store (i32.const 512) (i64.const 0))
      (i32.store (i32.const 516) (local.get $list))
      (i32.store (i32.const 520) (local.get $length))
      (i32.const 512))
    (func $fail (param $case i32) (param $text i32) (param $length i32) (result i32)
      (i32.store (i32.const 512) (i32.const 1))
      (i32.store (i32.const 516) (local.get $case))
      (i32.store (i32.const 520) (local.get $text))
      (i32.store (i32.const 524) (local.get $length))
      (i32.const 512))
    (func $is_told (param $x i32) (result i32)
      (i32.and
        (i32.eqz (i32.load8_u offset=12 (local.get $x)))
        (f32.eq (f32.load (i32.load offset=16 (local.get $x))) (f32.const 13))))
    (func $called (param $x i32) (result i32)
      (call $any (local.get $x))
      (if (call $is_told (local.get $x)) (then (return (call $misbehave (local.get $x)))))
      (call $answer (local.get $x) (i32.const 1)))
    (func $ended (global.set $heap (i32.const 65536)) (call $post))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (call $realloc (local.get 0) (local.get 1) (local.get 2) (local.get 3)))"#;

const MODEL: &str = r#"
    (func (export "hotstage:serving/infer@0.1.0#describe") (result i32) (call $describe))
    (func (export "hotstage:serving/infer@0.1.0#open") (param i32 i32) (result i32) (call $open))
    (func (export "hotstage:serving/infer@0.1.0#infer") (param i32 i32) (result i32) (call $called (local.get 0)))
    (func (export "cabi_post_hotstage:serving/infer@0.1.0#infer") (param i32) (call $ended))"#;

const PREPROCESSOR: &str = r#"
    (func (export "hotstage:serving/preprocess@0.1.0#describe") (result i32) (call $describe))
    (func (export "hotstage:serving/preprocess@0.1.0#open") (param i32 i32) (result i32) (call $open))
    (func (export "hotstage:serving/preprocess@0.1.0#preprocess")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) unreachable)"#;

/// Builds a model from a guest's text.
#[track_caller]
pub(crate) fn model(text: &str) -> Vec<u8> {
    component("model", MODEL, text)
}

/// Builds a preprocessor from a guest's text. It can only be opened.
#[track_caller]
pub(crate) fn preprocessor(text: &str) -> Vec<u8> {
    component("preprocessor", PREPROCESSOR, text)
}

#[track_caller]
fn component(world: &str, exports: &str, text: &str) -> Vec<u8> {
    static WIT: LazyLock<Resolve> = LazyLock::new(|| {
        let mut resolve = Resolve::default();
        resolve.push_dir(root().join("wit")).unwrap();
        for (path, text) in WASI.into_iter().chain([("worlds.wit", WORLDS)]) {
            resolve.push_str(path, text).unwrap();
        }
        resolve
    });
    let module = module(exports, text);
    let mut module = wat::parse_str(&module).unwrap_or_else(|error| panic!("{error}:\n{module}"));
    let (package, _) = WIT
        .packages
        .iter()
        .find(|(_, package)| package.name.namespace == "test")
        .unwrap();
    let world = WIT.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &WIT, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

fn module(exports: &str, text: &str) -> String {
    let mut module = String::from("(module\n");
    for (from, name, here) in IMPORTS {
        writeln!(module, r#"(import "{from}" "{name}" (func {here}))"#).unwrap();
    }
    for (_, default) in DEFAULTS.iter().filter(|(begins, _)| !text.contains(begins)) {
        writeln!(module, "{default}").unwrap();
    }
    for (at, words) in [
        (DESCRIBED, &[1200, 3, 1204, 1, 1208, 1, 1212, 17][..]),
        (OPENED, &[0, INPUT, 1, 1128, 1, 0, 0]),
        (INPUT, &[1240, 1, 11, 1152, 1]),
        (1128, &[1244, 1, 11, 1152, 1]),
    ] {
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word: &u32| word.to_le_bytes())
            .collect();
        writeln!(module, r#"(data (i32.const {at}) "{}")"#, escaped(&bytes)).unwrap();
    }
    let texts = b"wat\x001\0\0\0s\0\0\0{\"type\":\"object\"}";
    writeln!(module, r#"(data (i32.const 1200) "{}")"#, escaped(texts)).unwrap();
    writeln!(
        module,
        r#"(data (i32.const 1240) "x") (data (i32.const 1244) "y")"#
    )
    .unwrap();
    module + COMMON + exports + "\n" + text + ")"
}

/// Bytes in the syntax of the text format.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "\\{byte:02x}").unwrap();
        text
    })
}

/// A component that also instantiates a core module this many times. The module may import nothing.
#[track_caller]
pub(crate) fn beside(mut component: Vec<u8>, module: &str, times: u32) -> Vec<u8> {
    // Component sections: 1 is a core module, 2 are core instances. Appended items come last in
    // each.
    let modules = sections(&component)
        .iter()
        .filter(|section| **section == 1)
        .count();
    let module = wat::parse_str(module).unwrap();
    append(&mut component, 1, &module);
    let mut instances = leb(times);
    for _ in 0..times {
        // Instantiates it without arguments.
        instances.push(0);
        instances.extend(leb(u32::try_from(modules).unwrap()));
        instances.push(0);
    }
    append(&mut component, 2, &instances);
    component
}

fn append(component: &mut Vec<u8>, section: u8, content: &[u8]) {
    component.push(section);
    component.extend(leb(u32::try_from(content.len()).unwrap()));
    component.extend(content);
}

fn sections(component: &[u8]) -> Vec<u8> {
    let (mut sections, mut at) = (Vec::new(), 8);
    while at < component.len() {
        sections.push(component[at]);
        let (mut length, mut shift) = (0_usize, 0);
        at += 1;
        loop {
            let byte = component[at];
            length |= usize::from(byte & 127) << shift;
            (at, shift) = (at + 1, shift + 7);
            if byte < 128 {
                break;
            }
        }
        at += length;
    }
    sections
}

fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 127).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 128);
    }
}

/// Components as files, for manifests.
pub(crate) struct Shelf(Folder);

impl Shelf {
    pub(crate) fn new() -> Self {
        Self(Folder::new())
    }

    /// Writes a component and returns its path.
    pub(crate) fn put(&self, name: &str, component: &[u8]) -> PathBuf {
        self.0.write(&format!("{name}.wasm"), component)
    }
}
