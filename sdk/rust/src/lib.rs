//! Write Hotstage stages in Rust.
//!
//! A stage is a component with one of three roles: [`Preprocessor`], [`Model`] or
//! [`Postprocessor`]. Implement the trait of your role, and [`export!`] it:
//!
//! ```
//! use hotstage_sdk::{Datatype, Failure, Files, Inputs, Model, OpenError, Outputs, Signature, any};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! /// What the manifest may set. Comments become the text of the settings' JSON Schema.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     /// What each element is multiplied with.
//!     #[serde(default = "two")]
//!     factor: f32,
//! }
//!
//! fn two() -> f32 {
//!     2.0
//! }
//!
//! struct Times {
//!     factor: f32,
//! }
//!
//! impl Model for Times {
//!     type Settings = Settings;
//!     const SUMMARY: &'static str = "Multiplies each element.";
//!
//!     fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
//!         if !settings.factor.is_finite() {
//!             return Err(OpenError::settings("settings.factor: expected a finite number"));
//!         }
//!         let signature = Signature::new()
//!             .input("x", Datatype::Fp32, [any()])
//!             .output("y", Datatype::Fp32, [any()]);
//!         Ok((Self { factor: settings.factor }, signature))
//!     }
//!
//!     fn infer(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
//!         let mut tensor = inputs.take("x")?; // owned, so it can be changed in place
//!         tensor.f32_mut()?.mapv_inplace(|element| element * self.factor);
//!         outputs.put("y", tensor) // moved into the answer, without a copy
//!     }
//! }
//!
//! hotstage_sdk::export!(model: Times);
//!
//! // The same code runs natively, so a stage is tested like any other Rust:
//! use hotstage_sdk::{Tensor, testing};
//!
//! let settings = serde_json::json!({ "factor": 3.0 });
//! let mut bench = testing::open_model::<Times>(settings, Files::none())?;
//! let answer = bench.call([("x", Tensor::f32(&[2], [1.0, 2.0])?)])?;
//! assert_eq!(answer.get("y")?.as_f32()?.as_slice(), Some(&[3.0, 6.0][..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Build it with `crate-type = ["cdylib", "rlib"]` for `wasm32-wasip2`; the resulting `.wasm` file
//! is the component.
//!
//! `inputs.f32("x")?` borrows an input as an `ndarray` view. `outputs.make_f32("y", &[rows, 2])?`
//! allocates an output and lends it as a mutable view. [`Files`] are the weights and tables that
//! the manifest gives the stage, [`graphs`] runs neural networks on the host's engines, [`log`]
//! writes log lines, and [`metrics`] records values for the server's metrics.

#[cfg(any(test, all(target_arch = "wasm32", feature = "allocator")))]
mod allocator;
mod datatype;
mod error;
mod export;
mod files;
pub mod graphs;
mod host;
mod inputs;
mod instance;
pub mod log;
pub mod metrics;
mod outputs;
mod settings;
mod signature;
mod stage;
mod tensor;
pub mod testing;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wall;

pub use datatype::{Datatype, Element};
pub use error::{Failure, OpenError, TensorError};
pub use files::Files;
/// The types of `FP16` and `BF16`.
pub use half::{bf16, f16};
pub use inputs::Inputs;
/// The array library of the views, re-exported so that a stage uses the SDK's version.
pub use ndarray;
pub use outputs::Outputs;
pub use settings::NoSettings;
pub use signature::{Dimension, Port, Signature, any, size};
pub use stage::{Model, Postprocessor, Preprocessor};
pub use tensor::{BytesElements, Tensor};
