//! Tests of the manifest's public interface: what is refused with which message, and what a digest
//! depends on.

mod digest;
mod experiments;
mod graphs;
mod limits;
mod refused;
mod rollout;
mod routes;
mod taken;
mod yaml;

use super::*;

/// A small pipeline; the tests that change one thing start from it.
const TUMOR: &str = "\
apiVersion: hotstage.dev/v1
kind: Pipeline
metadata: { name: tumor, version: \"2\" }
spec:
  stages:
    - name: scale
      role: preprocess
      component: ./scale.wasm
      settings: { mean: [1, 2.5], std: [1.0, 1e0] }
    - name: classify
      role: model
      component: onnx@1
      files: { model: ./tumor.onnx }
      inputs: { features: scale.features }
      outputs: { scores: probability }
      limits: { memory: 64MiB, time: 1s }
  outputs: [probability]
  tests:
    - { name: row 20 is malignant, request: ./row20.json, expect: { outputs: [{}] }, tolerance: 1e-5 }
";

/// Replaces the loader: the digest of a reference is that of its text.
struct Texts;

impl Resolve for Texts {
    fn component(&mut self, reference: &ComponentRef) -> Result<Digest, String> {
        match reference {
            ComponentRef::Digest(digest) => Ok(*digest),
            _ => Ok(Digest::of(reference.to_string().as_bytes())),
        }
    }

    fn file(&mut self, reference: &FileRef) -> Result<Digest, String> {
        match reference {
            FileRef::Digest(digest) => Ok(*digest),
            FileRef::Path(path) if path.contains("absent") => Err(format!("no file `{path}`")),
            FileRef::Path(path) => Ok(Digest::of(path.as_bytes())),
        }
    }

    fn document(&mut self, reference: &DocumentRef) -> Result<Digest, String> {
        match reference {
            DocumentRef::Digest(digest) => Ok(*digest),
            DocumentRef::Path(path) => Ok(Digest::of(path.as_bytes())),
            DocumentRef::Inline(value) => Ok(Digest::of(canonical_text(value).as_bytes())),
        }
    }
}

fn resolved(text: &str) -> Resolved {
    let written = parse("t.yaml", text)
        .unwrap_or_else(|problems| panic!("{problems}\nin\n{text}"))
        .pipelines;
    written[0].resolve(&mut Texts).unwrap()
}
