//! What a deploy tells while it works.

/// Somebody who watches. Every method may be called from any thread.
pub trait Progress: Sync {
    /// A component is being compiled; that may take a while. The step ends when the answer is
    /// dropped.
    fn compiling(&self, component: &str, bytes: usize) -> Box<dyn std::any::Any + Send>;
    /// Golden tests are being run.
    fn testing(&self, pipeline: &str, tests: usize);
}

/// Nobody watches.
pub struct Quiet;

impl Progress for Quiet {
    fn compiling(&self, _: &str, _: usize) -> Box<dyn std::any::Any + Send> {
        Box::new(())
    }

    fn testing(&self, _: &str, _: usize) {}
}
