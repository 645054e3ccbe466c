//! A routed request: the chosen variant, the fallback if it fails, and copies to mirrors.
//!
//! A request without a route, or with a route that has neither fallback nor mirror, pays only for
//! the check of an option. Copies share the tensors' bytes.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::quantity::show_duration;
use hotstage_core::request::Payload;
use hotstage_core::route::Circuit;

use super::Routing;
use super::breaker::Breaker;
use crate::executors::compute::ComputePool;
use crate::extensions::Extensions;
use crate::serving::context::RequestAttributes;
use crate::serving::experiments::Part;
use crate::serving::mirror::Mirrors;
use crate::serving::pipeline::{Adapter, Answer, Pipeline};

/// Where a request goes.
pub struct RoutedRequest {
    /// The version that answers; after a failure, the fallback.
    pub pipeline: Arc<Pipeline>,
    /// The variant that failed, and why.
    pub fell: Option<FallbackReason>,
    /// The request's part in the route's experiment. It stays with the assigned variant, also when
    /// the fallback answers: the experiment compares what was assigned.
    pub part: Option<Part>,
    /// Adapter used when the variant's signature differs from the route's.
    pub(super) adapter: Option<Arc<Adapter>>,
    /// The route and the chosen variant, if the request may need a decision by the body, a fallback
    /// or a mirror.
    pub(super) routed: Option<(Arc<Routing>, usize)>,
}

/// A variant that was chosen and did not answer.
pub struct FallbackReason {
    /// Its version.
    pub version: String,
    /// A failure's code, `timeout` or `circuit`.
    pub because: &'static str,
}

/// Why the chosen variant gave no answer.
struct FailedAttempt {
    because: &'static str,
    /// The failure that the client would have got; `None` when the variant was not called.
    failure: Option<Failure>,
}

impl RoutedRequest {
    /// Routes to one version, without a route.
    pub const fn to(pipeline: Arc<Pipeline>) -> Self {
        Self {
            pipeline,
            fell: None,
            part: None,
            adapter: None,
            routed: None,
        }
    }

    /// Decides by the whole request, if its head was not enough.
    pub fn resolve(
        &mut self,
        request: &dyn RequestAttributes,
        payload: &Payload,
    ) -> Result<(), Failure> {
        if let Some((routing, variant)) = &mut self.routed
            && routing.is_open
        {
            let (chosen, part) = routing.decide_whole(request, payload)?;
            (self.pipeline, self.adapter) = routing.variant(chosen);
            (*variant, self.part) = (chosen, part);
        }
        Ok(())
    }

    /// The pipeline whose signature decodes the request.
    pub fn decoding(&self) -> &Arc<Pipeline> {
        self.adapter
            .as_ref()
            .map_or(&self.pipeline, |adapter| &adapter.first)
    }

    /// The extensions that encode the answer.
    pub fn encoding(&self) -> &Extensions {
        self.adapter
            .as_ref()
            .map_or(&self.pipeline.extensions, |adapter| &adapter.extensions)
    }

    /// Runs the chosen pipeline, through its adapter if it has one.
    async fn ask(&self, compute: &ComputePool, payload: Payload) -> Result<Answer, Failure> {
        let Some(adapter) = &self.adapter else {
            return self.pipeline.infer(compute, payload).await;
        };
        let answer = self.pipeline.infer(compute, adapter.give(payload)).await?;
        Ok(Answer {
            outputs: adapter.take(&answer.outputs),
            ..answer
        })
    }

