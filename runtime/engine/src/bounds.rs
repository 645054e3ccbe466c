//! Bounds on what a component may consist of: counted in one pass over its sections, before a
//! decoder builds anything from them.
//!
//! They are cheap and coarse. A component within them may still be expensive to compile; the
//! process that compiles it has limits on memory and time for that. Defaults:
//! [`ComponentLimits::default`].

use hotstage_core::compile_limits::ComponentLimits;
use wasmparser::{Parser, Payload};

use crate::compile::CompileError;

/// The counts so far.
#[derive(Default)]
struct Count {
    functions: usize,
    types: usize,
    imports: usize,
    exports: usize,
    instances: usize,
    depth: usize,
}

/// Refuses a component above the limits. The bytes must start with a component's header.
pub(crate) fn check(bytes: &[u8], limits: &ComponentLimits) -> Result<(), CompileError> {
    within(
        "bytes",
        bytes.len(),
        usize::try_from(limits.bytes).unwrap_or(usize::MAX),
    )?;
    let mut count = Count::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| {
            CompileError::NotAComponent(format!(
                "the file is not a component that can be read: {error:#}"
            ))
        })?;
        count.add(&payload, limits)?;
    }
    Ok(())
}

impl Count {
    fn add(&mut self, payload: &Payload<'_>, limits: &ComponentLimits) -> Result<(), CompileError> {
        let add = |sum: &mut usize, what, more: u32, most| {
            *sum = sum.saturating_add(more as usize);
            within(what, *sum, most)
        };
        match payload {
            Payload::CodeSectionEntry(body) => {
                add(&mut self.functions, "functions", 1, limits.functions)?;
                within(
                    "bytes in one function",
                    body.range().len(),
                    limits.body_bytes,
                )
            }
            Payload::TypeSection(section) => {
                add(&mut self.types, "types", section.count(), limits.items)
            }
            Payload::CoreTypeSection(section) => {
                add(&mut self.types, "types", section.count(), limits.items)
            }
            Payload::ComponentTypeSection(section) => {
                add(&mut self.types, "types", section.count(), limits.items)
            }
            Payload::ImportSection(section) => {
                add(&mut self.imports, "imports", section.count(), limits.items)
            }
            Payload::ComponentImportSection(section) => {
                add(&mut self.imports, "imports", section.count(), limits.items)
            }
            Payload::ExportSection(section) => {
                add(&mut self.exports, "exports", section.count(), limits.items)
            }
            Payload::ComponentExportSection(section) => {
                add(&mut self.exports, "exports", section.count(), limits.items)
            }
            Payload::InstanceSection(section) => add(
                &mut self.instances,
                INSTANCES,
                section.count(),
                limits.instances,
            ),
            Payload::ComponentInstanceSection(section) => add(
                &mut self.instances,
                INSTANCES,
                section.count(),
                limits.instances,
            ),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.depth += 1;
                within("components inside each other", self.depth, limits.depth)?;
                add(&mut self.instances, INSTANCES, 1, limits.instances)
            }
            // The end of a nested one, or of the file.
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

const INSTANCES: &str = "instances, modules and components";

fn within(what: &str, has: usize, most: usize) -> Result<(), CompileError> {
    if has <= most {
        return Ok(());
    }
    Err(CompileError::TooLarge(format!(
        "the component has more than {most} {what}: it is not compiled"
    )))
}
