//! A model of a few instructions that returns its input bytes as the raw call result.
//!
//! A call copies the first tensor's bytes to [`IMAGE`] and returns that address. Those bytes decide
//! what the host reads as the result, its list, its records and its pointers. So the fuzz input is
//! the memory image that crosses the ABI, byte for byte (Component Model, CanonicalABI.md). Memory:
//! statics below [`IMAGE`], the image, and a heap from [`HEAP`] that is reset with each call.

use wasm_encoder::{
    CodeSection, ConstExpr, DataSection, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, MemArg, MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Address of the statics.
const STATICS: u32 = 1 << 10;
/// Address of the answer.
pub(crate) const IMAGE: u32 = 1 << 16;
/// Address of the heap, where the host's arguments are stored.
const HEAP: u32 = 2 << 16;
const PAGES: u64 = 4;

/// Cases of `datatype` in wit/tensors.wit.
pub(crate) const BOOL: u8 = 0;
const UINT8: u8 = 1;
pub(crate) const FP32: u8 = 11;
pub(crate) const BYTES: u8 = 13;

/// Builds the component file.
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

/// Static records and texts, laid out one after another.
#[derive(Default)]
struct Statics(Vec<u8>);

impl Statics {
    /// Adds bytes at an address that is a multiple of 8 and returns it.
    fn put(&mut self, bytes: &[u8]) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let at = STATICS + u32::try_from(self.0.len()).unwrap();
        self.0.extend_from_slice(bytes);
        at
    }

    /// Adds a text and returns its pointer and length, encoded as in a record.
    fn text(&mut self, text: &str) -> Vec<u8> {
        words(&[
            self.put(text.as_bytes()),
            u32::try_from(text.len()).unwrap(),
        ])
    }

    /// Adds a list of ports and returns its pointer and length.
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

/// The statics, and the addresses of `describe`'s record and `open`'s result.
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
    // The first word is the discriminant: not an error.
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

/// `(old, old size, alignment, size)`: returns the next free address. The host must detect an
/// address beyond the memory.
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

/// `(tensors, count)`: copies the bytes of the first tensor, which is inline.
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
