//! Component files, checked without compiling them.
//!
//! `bounds` counts a component's parts before any third-party decoder runs. Those decoders panic
//! and overflow their stacks on hostile bytes, so they are fuzzed only in separate processes:
//! [`worker`](crate::worker).

use hotstage_core::compile_limits::ComponentLimits;
use hotstage_engine::compile::CompileError;
use hotstage_engine::fuzzing;

use crate::abi::component;
use crate::assert_text;

/// Bounds far below the defaults, so that small inputs reach them.
const LIMITS: ComponentLimits = ComponentLimits {
    bytes: 60 << 10,
    functions: 50,
    body_bytes: 4096,
    items: 200,
    instances: 30,
    depth: 5,
};

pub(crate) fn bounds(bytes: &[u8]) {
    let strict = fuzzing::bounds(bytes, &LIMITS);
    if let Err(error) = &strict {
        assert_text(&error.to_string());
    }
    // A component that passes narrow bounds must pass wide ones.
    let wide = fuzzing::bounds(bytes, &ComponentLimits::default());
    match (strict, wide) {
        (Ok(()), Err(error)) => panic!("passes narrow bounds, but not wide ones: {error}"),
        (Ok(()), Ok(())) => {
            assert!(bytes.len() as u64 <= LIMITS.bytes && bytes.starts_with(b"\0asm"));
        }
        (Err(CompileError::Unfit(text) | CompileError::Refused(text)), _) => {
            panic!("nothing is refused here: {text}")
        }
        (Err(_), _) => {}
    }
}

/// A valid small component, and hostile ones.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        component::build(),
        b"\0asm\x01\0\0\0".to_vec(),
        b"\0asm\x0d\0\x01\0".to_vec(),
    ];
    seeds.extend(hostile());
    seeds
}

/// Small files that made decoders panic, and truncated files.
fn hostile() -> Vec<Vec<u8>> {
    let names = [
        "a:b/c",
        "url=<https://a.example>",
        "unlocked-dep=<a:b>",
        "integrity=<sha256-AAAA>",
    ];
    let mut files: Vec<Vec<u8>> = names
        .iter()
        .map(|name| imports(&[1, 0x40, 0, 1, 0], 1, name))
        .collect();
    files.extend(names.iter().map(|name| imports(&[1, 0x42, 0], 5, name)));
    // A name that an error repeats.
    files.push(imports(&[1, 0x40, 0, 1, 0], 1, "a\u{1b}[31m"));
    files.push(b"\0asm\x0d\0\x01\0\x07\xff\x01\x40".to_vec());
    files.push(b"\0asm\x0d\0\x01\0\x07\xff\xff\xff\xff\x0f\x40".to_vec());
    files.push(nested(8));
    files
}

/// Deeply nested components.
fn nested(depth: usize) -> Vec<u8> {
    let header = b"\0asm\x0d\0\x01\0".to_vec();
    (0..depth).fold(header.clone(), |inner, _| {
        [header.clone(), section(4, &inner)].concat()
    })
}

/// A function or instance type (Component Model, Binary.md), and a named import of it.
fn imports(type_: &[u8], kind: u8, name: &str) -> Vec<u8> {
    let mut import = vec![1, 0, u8::try_from(name.len()).unwrap()];
    import.extend_from_slice(name.as_bytes());
    import.extend([kind, 0]);
    [
        b"\0asm\x0d\0\x01\0".to_vec(),
        section(7, type_),
        section(10, &import),
    ]
    .concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len())
        .ok()
        .filter(|length| *length < 0x80)
        .expect("one byte of LEB128");
    [&[id, length][..], content].concat()
}

#[cfg(test)]
mod tests {
    use hotstage_engine::{Role, compiler};

    use super::*;

    #[test]
    fn the_seed_is_a_valid_model_and_no_other_role() {
        let bytes = component::build();
        let fits = |role| compiler::check(&bytes, role, &ComponentLimits::default());
        fits(Role::Model).unwrap();
        assert!(matches!(
            fits(Role::Preprocess),
            Err(CompileError::Unfit(_))
        ));
        fuzzing::bounds(&bytes, &LIMITS).unwrap();
    }
}
