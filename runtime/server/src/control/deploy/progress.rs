//! Progress reports of a deployment.

/// An observer of a deployment. Every method may be called from any thread.
pub trait Progress: Sync {
    /// A component is being compiled, which may take long. The step ends when the returned value is
    /// dropped.
    fn compiling(&self, component: &str, bytes: usize) -> Box<dyn std::any::Any + Send>;
    /// Golden tests are running.
    fn testing(&self, pipeline: &str, tests: usize);
}

/// Reports nothing.
pub struct Quiet;

impl Progress for Quiet {
    fn compiling(&self, _: &str, _: usize) -> Box<dyn std::any::Any + Send> {
        Box::new(())
    }

    fn testing(&self, _: &str, _: usize) {}
}
