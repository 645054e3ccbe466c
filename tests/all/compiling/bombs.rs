//! Files that are, or claim to be, components, and that hurt a decoder or a compiler.

use wasm_encoder::{
    Alias, BlockType, CodeSection, Component, ComponentBuilder, ComponentExportKind,
    ComponentOuterAliasKind, ComponentTypeSection, Function, FunctionSection, InstructionSink,
    MemorySection, MemoryType, Module, ModuleSection, NestedComponentSection, TypeSection, ValType,
};

/// What is wrong with one, and what an author reads about it.
pub(crate) struct Bomb {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// One of these is in the error.
    pub(crate) says: &'static [&'static str],
}

/// What a process says that ran into one of its bounds.
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

/// Those that only a bound on memory or time ends: each takes seconds.
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

/// Those that are refused at once.
pub(crate) fn small() -> Vec<Bomb> {
    vec![
        bomb(
            "an import named like a package and a path",
            CRASHED,
            imports_function("a:b/c"),
        ),
        bomb(
            "an import named by an address",
            CRASHED,
            imports_function("url=<https://a.example>"),
        ),
        bomb(
            "an import named by a lock",
            CRASHED,
            imports_function("unlocked-dep=<a:b>"),
        ),
        bomb(
            "an import named by a hash",
            CRASHED,
            imports_function("integrity=<sha256-AAAA>"),
        ),
        bomb(
            "an instance named by an address",
            UNREADABLE,
            imports_instance("url=<https://a.example>"),
        ),
        bomb(
            "an instance named by a lock",
            UNREADABLE,
            imports_instance("unlocked-dep=<a:b>"),
        ),
        bomb(
            "an instance named by a hash",
            UNREADABLE,
            imports_instance("integrity=<sha256-AAAA>"),
        ),
        bomb(
            "a WIT package",
            &["the file holds a WIT package", "the compiler failed on it"],
            package(),
        ),
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
            one_function(&Function::new([]), |body| {
                (0..600_000).for_each(|_| {
                    body.nop().nop();
                });
            }),
        ),
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

/// What a compiler works on for longer than any test waits, in little memory.
pub(crate) fn slow() -> Vec<u8> {
    functions(200, || condition_body(5_000))
}

/// `scale`, with functions beside it that take a compiler some seconds.
pub(crate) fn slow_scale() -> Vec<u8> {
    let scale = std::fs::read(crate::harness::components().join("scale.wasm")).unwrap();
    with_section(
        scale,
        CORE_MODULE,
        &module(16, || condition_body(5_000)).finish(),
    )
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id, u8::try_from(content.len()).unwrap()];
    bytes.extend_from_slice(content);
    bytes
}

/// An empty type of function or of instance (Component Model, Binary.md), and an import of it by a
/// name.
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

fn imports_function(name: &str) -> Vec<u8> {
    imports(&[1, 0x40, 0, 1, 0], 1, name)
}

fn imports_instance(name: &str) -> Vec<u8> {
    imports(&[1, 0x42, 0], 5, name)
}

/// A package of WIT, as tools for WIT keep it.
fn package() -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve
        .push_str("a.wit", "package a:b; interface c { f: func(); }")
        .unwrap();
    wit_component::encode(&resolve, package).unwrap()
}

fn nested(depth: usize) -> Vec<u8> {
    let mut component = Component::new();
    for _ in 0..depth {
        let mut outer = Component::new();
        outer.section(&NestedComponentSection(&component));
        component = outer;
    }
    component.finish()
}

/// `depth` components; each instantiates the one before it twice.
fn doubling(depth: u32) -> Vec<u8> {
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
    // What is nested is only instantiated from outside: by section 5, as the last of the components
    // that are there.
    let model = beside_mlp(NESTED_COMPONENT, &next_of(builder, inner));
    let last = sections(&model)
        .filter(|id| *id == NESTED_COMPONENT)
        .count()
        - 1;
    with_section(model, 5, &[1, 0, u8::try_from(last).unwrap(), 0])
}

