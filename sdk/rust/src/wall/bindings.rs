//! Bindings that `wit-bindgen` generates from the ABI. Not public API.
//!
//! Each role has its own world, so that a component exports one role only: a world's exports enter
//! the component through the macro of the role that [`export!`](crate::export) names. The types are
//! generated once and shared.

#![expect(missing_docs, reason = "generated")]

pub mod model {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "model",
        pub_export_macro: true,
        export_macro_name: "export_model",
    });
}

pub mod preprocessor {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "preprocessor",
        pub_export_macro: true,
        export_macro_name: "export_preprocessor",
        with: {
            "hotstage:serving/tensors@0.1.0": super::model::hotstage::serving::tensors,
            "hotstage:serving/stages@0.1.0": super::model::hotstage::serving::stages,
            "hotstage:serving/log@0.1.0": super::model::hotstage::serving::log,
            "hotstage:serving/files@0.1.0": super::model::hotstage::serving::files,
            "hotstage:serving/metrics@0.1.0": super::model::hotstage::serving::metrics,
        },
    });
}

pub mod postprocessor {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "postprocessor",
        pub_export_macro: true,
        export_macro_name: "export_postprocessor",
        with: {
            "hotstage:serving/tensors@0.1.0": super::model::hotstage::serving::tensors,
            "hotstage:serving/stages@0.1.0": super::model::hotstage::serving::stages,
            "hotstage:serving/log@0.1.0": super::model::hotstage::serving::log,
            "hotstage:serving/files@0.1.0": super::model::hotstage::serving::files,
            "hotstage:serving/metrics@0.1.0": super::model::hotstage::serving::metrics,
        },
    });
}
