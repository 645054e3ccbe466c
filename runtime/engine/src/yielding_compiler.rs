//! A compiler that yields: between two of its passes it offers the core to waiting threads.
//!
//! The lowest priority (`SCHED_IDLE`) is not enough. Since Linux 6.6 such a thread, once it runs,
//! keeps its core until the next timer tick, milliseconds later, while a thread that has just used
//! much of the processor waits in the same queue: the scheduler owes the compiler its share first
//! (EEVDF: Stoica & Abdel-Wahab 1995). A thread that yields gives that share up. With steady
//! traffic this reduced the p99 of other tenants' requests from four times the usual to about one.
//!
//! Cranelift reports the start of a pass to a profiler of the thread; this one measures nothing and
//! yields. Bound: a pass of one function, which is usually under a millisecond.

use std::any::Any;
use std::cell::Cell;
use std::time::{Duration, Instant};

use cranelift_codegen::timing::{Pass, Profiler, set_thread_profiler};

/// How long a compiler works before it yields: a delay that a request does not notice.
const EVERY: Duration = Duration::from_micros(50);

/// From now on, compilations on this thread yield to other threads.
pub fn yield_between_passes() {
    yield_by(std::thread::yield_now);
}

fn yield_by(yields: impl Fn() + 'static) {
    // The profiler that it replaces is the default, which adds up times that are never read.
    let _ = set_thread_profiler(Box::new(GiveWay {
        yields,
        since: Cell::new(Instant::now()),
    }));
}

struct GiveWay<F> {
    yields: F,
    since: Cell<Instant>,
}

impl<F: Fn()> Profiler for GiveWay<F> {
    fn start_pass(&self, _: Pass) -> Box<dyn Any> {
        if self.since.get().elapsed() >= EVERY {
            (self.yields)();
            self.since.set(Instant::now());
        }
        // The end of a pass is ignored. A `Box` of `()` allocates nothing.
        Box::new(())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use wasm_encoder::{CodeSection, Function, FunctionSection, Module, TypeSection, ValType};

    use super::*;

    /// A module whose compilation takes long enough, however fast the machine is.
    fn module() -> Vec<u8> {
        let (mut types, mut functions, mut code) = (
            TypeSection::new(),
            FunctionSection::new(),
            CodeSection::new(),
        );
        types.ty().function([ValType::I32], [ValType::I32]);
        for _ in 0..100 {
            functions.function(0);
            let mut body = Function::new([]);
            (0..200).for_each(|number| {
                body.instructions()
                    .local_get(0)
                    .i32_const(number)
                    .i32_mul()
                    .local_set(0);
            });
            body.instructions().local_get(0).end();
            code.function(&body);
        }
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&code);
        module.finish()
    }

    #[test]
    fn a_compiler_yields_only_on_its_own_thread() {
        let times = Rc::new(Cell::new(0));
        let counted = Rc::clone(&times);
        yield_by(move || counted.set(counted.get() + 1));
        let mut config = wasmtime::Config::new();
        config.parallel_compilation(false);
        let engine = wasmtime::Engine::new(&config).unwrap();
        let module = module();
        engine.precompile_module(&module).unwrap();
        let here = times.get();
        assert!(here > 10, "{here} times");
        std::thread::spawn(move || engine.precompile_module(&module).unwrap())
            .join()
            .unwrap();
        assert_eq!(times.get(), here);
    }
}
