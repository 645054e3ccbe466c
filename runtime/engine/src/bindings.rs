//! What `wit/` says, as Rust: generated, private, and named only by the rooms that convert at the
//! wall.
//!
//! Exports are asynchronous, so that a call that runs too long for the thread it began on can be
//! moved to another one. Imports are synchronous and never wait, but for one: what computes a graph
//! may give its thread up.

pub(crate) mod preprocessor {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "preprocessor",
        imports: { default: trappable },
        exports: { default: async },
        with: { "hotstage:serving/tensors.buffer": crate::host::Buffer },
    });
}

pub(crate) mod model {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "model",
        imports: {
            "hotstage:serving/graphs.[method]graph.compute": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: {
            "hotstage:serving/tensors": super::preprocessor::hotstage::serving::tensors,
            "hotstage:serving/stages": super::preprocessor::hotstage::serving::stages,
            "hotstage:serving/log": super::preprocessor::hotstage::serving::log,
            "hotstage:serving/files": super::preprocessor::hotstage::serving::files,
            "hotstage:serving/metrics": super::preprocessor::hotstage::serving::metrics,
            "hotstage:serving/graphs.graph": crate::graph::Graph,
        },
    });
}

pub(crate) mod postprocessor {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "postprocessor",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "hotstage:serving/tensors": super::preprocessor::hotstage::serving::tensors,
            "hotstage:serving/stages": super::preprocessor::hotstage::serving::stages,
            "hotstage:serving/log": super::preprocessor::hotstage::serving::log,
            "hotstage:serving/files": super::preprocessor::hotstage::serving::files,
            "hotstage:serving/metrics": super::preprocessor::hotstage::serving::metrics,
        },
    });
}

pub(crate) use model::hotstage::serving::graphs;
pub(crate) use preprocessor::hotstage::serving::{files, log, metrics, stages, tensors};
