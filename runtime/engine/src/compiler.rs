//! From a component's bytes to machine code: decode, check against bounds and world, compile.
//!
//! Decoders and compilers read untrusted bytes, and a hostile component can make them panic,
//! overflow their stack or use gigabytes. So this runs in a process of its own with limits of its
//! own: the server starts its own program for each component. This module needs neither the engine
//! that runs guests nor its address space. Default bounds: [`ComponentLimits::default`], checked
//! before anything is decoded.

use hotstage_core::compile_limits::ComponentLimits;
use wasmtime::Engine;

use crate::bounds;
use crate::check::{self, Role};
use crate::compile::CompileError;
use crate::engine::code_config;

/// Checks the bytes without compiling: bounds, then the world of the role.
pub fn check(bytes: &[u8], role: Role, limits: &ComponentLimits) -> Result<(), CompileError> {
    check::header(bytes)?;
    bounds::check(bytes, limits)?;
    check::fits(bytes, role)
}

/// Checks and compiles. The code is for an [`crate::engine::Engine`] of this version on this kind
/// of machine.
pub fn compile(
    bytes: &[u8],
    role: Role,
    limits: &ComponentLimits,
) -> Result<Vec<u8>, CompileError> {
    // Before the compiler, which takes a thousand times as long.
    check(bytes, role, limits)?;
    let refused = |error| CompileError::Refused(format!("{error:#}"));
    let engine = Engine::new(&code_config()).map_err(refused)?;
    engine.precompile_component(bytes).map_err(refused)
}

#[cfg(test)]
mod tests {
    use crate::compile::compatibility;
    use crate::engine::{Engine, EngineOptions, code_config};

    #[test]
    fn code_of_the_compiler_is_code_of_the_engine() {
        let engine = Engine::new(&EngineOptions {
            instances: 1,
            ..EngineOptions::default()
        })
        .unwrap();
        let compiler = wasmtime::Engine::new(&code_config()).unwrap();
        assert_eq!(compatibility(&engine.wasmtime), compatibility(&compiler));
    }
}
