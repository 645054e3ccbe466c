//! The Rust bindings of `wit/`: generated, private, and used only by the modules that convert at
//! the ABI.
//!
//! Exports are asynchronous, so that a call that runs too long for its thread can be moved to
//! another one. Imports are synchronous and never block, except the computation of a graph, which
//! may yield its thread.

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
            "hotstage:serving/graphs.graph": hotstage_onnx::Graph,
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
