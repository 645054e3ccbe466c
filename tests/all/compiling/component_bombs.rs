//! Components that attack a decoder or the analysis of components.

use wasm_encoder::{
    Alias, Component, ComponentBuilder, ComponentExportKind, ComponentOuterAliasKind,
    ComponentTypeSection, Module, ModuleSection, NestedComponentSection,
};

/// The section of a component that holds a core module.
pub(super) const CORE_MODULE: u8 = 1;
/// The section of a component that is inside another.
const NESTED_COMPONENT: u8 = 4;

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id, u8::try_from(content.len()).unwrap()];
    bytes.extend_from_slice(content);
    bytes
}

/// An empty function or instance type (Component Model, Binary.md), and a named import of it.
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

pub(super) fn imports_function(name: &str) -> Vec<u8> {
    imports(&[1, 0x40, 0, 1, 0], 1, name)
}

pub(super) fn imports_instance(name: &str) -> Vec<u8> {
    imports(&[1, 0x42, 0], 5, name)
}

/// A WIT package, in the encoding of WIT tools.
pub(super) fn package() -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve
        .push_str("a.wit", "package a:b; interface c { f: func(); }")
        .unwrap();
    wit_component::encode(&resolve, package).unwrap()
}

pub(super) fn nested(depth: usize) -> Vec<u8> {
    let mut component = Component::new();
    for _ in 0..depth {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&component));
        component = outer;
    }
    component.finish()
}

/// `depth` components; each instantiates the one before it twice.
pub(super) fn doubling(depth: u32) -> Vec<u8> {
    let mut builder = ComponentBuilder::default();
    let mut inner = builder.component(None, ComponentBuilder::default());
    for _ in 0..depth {
        let mut next = ComponentBuilder::default();
        let outer = next.alias(
            None,
            Alias::Outer {
                kind: ComponentOuterAliasKind::Component,
                count: 1,
                index: inner,
            },
        );
        for _ in 0..2 {
            next.instantiate(
                None,
                outer,
                std::iter::empty::<(&str, ComponentExportKind, u32)>(),
            );
        }
        inner = builder.component(None, next);
    }
    // The parent instantiates nested components: section 5, for the last of the components so far.
    let model = beside_mlp(NESTED_COMPONENT, &next_of(builder, inner));
    let last = sections(&model)
        .filter(|id| *id == NESTED_COMPONENT)
        .count()
        - 1;
    with_section(model, 5, &[1, 0, u8::try_from(last).unwrap(), 0])
}

/// A component that instantiates a nested copy of this component.
fn next_of(mut builder: ComponentBuilder, inner: u32) -> Vec<u8> {
    builder.instantiate(
        None,
        inner,
        std::iter::empty::<(&str, ComponentExportKind, u32)>(),
    );
    builder.finish()
}

/// Identifiers of a component's sections (Component Model, Binary.md), in their order.
fn sections(component: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = &component[8..];
    std::iter::from_fn(move || {
        let (id, mut length, mut shift, mut at) = (*rest.first()?, 0_usize, 0, 1);
        loop {
            length |= usize::from(rest[at] & 0x7f) << shift;
            (at, shift) = (at + 1, shift + 7);
            if rest[at - 1] < 0x80 {
                break;
            }
        }
        rest = &rest[at + length..];
        Some(id)
    })
}

/// A bundled model with an additional module or component.
pub(super) fn beside_mlp(id: u8, content: &[u8]) -> Vec<u8> {
    with_section(
        std::fs::read(crate::harness::components().join("mlp.wasm")).unwrap(),
        id,
        content,
    )
}

/// A component with one more section at its end.
pub(super) fn with_section(mut component: Vec<u8>, id: u8, content: &[u8]) -> Vec<u8> {
    component.push(id);
    let mut length = content.len();
    while length >= 0x80 {
        component.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    component.push(u8::try_from(length).unwrap());
    component.extend_from_slice(content);
    component
}

pub(super) fn many_modules(count: usize) -> Vec<u8> {
    let mut component = Component::new();
    let module = Module::new();
    for _ in 0..count {
        component.section(&ModuleSection(&module));
    }
    component.finish()
}

pub(super) fn many_types(count: u32) -> Vec<u8> {
    let mut types = ComponentTypeSection::new();
    for _ in 0..count {
        types
            .defined_type()
            .primitive(wasm_encoder::PrimitiveValType::Bool);
    }
    let mut component = Component::new();
    component.section(&types);
    component.finish()
}
