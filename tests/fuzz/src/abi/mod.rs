//! Conversion of a guest's answer from its memory to the host's tensors, through the real engine.
//!
//! The input is the guest memory that holds the answer (`component`). For any input, the call must
//! return tensors that match the signature, or an error of the stage. Returned tensors must equal
//! those of a second, simpler decoder (`reading`).

pub(crate) mod component;
mod reading;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use hotstage_core::compile_limits::ComponentLimits;
use hotstage_core::datatype::Datatype;
use hotstage_core::digest::Digest;
use hotstage_core::failure::Kind;
use hotstage_core::limits::{INLINE_BYTES_MAX, StageLimits};
use hotstage_core::request::Payload;
use hotstage_core::tensor::{Shape, Tensor};
use hotstage_engine::compile::{Artifacts, Origin};
use hotstage_engine::engine::{Engine, EngineOptions};
use hotstage_engine::stage::{Stage, StageOptions};
use hotstage_engine::{Files, Role, SigningKey, compiler};
use tokio::runtime::{Builder, Runtime};

use crate::assert_text;

/// Output bytes of a call: few, so that inputs reach the bound.
const OUTPUT_BYTES: u64 = 64 << 10;

/// The process's engine.
pub(crate) fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        Engine::new(&EngineOptions {
            instances: 8,
            ..EngineOptions::default()
        })
        .unwrap()
    })
}

/// A compile cache that stores nothing.
struct Nowhere;

impl Artifacts for Nowhere {
    fn has(&self, _: &str) -> bool {
        false
    }

    fn load(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn save(&self, _: &str, _: &[u8]) {}
}

/// The stage and the runtime for its calls.
struct Host {
    runtime: Runtime,
    stage: Stage,
    /// Larger than the limit for inline tensors, so that the guest gets a handle.
    held: Bytes,
}

fn host() -> &'static Mutex<Host> {
    static HOST: OnceLock<Mutex<Host>> = OnceLock::new();
    HOST.get_or_init(|| {
        let (bytes, limits) = (component::build(), ComponentLimits::default());
        let code = compiler::compile(&bytes, Role::Model, &limits).unwrap();
        let (digest, key) = (Digest::of(&bytes), SigningKey([1; 32]));
        let compiled = engine()
            .adopt(&code, digest, Role::Model, Origin::Compiled, &Nowhere, &key)
            .unwrap();
        let options = StageOptions {
            pipeline: "fuzz/1".to_owned(),
            name: "answers".to_owned(),
            settings: "{}".to_owned(),
            files: Arc::new(Files::default()),
            asked: Arc::default(),
            isolation: None,
            limits: StageLimits {
                output_bytes: OUTPUT_BYTES,
                ..StageLimits::default()
            },
        };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let stage = runtime
            .block_on(Stage::open(engine(), &Arc::new(compiled), options))
            .unwrap();
        Mutex::new(Host {
            runtime,
            stage,
            held: vec![1; INLINE_BYTES_MAX + 8].into(),
        })
    })
}

pub(crate) fn run(image: &[u8]) {
    let host = host().lock().unwrap_or_else(PoisonError::into_inner);
    let tensor = |bytes: Bytes| {
        let shape = Shape::from_slice(&[bytes.len() as u64]);
        Tensor::new(Datatype::Uint8, shape, bytes).unwrap()
    };
    let inputs = vec![
        tensor(Bytes::copy_from_slice(image)),
        tensor(host.held.clone()),
    ];
    let answered = host
        .runtime
        .block_on(host.stage.call(Instant::now(), Payload::Tensors(inputs)));
    match answered {
        Ok(tensors) => {
            assert_eq!(tensors.len(), host.stage.signature().outputs.len());
            for (port, tensor) in host.stage.signature().outputs.iter().zip(&tensors) {
                port.accepts(tensor).unwrap();
                let (datatype, shape, data) = tensor.clone().into_parts();
                Tensor::new(datatype, shape, data).unwrap();
            }
            let bytes: usize = tensors.iter().map(|tensor| tensor.data().len()).sum();
            assert!(
                bytes as u64 <= OUTPUT_BYTES + host.held.len() as u64,
                "{bytes} bytes were returned"
            );
            if let Some(read) = reading::of(image, &host.held) {
                assert_eq!(
                    tensors, read,
                    "the host and the second decoder read different tensors"
                );
            }
        }
        Err(error) => {
            assert_text(&error.message);
            assert!(
                !error.message.chars().any(char::is_control),
                "{:?}",
                error.message
            );
            assert!(
                !matches!(error.kind, Kind::Internal | Kind::Overloaded),
                "{error:?}"
            );
        }
    }
    let (created, ended, _) = host.stage.counts();
    assert!(
        created - ended <= 1,
        "{created} instances were created and {ended} ended: an instance leaked"
    );
}

/// Valid answers of every kind.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    reading::seeds()
}
