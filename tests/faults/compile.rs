//! Compiles a component of 19 MB beside steady traffic of a neighbour.

use std::time::{Duration, Instant};

use serde_json::json;

use super::effort::{self, Chance, figure, median_and_most, tell};
use super::load::Load;
use super::pipelines::{doubles, doubles_by, push_leb, with_section};
use crate::harness::admin::{Admin, applies};
use crate::harness::http::{Connection, Request, Response};
use crate::harness::server::Setup;
use crate::harness::state::Folder;

const PATH: &str = "/v2/models/neighbour/infer";
/// Share of the highest load, so that CPU time is left for the compiler.
const SHARE: f64 = 0.3;
/// Length of a window for one p99, some ten thousand answers.
const WINDOW: Duration = Duration::from_secs(2);
/// A component section that contains a core module (Component Model, Binary.md).
const CORE_MODULE: u8 = 1;

#[test]
fn a_neighbour_is_answered_while_a_large_component_compiles() {
    let server = Setup::of([doubles("neighbour", 1)]).start();
    let admin = Admin::of(&server);
    let folder = Folder::new();
    let peak = Load::during(
        server.address,
        PATH,
        None,
        effort::of(Duration::from_secs(1), Duration::from_secs(5)),
    );
    let rate = peak.faultless().per_second() * SHARE;
    let megabytes = effort::of(1, 19);
    tell(format_args!(
        "compile: a component of {megabytes} MB beside {rate:.0} requests a second"
    ));
    let window = || {
        Load::during(server.address, PATH, Some(rate), WINDOW)
            .faultless()
            .took(99)
            / 1e3
    };
    let (mut steady, mut compiling, mut took) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..effort::of(1, 3_u64) {
        let component = large(round, megabytes << 20);
        let path = folder.write("large.wasm", &component);
        admin.upload(&component);
        let apply = applies(&[doubles_by("large", round + 1, path.to_str())], &json!({}));
        let began = Instant::now();
        std::thread::scope(|scope| {
            let applying = scope.spawn(|| {
                patient(&admin, apply).ok();
                began.elapsed().as_secs_f64()
            });
            let before = compiling.len();
            while !applying.is_finished() {
                compiling.push(window());
            }
            took.push(applying.join().unwrap());
            // The same number of windows without compiling, interleaved, because the machine's
            // speed varies.
            steady.extend((before..compiling.len()).map(|_| window()));
        });
    }
    report(&took, &steady, &compiling);
}

/// The seconds of each apply, and the p99 of each window in milliseconds.
fn report(took: &[f64], steady: &[f64], compiling: &[f64]) {
    let apply = median_and_most(took).0;
    figure("apply, compilation included", apply, "s", None);
    let (steady, steady_most) = median_and_most(steady);
    figure(
        "the neighbour's p99 while nothing is compiled, median of windows",
        steady,
        "ms",
        None,
    );
    figure("the same in the worst window", steady_most, "ms", None);
    let (compiling, most) = median_and_most(compiling);
    figure(
        "the neighbour's p99 while it is compiled, median of windows",
        compiling,
        "ms",
        None,
    );
    figure("the same in the worst window", most, "ms", None);
    figure(
        "the neighbour's p99 while it is compiled, to steady",
        compiling / steady,
        "×",
        Some(1.3),
    );
}

/// `scale` with an additional core module that is compiled and never called.
fn large(seed: u64, bytes: usize) -> Vec<u8> {
    let scale = std::fs::read(crate::harness::components().join("scale.wasm")).unwrap();
    let module = module(seed, bytes.saturating_sub(scale.len()));
    with_section(scale, CORE_MODULE, &module)
}

/// One request whose answer may take minutes, because the compiler has the lowest priority.
fn patient(admin: &Admin, request: Request) -> Response {
    let bearer = format!("Bearer {}", admin.token);
    let mut connection = Connection::open(admin.address);
    connection
        .stream
        .set_read_timeout(Some(Duration::from_secs(600)))
        .unwrap();
    connection.ask(&request.header("authorization", bearer.as_str()))
}

/// A core module with this many bytes, similar to an interpreter in a component: one half is code
/// (functions with arithmetic and a loop each), the other half is data.
fn module(seed: u64, bytes: usize) -> Vec<u8> {
    const TYPE: &[u8] = &[1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f];
    let mut chance = Chance::new(seed);
    let (mut count, mut bodies) = (0, Vec::new());
    while bodies.len() < bytes / 2 {
        let body = body(&mut chance);
        push_leb(&mut bodies, body.len());
        bodies.extend_from_slice(&body);
        count += 1;
    }
    let numbered = |content: &[u8]| {
        let mut section = Vec::new();
        push_leb(&mut section, count);
        section.extend_from_slice(content);
        section
    };
    let module = b"\0asm\x01\0\0\0".to_vec();
    let module = with_section(module, 1, TYPE);
    let module = with_section(module, 3, &numbered(&vec![0; count]));
    let module = with_section(module, 10, &numbered(&bodies));
    // One passive data segment.
    let mut data = vec![1, 1];
    push_leb(&mut data, bytes / 2);
    data.extend((0..bytes / 2).map(|_| chance.byte(256)));
    with_section(module, 11, &data)
}

/// `(func (param i32 i32) (result i32) (local i32 i32) …)`.
fn body(chance: &mut Chance) -> Vec<u8> {
    const LOCAL_GET: u8 = 0x20;
    const LOCAL_SET: u8 = 0x21;
    const I32_CONST: u8 = 0x41;
    const LOOP: u8 = 0x03;
    const BR_IF: u8 = 0x0d;
    const END: u8 = 0x0b;
    const EMPTY: u8 = 0x40;
    // add, sub, mul, and, or, xor
    const OPERATIONS: [u8; 6] = [0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73];
    let mut body = vec![1, 2, 0x7f];
    let mut step = |body: &mut Vec<u8>| {
        let local = |chance: &mut Chance| chance.byte(4);
        let operation = chance.of(&OPERATIONS);
        body.extend([
            LOCAL_GET,
            local(chance),
            I32_CONST,
            chance.byte(64),
            operation,
        ]);
        body.extend([LOCAL_SET, local(chance)]);
    };
    (0..12).for_each(|_| step(&mut body));
    body.extend([LOOP, EMPTY]);
    (0..6).for_each(|_| step(&mut body));
    body.extend([LOCAL_GET, 0, BR_IF, 0, END]);
    body.extend([LOCAL_GET, 2, END]);
    body
}
