//! Core modules that attack a compiler, each added to a bundled model.

use wasm_encoder::{
    BlockType, CodeSection, Function, FunctionSection, InstructionSink, MemorySection, MemoryType,
    Module, TypeSection, ValType,
};

use super::component_bombs::{CORE_MODULE, beside_mlp};

fn beside(module: &Module) -> Vec<u8> {
    beside_mlp(CORE_MODULE, &module.clone().finish())
}

pub(super) fn many_functions(count: u32) -> Vec<u8> {
    functions(count, || {
        let mut body = Function::new([]);
        body.instructions().end();
        body
    })
}

/// A module with this many functions, added to a bundled model.
pub(super) fn functions(count: u32, body: impl Fn() -> Function) -> Vec<u8> {
    beside(&module(count, body))
}

pub(super) fn module(count: u32, body: impl Fn() -> Function) -> Module {
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

/// The same with one function, whose encoding is completed here.
fn one_function(function: &Function, fill: impl Fn(&mut InstructionSink<'_>)) -> Vec<u8> {
    functions(1, || {
        let mut body = function.clone();
        let mut instructions = body.instructions();
        fill(&mut instructions);
        instructions.end();
        body
    })
}

/// This many repetitions of two instructions without effect.
pub(super) fn long_function(steps: u32) -> Vec<u8> {
    one_function(&Function::new([]), |body| {
        (0..steps).for_each(|_| {
            body.nop().nop();
        });
    })
}

pub(super) fn loops(depth: usize, locals: u32) -> Vec<u8> {
    one_function(&Function::new([(locals, ValType::I64)]), |body| {
        (0..depth).for_each(|_| {
            body.loop_(BlockType::Empty);
        });
        (0..depth).for_each(|_| {
            body.i32_const(0).br_if(0).end();
        });
    })
}

pub(super) fn conditions(count: u32) -> Vec<u8> {
    functions(1, || condition_body(count))
}

pub(super) fn condition_body(count: u32) -> Function {
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

pub(super) fn blocks(depth: usize) -> Vec<u8> {
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

pub(super) fn with_memory(is_64: bool) -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(memory(is_64));
    let mut module = Module::new();
    module.section(&memories);
    beside(&module)
}

pub(super) fn with_memories(count: usize) -> Vec<u8> {
    let mut memories = MemorySection::new();
    (0..count).for_each(|_| {
        memories.memory(memory(false));
    });
    let mut module = Module::new();
    module.section(&memories);
    beside(&module)
}

pub(super) fn tail_call() -> Vec<u8> {
    one_function(&Function::new([]), |body| {
        body.return_call(0);
    })
}
