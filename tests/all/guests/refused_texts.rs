//! Components that must not be opened, in WebAssembly text (`tests/harness/wat.rs`): their
//! descriptions are too large, too long, or would control a terminal, or they misbehave during
//! start.
//!
//! A running server refuses each with its reason and keeps answering correctly.

use serde_json::json;

use super::{data, request};
use crate::harness::admin::Admin;
use crate::harness::manifest::{model, pipeline};
use crate::harness::server::Setup;
use crate::harness::wat::{self, Shelf};

/// How a component is built.
enum Made {
    Model(&'static str),
    Preprocessor(&'static str),
    /// A model that instantiates a module this many more times.
    Beside(&'static str, u32),
}
use Made::{Beside, Model, Preprocessor};

const BROKEN: &str = "it trapped: it broke the rules of the component model";

/// Name, component, the error for the operator.
const ROWS: [(&str, Made, &str); 37] = [
    // Signatures.
    (
        "257-ports",
        Model("(func $open (result i32) (i64.store (i32.const 1060) (i64.const 0x10100020000)) (i32.const 1056))"),
        "it has a signature that makes no sense: 257 inputs; at most 256 are allowed",
    ),
    (
        "100000-ports",
        Model(
            "(memory (export \"memory\") 40)
             (func $open (result i32) (i64.store (i32.const 1060) (i64.const 0x186a000020000)) (i32.const 1056))",
        ),
        "it has a signature that makes no sense: 100000 inputs; at most 256 are allowed",
    ),
    (
        "17-dimensions",
        Model("(func $open (result i32) (i64.store (i32.const 1116) (i64.const 0x1100020000)) (i32.const 1056))"),
        "it has a signature that makes no sense: input `x` has 17 dimensions",
    ),
    (
        "a-million-dimensions",
        Model(
            "(memory (export \"memory\") 300)
             (func $open (result i32) (i64.store (i32.const 1116) (i64.const 0xf424000020000)) (i32.const 1056))",
        ),
        "it has a signature that makes no sense: input `x` has 1000000 dimensions",
    ),
    (
        "a-port-without-a-name",
        Model("(func $open (result i32) (i32.store (i32.const 1108) (i32.const 0)) (i32.const 1056))"),
        "it has a signature that makes no sense: input 0 has a name of 0 bytes",
    ),
    (
        "a-port-with-a-long-name",
        Model("(func $open (result i32) (i32.store (i32.const 1108) (i32.const 60000)) (i32.const 1056))"),
        "it has a signature that makes no sense: input 0 has a name of 60000 bytes",
    ),
    (
        "a-port-that-reverses-text",
        Model(
            "(data (i32.const 3000) \"a\\e2\\80\\aeb\")
             (func $open (result i32) (i64.store (i32.const 1104) (i64.const 0x500000bb8)) (i32.const 1056))",
        ),
        "it has a signature that makes no sense: input 0 has U+202E in its name, which would disturb a terminal",
    ),
    (
        "a-port-that-drives-terminals",
        Model(
            "(data (i32.const 3000) \"\\1b[2J!\")
             (func $open (result i32) (i64.store (i32.const 1104) (i64.const 0x500000bb8)) (i32.const 1056))",
        ),
        "it has a signature that makes no sense: input 0 has U+001B in its name, which would disturb a terminal",
    ),
    (
        "a-port-that-is-no-text",
        Model(
            "(data (i32.const 3000) \"\\ff\\fe\\fd\\fc\\fb\")
             (func $open (result i32) (i64.store (i32.const 1104) (i64.const 0x500000bb8)) (i32.const 1056))",
        ),
        BROKEN,
    ),
    (
        "a-port-of-no-datatype",
        Model("(func $open (result i32) (i32.store8 (i32.const 1112) (i32.const 14)) (i32.const 1056))"),
        BROKEN,
    ),
    ("an-answer-from-beyond", Model("(func $open (result i32) (i32.const -4))"), BROKEN),
    // Content types.
    (
        "65-content-types",
        Preprocessor(
            "(func $open (result i32) (i64.store (i32.const 1076) (i64.const 0x4100020000)) (i32.const 1056))",
        ),
        "it accepts 65 content types; at most 64 are allowed",
    ),
    (
        "two-million-content-types",
        Preprocessor(
            "(memory (export \"memory\") 300)
             (func $open (result i32) (i64.store (i32.const 1076) (i64.const 0x1e848000020000)) (i32.const 1056))",
        ),
        "it accepts 2000000 content types; at most 64 are allowed",
    ),
    (
        "a-long-content-type",
        Preprocessor(
            "(data (i32.const 3000) \"\\00\\00\\02\\00\\00\\01\")
             (func $open (result i32) (i64.store (i32.const 1076) (i64.const 0x100000bb8)) (i32.const 1056))",
        ),
        "it accepts as content type 0 a text of 256 bytes; at most 255 are allowed",
    ),
    (
        "a-content-type-that-reverses-text",
        Preprocessor(
            "(data (i32.const 3000) \"\\00\\0c\\00\\00\\06\") (data (i32.const 3072) \"a/\\e2\\81\\a6b\")
             (func $open (result i32) (i64.store (i32.const 1076) (i64.const 0x100000bb8)) (i32.const 1056))",
        ),
        "it accepts as content type 0 a text with U+2066 in it, which would disturb a terminal",
    ),
    // Descriptions.
    (
        "a-name-that-reverses-text",
        Model("(data (i32.const 1200) \"\\e2\\80\\8f\")"),
        "it has a name with U+200F in it, which would disturb a terminal",
    ),
    (
        "a-version-that-is-no-text",
        Model("(data (i32.const 1204) \"\\9b\") (func $describe (result i32) (i32.const 1024))"),
        BROKEN,
    ),
    (
        "a-summary-of-two-lines",
        Model("(data (i32.const 1208) \"\\0a\")"),
        "it has a summary with U+000A in it, which would disturb a terminal",
    ),
    (
        "a-version-without-end",
        Model("(func $describe (result i32) (i32.store (i32.const 1036) (i32.const 60000)) (i32.const 1024))"),
        "it has a version of 60000 bytes; at most 255 are allowed",
    ),
    (
        "a-schema-of-sixty-megabytes",
        Model(
            "(memory (export \"memory\") 1000)
             (func $describe (result i32) (i64.store (i32.const 1048) (i64.const 0x3c0000000020000)) (i32.const 1024))",
        ),
        "it has a settings-schema of 62914560 bytes; at most 1048576 are allowed",
    ),
    // Errors of its own.
    (
        "an-error-that-drives-terminals",
        Model(
            "(data (i32.const 3000) \"a\\1b[2Jb\\e2\\80\\aec\\0ad\")
             (func $open (result i32) (call $fail (i32.const 2) (i32.const 3000) (i32.const 12)))",
        ),
        "it reported a defect of its own (a\\u001b[2Jb\\u202ec\\nd)",
    ),
    (
        "an-error-without-end",
        Model(
            "(memory (export \"memory\") 800)
             (func $open (result i32) (call $fail (i32.const 2) (i32.const 131072) (i32.const 50000000)))",
        ),
        " bytes more)",
    ),
    (
        "an-error-that-is-none",
        Model("(func $open (result i32) (call $fail (i32.const 9) (i32.const 0) (i32.const 0)))"),
        BROKEN,
    ),
    // Resources that it exhausts.
    (
        "holds-as-it-opens",
        Model(
            "(memory (export \"memory\") 300)
             (func $open (result i32) (drop (call $create (i32.const 0) (i32.const 17000000))) (i32.const 1056))",
        ),
        "it held 17000000 bytes in buffers when it had been opened; raise `limits.held_bytes`",
    ),
    ("spins-as-it-starts", Model("(func $s (loop $l (br $l))) (start $s)"), "it ran longer than "),
    ("recurses-as-it-starts", Model("(func $s (call $s)) (start $s)"), "call stack exhausted"),
    ("traps-as-it-starts", Model("(func $s unreachable) (start $s)"), "`unreachable` instruction executed"),
    (
        "fills-as-it-starts",
        Model(
            "(func $s
               (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
               (memory.fill (i32.const 65536) (i32.const 7) (i32.const 60000000)) unreachable)
             (start $s)",
        ),
        "it wanted more memory than 100663296 bytes",
    ),
    (
        "four-gigabytes-at-once",
        Model("(memory (export \"memory\") 65536)"),
        "it wanted more memory than 100663296 bytes",
    ),
    ("data-beyond-its-memory", Model("(data (i32.const 10000000) \"x\")"), "out of bounds memory access"),
    ("elements-beyond-its-table", Model("(table 1 funcref) (elem (i32.const 9) $post)"), "out of bounds table access"),
    ("a-table-of-ten-million", Model("(table 10000000 funcref)"), "table"),
    // Slots of the engine's pool.
    ("998-core-instances", Beside("(module)", 998), "more than 1000 instances, modules and components"),
    (
        "nine-memories",
        Beside("(module (memory 1))", 9),
        "contains 10 Wasm linear memories, which exceeds the configured maximum of 8",
    ),
    ("thirty-tables", Beside("(module (table 1 funcref))", 30), "tables, which exceeds the configured maximum of 24"),
    (
        "seventy-core-instances",
        Beside("(module)", 70),
        "contains 73 core module instances, which exceeds the configured maximum of 64",
    ),
    ("spins-beside", Beside("(module (func $s (loop $l (br $l))) (start $s))", 1), "it ran longer than "),
];

#[test]
fn invalid_components_are_refused_with_a_reason() {
    let shelf = Shelf::new();
    let server = Setup::of([pipeline("neighbour", [model("echo")])]).start();
    let admin = Admin::of(&server);
    let mut connection = server.connect();
    for (name, made, says) in &ROWS {
        let component = match made {
            Model(text) => wat::model(text),
            Preprocessor(text) => wat::preprocessor(text),
            Beside(module, times) => wat::beside(wat::model(""), module, *times),
        };
        let role = if matches!(made, Preprocessor(_)) {
            "preprocess"
        } else {
            "model"
        };
        // Opening may take ten times as long as a call.
        let time = if name.starts_with("spins") {
            "50ms"
        } else {
            "30s"
        };
        let stage = json!({
            "name": "broken", "role": role, "component": shelf.put(name, &component),
            "limits": { "memory": "96MiB", "time": time },
        });
        let refused = || server.metrics().value("hotstage_revisions_refused_total");
        let before = refused();
        let response = admin.apply(&[pipeline("hostile", [stage])]);
        let text = response.error();
        assert!(
            (400..500).contains(&response.status),
            "{name}: {}: {text:.500}",
            response.status
        );
        assert!(text.contains(says), "{name}: {text:.500}");
        assert!(text.len() <= 5 << 10, "{name}: {} bytes", text.len());
        assert!(
            !text
                .chars()
                .any(|c| c.is_control() && c != '\n' || c == '\u{202e}'),
            "{name}: {text:.500}"
        );
        assert_eq!(refused(), before + 1.0, "{name}");
        assert_eq!(
            data(&connection.ask(&request("neighbour", &[5.0]))),
            [5.0],
            "after {name}"
        );
        assert_eq!(server.get("/v2/models/hostile").status, 404, "{name}");
    }
    // The log contains none of their control characters either.
    for line in server.stop().stderr {
        let is_harmless = |c: char| {
            !c.is_control() && !matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        };
        assert!(
            line.len() <= 33 << 10 && line.chars().all(is_harmless),
            "{} bytes: {line:.200}",
            line.len()
        );
    }
}
