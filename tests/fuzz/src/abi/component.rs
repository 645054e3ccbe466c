//! A model of a few instructions that answers whatever bytes it is asked with.
//!
//! Its call copies the first tensor's bytes to [`IMAGE`] and answers that address: what the host
//! then reads as a result, its list, its records and its pointers is all up to those bytes. So the
//! input of the fuzz target is what crosses the wall, to the byte (Component Model,
//! CanonicalABI.md). Memory: statics below [`IMAGE`], the image, and a heap from [`HEAP`] that
//! begins anew with each call.

use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where statics begin.
const STATICS: u32 = 1 << 10;
/// Where the answer is.
pub(crate) const IMAGE: u32 = 1 << 16;
/// Where what the host hands over is put.
const HEAP: u32 = 2 << 16;
const PAGES: u64 = 4;

/// Cases of `datatype` in wit/tensors.wit.
pub(crate) const BOOL: u8 = 0;
const UINT8: u8 = 1;
pub(crate) const FP32: u8 = 11;
pub(crate) const BYTES: u8 = 13;

/// The component's file.
pub(crate) fn build() -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_path(wit).unwrap();
    let world = resolve.select_world(&[package], Some("model")).unwrap();
    let mut module = module();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .unwrap()
        .encode()
        .unwrap()
}

/// Records and texts, one behind the other.
#[derive(Default)]
struct Statics(Vec<u8>);

impl Statics {
    /// Adds bytes at an address that is a multiple of 8; answers it.
    fn put(&mut self, bytes: &[u8]) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let at = STATICS + u32::try_from(self.0.len()).unwrap();
        self.0.extend_from_slice(bytes);
        at
    }

    /// Adds a text; answers its pointer and length as they stand in a record.
    fn text(&mut self, text: &str) -> Vec<u8> {
        words(&[
            self.put(text.as_bytes()),
            u32::try_from(text.len()).unwrap(),
        ])
    }

    /// Adds a list of ports; answers its pointer and length.
    fn ports(&mut self, ports: &[(&str, u8, &[Option<u64>])]) -> Vec<u8> {
        let mut records = Vec::new();
        for (name, datatype, shape) in ports {
            let dimensions: Vec<u8> = shape
                .iter()
                .flat_map(|size| [u64::from(size.is_some()), size.unwrap_or_default()])
                .flat_map(u64::to_le_bytes)
                .collect();
            let (name, dimensions) = (self.text(name), self.put(&dimensions));
            records.extend(name);
            records.extend(words(&[
                u32::from(*datatype),
                dimensions,
                u32::try_from(shape.len()).unwrap(),
            ]));
        }
        words(&[self.put(&records), u32::try_from(ports.len()).unwrap()])
    }
}

pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// `describe`'s record and `open`'s result, at the addresses that come first.
fn statics() -> (Statics, u32, u32) {
    let mut statics = Statics::default();
    let description: Vec<u8> = [
        "answers",
        "0.1.0",
        "Answers what it is asked with.",
        r#"{"type":"object"}"#,
    ]
    .iter()
    .flat_map(|text| statics.text(text))
    .collect();
    let inputs = statics.ports(&[("image", UINT8, &[None]), ("held", UINT8, &[None])]);
    let outputs = statics.ports(&[
        ("floats", FP32, &[None, Some(2)]),
        ("texts", BYTES, &[None]),
        ("flags", BOOL, &[Some(3)]),
    ]);
    let description = statics.put(&description);
    // The first word says that it is no error.
    let opened = statics.put(&[words(&[0]), inputs, outputs].concat());
    (statics, description, opened)
}

fn module() -> Vec<u8> {
    let (statics, description, opened) = statics();
    let i32s = |count: usize| vec![ValType::I32; count];
    let mut types = TypeSection::new();
    types.ty().function(i32s(4), i32s(1));
    types.ty().function([], i32s(1));
    types.ty().function(i32s(2), i32s(1));
    let mut functions = FunctionSection::new();
    for type_ in [0, 1, 2, 2] {
        functions.function(type_);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: PAGES,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut globals = GlobalSection::new();
    let heap = i32::try_from(HEAP).unwrap();
    globals.global(
        GlobalType {
            val_type: ValType::I32,
            mutable: true,
            shared: false,
        },
        &ConstExpr::i32_const(heap),
    );
    let mut exports = ExportSection::new();
    exports
        .export("memory", ExportKind::Memory, 0)
        .export("cabi_realloc", ExportKind::Func, 0);
    for (index, name) in [(1, "describe"), (2, "open"), (3, "infer")] {
        exports.export(
            &format!("hotstage:serving/infer@0.1.0#{name}"),
            ExportKind::Func,
            index,
        );
    }
    let mut code = CodeSection::new();
    for function in [realloc(), answers(description), answers(opened), infer()] {
        code.function(&function);
    }
    let mut data = DataSection::new();
    data.active(
        0,
        &ConstExpr::i32_const(i32::try_from(STATICS).unwrap()),
        statics.0,
    );
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memories)
        .section(&globals)
        .section(&exports);
    module.section(&code).section(&data);
    module.finish()
}

/// `(old, old size, alignment, size)`: the next free address. What grows beyond the memory is the
/// host's error to see.
fn realloc() -> Function {
    let mut function = Function::new([(1, ValType::I32)]);
    let mut body = function.instructions();
    body.global_get(0)
        .local_get(2)
        .i32_add()
        .i32_const(1)
        .i32_sub();
    body.i32_const(0)
        .local_get(2)
        .i32_sub()
        .i32_and()
        .local_tee(4);
    body.local_get(3).i32_add().global_set(0).local_get(4).end();
    function
}

fn answers(address: u32) -> Function {
    let mut function = Function::new([]);
    function
        .instructions()
        .i32_const(i32::try_from(address).unwrap())
        .end();
    function
}

/// `(tensors, count)`: copies the first tensor's bytes, which came inline.
fn infer() -> Function {
    let word = |offset| MemArg {
        offset,
        align: 2,
        memory_index: 0,
    };
    let (image, heap) = (i32::try_from(IMAGE).unwrap(), i32::try_from(HEAP).unwrap());
    let mut function = Function::new([]);
    let mut body = function.instructions();
    body.i32_const(image)
        .local_get(0)
        .i32_load(word(16))
        .local_get(0)
        .i32_load(word(20))
        .memory_copy(0, 0);
    body.i32_const(heap).global_set(0).i32_const(image).end();
    function
}