    /// Computes the answer.
    pub async fn infer(
        &mut self,
        compute: &ComputePool,
        mirrors: &Mirrors,
        payload: Payload,
    ) -> Result<Answer, Failure> {
        let Some((routing, variant)) = self.routed.take() else {
            return self.ask(compute, payload).await;
        };
        let fallback = routing.fallback(variant);
        let copies = routing.copies(&self.pipeline);
        let spare = (fallback.is_some() || copies.is_some()).then(|| payload.clone());
        let answer = match fallback {
            None => self.ask(compute, payload).await?,
            Some(fallback) => match self.try_first(&routing, variant, compute, payload).await {
                Ok(answer) => answer,
                Err(lost) => {
                    self.fall(routing.variant(fallback), lost)?;
                    let again = spare
                        .clone()
                        .ok_or_else(|| Failure::new(Kind::Internal, "a request got lost"))?;
                    self.ask(compute, again).await?
                }
            },
        };
        if let (Some(copies), Some(payload)) = (copies, spare) {
            routing.copy(mirrors, copies, &self.pipeline, &payload, &answer.outputs);
        }
        Ok(answer)
    }

    /// Runs the chosen variant within the route's timeout, unless its circuit is open.
    async fn try_first(
        &self,
        routing: &Routing,
        variant: usize,
        compute: &ComputePool,
        payload: Payload,
    ) -> Result<Answer, FailedAttempt> {
        let (timeout, circuit) = routing.patience();
        let breaker = circuit.zip(routing.breakers.get(variant));
        if let Some((circuit, breaker)) = breaker
            && !breaker.lets_through(&circuit, Instant::now())
        {
            return Err(FailedAttempt {
                because: "circuit",
                failure: None,
            });
        }
        let outcome = match timeout {
            None => self
                .ask(compute, payload)
                .await
                .map_err(|failure| lost(failure.kind.code(), failure)),
            Some(timeout) => {
                within(timeout, &self.pipeline.version, self.ask(compute, payload)).await
            }
        };
        if let Some(breaker) = breaker {
            learn(breaker, &outcome);
        }
        outcome
    }

    /// Switches to the fallback, unless the client caused the failure.
    fn fall(
        &mut self,
        fallback: (Arc<Pipeline>, Option<Arc<Adapter>>),
        lost: FailedAttempt,
    ) -> Result<(), Failure> {
        if let Some(failure) = lost.failure {
            if !failure.kind.class().is_failure_of_the_version() {
                return Err(failure);
            }
            self.pipeline.count(Err(failure.kind));
            let timeout = usize::from(lost.because == "timeout");
            self.pipeline.counts.fell[timeout].fetch_add(1, Relaxed);
            let (pipeline, version, cause) = (
                &self.pipeline.name,
                &self.pipeline.version,
                failure.cause.as_deref(),
            );
            let error = failure.message.as_str();
            tracing::warn!(target: "request", pipeline, version, error, cause, "the fallback answers");
        } else {
            self.pipeline.counts.fell[2].fetch_add(1, Relaxed);
        }
        self.fell = Some(FallbackReason {
            version: self.pipeline.version.clone(),
            because: lost.because,
        });
        (self.pipeline, self.adapter) = fallback;
        Ok(())
    }
}

fn learn((circuit, breaker): (Circuit, &Breaker), outcome: &Result<Answer, FailedAttempt>) {
    let failed = outcome
        .as_ref()
        .err()
        .and_then(|lost| lost.failure.as_ref());
    match failed {
        Some(failure) if failure.kind.class().is_failure_of_the_version() => {
            breaker.failed(&circuit, Instant::now());
        }
        _ => breaker.answered(),
    }
}

const fn lost(because: &'static str, failure: Failure) -> FailedAttempt {
    FailedAttempt {
        because,
        failure: Some(failure),
    }
}

async fn within(
    timeout: Duration,
    version: &str,
    answer: impl Future<Output = Result<Answer, Failure>>,
) -> Result<Answer, FailedAttempt> {
    match tokio::time::timeout(timeout, answer).await {
        Ok(outcome) => outcome.map_err(|failure| lost(failure.kind.code(), failure)),
        Err(_) => {
            let message = format!(
                "version {version} did not answer within {}",
                show_duration(timeout)
            );
            Err(lost("timeout", Failure::new(Kind::StageTimeout, message)))
        }
    }
}
