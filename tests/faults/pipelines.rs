//! Pipelines of two stages that return twice their version's number. Each stage adds half, so that
//! a mixture of two versions is visible.

use serde_json::{Value, json};

use crate::harness::admin::{one, scale, tensor};
use crate::harness::manifest;

/// Version `number`: the first stage computes `x · number`, the second adds `number`; for 1 the
/// answer is `2 · number`.
pub(crate) fn doubles(name: &str, number: u64) -> Value {
    doubles_by(name, number, None)
}

/// The same with the given component as its first stage: a copy of `scale` with another digest.
pub(crate) fn doubles_by(name: &str, number: u64, component: Option<&str>) -> Value {
    let mut first = scale("times", 0.0, 1.0 / number as f64);
    if let Some(component) = component {
        first["component"] = component.into();
    }
    let mut manifest = manifest::version(
        name,
        &number.to_string(),
        [first, scale("plus", -(number as f64), 1.0)],
    );
    manifest["spec"]["tests"] = json!([golden(2.0 * number as f64)]);
    manifest
}

/// A version whose golden test fails.
pub(crate) fn wrong(name: &str, number: u64) -> Value {
    let mut manifest = doubles(name, number);
    manifest["spec"]["tests"] = json!([golden(-1.0)]);
    manifest
}

fn golden(answer: f64) -> Value {
    json!({ "name": "of one", "request": one(1.0), "expect": { "outputs": [tensor(answer)] } })
}

/// The component `scale` with this many additional bytes: the same code and another digest.
pub(crate) fn another_scale(seed: u64, bytes: usize) -> Vec<u8> {
    let scale = std::fs::read(crate::harness::components().join("scale.wasm")).unwrap();
    let mut chance = super::effort::Chance::new(seed);
    let noise: Vec<u8> = (0..bytes).map(|_| chance.byte(256)).collect();
    with_section(scale, 0, &[b"\x05noise".as_slice(), &noise].concat())
}

/// A component with one more section at its end.
pub(crate) fn with_section(mut component: Vec<u8>, id: u8, content: &[u8]) -> Vec<u8> {
    component.push(id);
    push_leb(&mut component, content.len());
    component.extend_from_slice(content);
    component
}

/// An unsigned number in LEB128 (WebAssembly Core 2.0, section 5.2.2).
pub(crate) fn push_leb(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
}