/// A component that instantiates this component of its own.
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

/// The section of a component that holds a core module.
const CORE_MODULE: u8 = 1;
/// The section of a component that is inside another.
const NESTED_COMPONENT: u8 = 4;

/// A bundled model with a module or a component beside what it has.
fn beside_mlp(id: u8, content: &[u8]) -> Vec<u8> {
    with_section(
        std::fs::read(crate::harness::components().join("mlp.wasm")).unwrap(),
        id,
        content,
    )
}

/// A component with one section more at its end.
fn with_section(mut component: Vec<u8>, id: u8, content: &[u8]) -> Vec<u8> {
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

fn beside(module: &Module) -> Vec<u8> {
    beside_mlp(CORE_MODULE, &module.clone().finish())
}

fn many_functions(count: u32) -> Vec<u8> {
    functions(count, || {
        let mut body = Function::new([]);
        body.instructions().end();
        body
    })
}

fn many_modules(count: usize) -> Vec<u8> {
    let mut component = Component::new();
    let module = Module::new();
    for _ in 0..count {
        component.section(&ModuleSection(&module));
    }
    component.finish()
}

fn many_types(count: u32) -> Vec<u8> {
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

/// A module of so many functions, beside a bundled model.
fn functions(count: u32, body: impl Fn() -> Function) -> Vec<u8> {
    beside(&module(count, body))
}

fn module(count: u32, body: impl Fn() -> Function) -> Module {
    let (mut types, mut functions, mut code) = (
        TypeSection::new(),
        FunctionSection::new(),
        CodeSection::new(),
    );
    types.ty().function([], []);
    types.ty().function([ValType::I32], [ValType::I32]);
    for _ in 0..count {
        functions.function(0);
        code.function(&body());
    }
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&code);
    module
}

/// The same with one function, which is completed here.
fn one_function(function: &Function, fill: impl Fn(&mut InstructionSink<'_>)) -> Vec<u8> {
    functions(1, || {
        let mut body = function.clone();
        let mut instructions = body.instructions();
        fill(&mut instructions);
        instructions.end();
        body
    })
}

fn loops(depth: usize, locals: u32) -> Vec<u8> {
    one_function(&Function::new([(locals, ValType::I64)]), |body| {
        (0..depth).for_each(|_| {
            body.loop_(BlockType::Empty);
        });
        (0..depth).for_each(|_| {
            body.i32_const(0).br_if(0).end();
        });
    })
}

fn conditions(count: u32) -> Vec<u8> {
    functions(1, || condition_body(count))
}

fn condition_body(count: u32) -> Function {
    let mut body = Function::new([(20_000, ValType::I32)]);
    let mut instructions = body.instructions();
    for index in 0..count {
        let local = index % 20_000;
        instructions
            .local_get(local)
            .if_(BlockType::Empty)
            .i32_const(1)
            .local_set(local)
            .end();
    }
    instructions.end();
    body
}

fn blocks(depth: usize) -> Vec<u8> {
    one_function(&Function::new([(20_000, ValType::I64)]), |body| {
        body.i32_const(0);
        (0..depth).for_each(|_| {
            body.block(BlockType::FunctionType(1)).local_get(0).drop();
        });
        (0..depth).for_each(|_| {
            body.i32_const(0).br_if(0).end();
        });
        body.drop();
    })
}

fn memory(is_64: bool) -> MemoryType {
    MemoryType {
        minimum: 1,
        maximum: None,
        memory64: is_64,
        shared: false,
        page_size_log2: None,
    }
}

fn with_memory(is_64: bool) -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(memory(is_64));
    let mut module = Module::new();
    module.section(&memories);
    beside(&module)
}

fn with_memories(count: usize) -> Vec<u8> {
    let mut memories = MemorySection::new();
    (0..count).for_each(|_| {
        memories.memory(memory(false));
    });
    let mut module = Module::new();
    module.section(&memories);
    beside(&module)
}

fn tail_call() -> Vec<u8> {
    one_function(&Function::new([]), |body| {
        body.return_call(0);
    })
}
