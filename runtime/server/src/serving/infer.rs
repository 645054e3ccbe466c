//! The inference service: the only path from a request to an answer, for every protocol.
//!
//! A front end calls [`Serving::route`] to get the version that answers, decodes the request by
//! that version's signature, calls [`Serving::infer`] for the outputs, encodes them, and reports
//! the result ([`Serving::answered`], [`Serving::failed`]). Routes, fallbacks, mirrors,
//! experiments, deadlines and counters are the same for all front ends.

use std::sync::Arc;

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::request::Payload;
use hotstage_core::suggest::shown;

use super::context::{RequestAttributes, RequestContext};
use super::counts::ServerCounts;
use super::experiments::Experiments;
use super::mirror::Mirrors;
use super::pipeline::{Answer, Pipeline};
use super::registry::{Phase, Registry};
use super::router;
use super::routing::{RoutedRequest, Routing};
use crate::executors::compute::ComputePool;

/// The model and version that a request asks for.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The model's name.
    pub model: &'a str,
    /// A version or a label of one. Without it the model's route decides; without a route, the
    /// newest version answers.
    pub version: Option<&'a str>,
}

/// The data plane's parts, which outlive requests.
pub struct Serving {
    /// What is served at this moment.
    pub registry: Registry,
    /// Where long guest calls run.
    pub compute: ComputePool,
    /// Where copies of requests run.
    pub mirrors: Mirrors,
    /// The memory of experiments.
    pub experiments: Experiments,
    /// Counters of connections and of requests that reach no pipeline.
    pub counts: ServerCounts,
}

impl Serving {
    /// Chooses the version that answers, as far as the request's head decides that.
    pub fn route(
        &self,
        target: Target<'_>,
        request: &dyn RequestAttributes,
    ) -> Result<RoutedRequest, Failure> {
        self.find(target, |routing| routing.choose(request))
    }

    /// A version whose signature is that of every version that may answer.
    pub fn described(&self, target: Target<'_>) -> Result<Arc<Pipeline>, Failure> {
        self.find(target, |routing| Ok(routing.request_to(0)))
            .map(|request| request.pipeline)
    }

    fn find(
        &self,
        target: Target<'_>,
        choose: impl FnOnce(&Arc<Routing>) -> Result<RoutedRequest, Failure>,
    ) -> Result<RoutedRequest, Failure> {
        let Target { model, version } = target;
        let found = router::route(&self.registry.read(), model, version, choose);
        found.map_err(|failure| {
            // While the server starts, a missing model is not the client's mistake.
            if failure.kind != Kind::NotFound || self.registry.phase() != Phase::Starting {
                return failure;
            }
            let model = shown(model);
            let message = format!("the server is starting; model `{model}` is not there yet");
            Failure::new(Kind::NotReady, message)
        })
    }

    /// Computes the outputs.
    pub async fn infer(
        &self,
        context: &RequestContext<'_>,
        request: &mut RoutedRequest,
        inputs: Payload,
    ) -> Result<Answer, Failure> {
        request.resolve(context.attributes, &inputs)?;
        let Some(deadline) = context.deadline else {
            return request.infer(&self.compute, &self.mirrors, inputs).await;
        };
        let answer = request.infer(&self.compute, &self.mirrors, inputs);
        match tokio::time::timeout_at(deadline, Box::pin(answer)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::new(
                Kind::ClientTimeout,
                "the answer was not there within the request's `timeout`",
            )),
        }
    }

    /// Counts a request whose answer is about to be sent. `id` is the id that feedback will use.
    pub fn answered(&self, request: &mut RoutedRequest, id: &[u8]) {
        request.pipeline.count(Ok(()));
        if let Some(part) = request.part.take() {
            // Before the answer is sent, because feedback may arrive at once.
            self.experiments.note(part, id);
        }
    }

    /// Counts a request that gets no answer.
    pub fn failed(request: &RoutedRequest, failure: &Failure) {
        request.pipeline.count(Err(failure.kind));
    }
}
