//! A route that is served: the decision, its variants, and their adapters, breakers and mirrors.
//!
//! A route that reads only headers and cookies decides before the body is read; one that reads
//! parameters or inputs decides after it. All variants decode a request alike. A decision reads
//! each attribute once and never waits; one by headers and cookies allocates nothing.

mod attributes;
mod breaker;
mod build;
mod routed_request;

use std::sync::Arc;
use std::time::Duration;

use hotstage_core::digest::Digest;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::request::Payload;
use hotstage_core::route::{Attributes, Circuit, Route, drawn};
use hotstage_core::suggest::shown;
use hotstage_engine::Tensors;

use self::attributes::{AllAttributes, AttributeSource, HeadAttributes};
use self::breaker::Breaker;
pub use self::build::Unfit;
pub use self::routed_request::{FallbackReason, RoutedRequest};
use crate::serving::context::RequestAttributes;
use crate::serving::experiments::{Part, Trial};
use crate::serving::mirror::{Mirror, Mirrors};
use crate::serving::pipeline::{Adapter, Pipeline};
use crate::serving::random::next_u64;

/// The header that names the version that answered; a client sends it to pin a request to a
/// version.
const PIN: &str = "hotstage-version";

/// A route that can be served.
pub struct Routing {
    /// The digest of its canonical document.
    pub digest: Digest,
    /// The decision.
    route: Route,
    /// The attributes that it reads, in the route's order.
    sources: Vec<AttributeSource>,
    /// In the order of the split.
    variants: Vec<Arc<Pipeline>>,
    /// One for each variant; `None` when its signature equals the first variant's.
    adapters: Vec<Option<Arc<Adapter>>>,
    /// One for each variant.
    breakers: Vec<Breaker>,
    mirrors: Vec<Arc<Mirror>>,
    /// The running experiment.
    trial: Option<Arc<Trial>>,
    /// Whether the decision needs the body.
    is_open: bool,
    /// Versions of the route that are not in service.
    out_of_service: Vec<String>,
}

/// Which mirrors get a copy, one bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Copies(u8);

impl Routing {
    /// Routes a request by its head. If the body is needed, [`RoutedRequest::resolve`] decides.
    pub fn choose(
        self: &Arc<Self>,
        request: &dyn RequestAttributes,
    ) -> Result<RoutedRequest, Failure> {
        if self.is_open {
            // Any variant decodes the request alike. A pin to an unknown version is refused before
            // the body is read.
            self.pinned(request)?;
            return Ok(self.request_to(0));
        }
        let (variant, part) = self.decide(request)?;
        Ok(RoutedRequest {
            part,
            ..self.request_to(variant)
        })
    }

    /// Decides by the head alone: the variant that answers, and the request's part in the
    /// experiment.
    pub fn decide(
        &self,
        request: &dyn RequestAttributes,
    ) -> Result<(usize, Option<Part>), Failure> {
        let sources = &self.sources;
        self.dealt(request, &HeadAttributes { sources, request })
    }

    /// Decides by the head and the body.
    fn decide_whole(
        &self,
        request: &dyn RequestAttributes,
        payload: &Payload,
    ) -> Result<(usize, Option<Part>), Failure> {
        self.dealt(
            request,
            &AllAttributes::new(&self.sources, request, payload),
        )
    }

    fn dealt(
        &self,
        request: &dyn RequestAttributes,
        attributes: &impl Attributes,
    ) -> Result<(usize, Option<Part>), Failure> {
        // A pinned request was not randomised, so it stays out of the experiment.
        if let Some(variant) = self.pinned(request)? {
            return Ok((variant, None));
        }
        let choice = self.route.decide(attributes, next_u64);
        let trial = self.trial.as_ref();
        Ok((
            choice.variant,
            trial.and_then(|trial| Trial::part(trial, choice)),
        ))
    }

    /// The variant that the request is pinned to, if the route allows pins. An unknown version and
    /// one that is out of service are refused: a request for one version must not get the answer of
    /// another.
    fn pinned(&self, request: &dyn RequestAttributes) -> Result<Option<usize>, Failure> {
        if !self.route.parts().pin {
            return Ok(None);
        }
        let Some(asked) = request.pinned_version() else {
            return Ok(None);
        };
        let named = std::str::from_utf8(asked)
            .ok()
            .and_then(|version| self.route.position(version));
        let place = named.ok_or_else(|| self.unknown(asked))?;
        if self.route.answering(place) == Some(place) {
            return Ok(Some(place));
        }
        let asked = shown(&String::from_utf8_lossy(asked));
        Err(Failure::new(
            Kind::NotReady,
            format!("header `{PIN}`: version `{asked}` is not in service"),
        ))
    }

    fn unknown(&self, asked: &[u8]) -> Failure {
        let versions: Vec<&str> = self
            .variants
            .iter()
            .map(|variant| variant.version.as_str())
            .collect();
        let name = self
            .variants
            .first()
            .map_or("", |variant| variant.name.as_str());
        let asked = shown(&String::from_utf8_lossy(asked));
        Failure::invalid(format!(
            "header `{PIN}`: the route `{name}` has no version `{asked}`; it has {}; without the header the route \
             chooses",
            versions.join(", ")
        ))
    }

    /// Routes a request to a variant.
    pub fn request_to(self: &Arc<Self>, variant: usize) -> RoutedRequest {
        let more =
            self.is_open || self.route.parts().fallback.is_some() || !self.mirrors.is_empty();
        let routed = more.then(|| (Arc::clone(self), variant));
        let (pipeline, adapter) = self.variant(variant);
        RoutedRequest {
            routed,
            adapter,
            ..RoutedRequest::to(pipeline)
        }
    }

    /// A variant's pipeline and its adapter.
    fn variant(&self, variant: usize) -> (Arc<Pipeline>, Option<Arc<Adapter>>) {
        (
            Arc::clone(&self.variants[variant]),
            self.adapters[variant].clone(),
        )
    }

    /// The variant that answers when this one fails.
    fn fallback(&self, variant: usize) -> Option<usize> {
        let fallback = self.route.parts().fallback.as_ref()?;
        Some(fallback.to).filter(|&to| to != variant)
    }

    /// The timeout of a variant and its circuit settings.
    fn patience(&self) -> (Option<Duration>, Option<Circuit>) {
        self.route
            .parts()
            .fallback
            .as_ref()
            .map_or((None, None), |fallback| {
                (fallback.timeout, fallback.circuit)
            })
    }

    /// The mirrors that get a copy of this request, chosen at random by their percentage. A mirror
    /// of the version that answers gets none.
    fn copies(&self, answers: &Arc<Pipeline>) -> Option<Copies> {
        let mut copies = 0;
        for (place, mirror) in self.mirrors.iter().enumerate() {
            let percent = mirror.settings.percent;
            let falls = || percent >= 100.0 || drawn(next_u64()) * 100.0 < percent;
            if !Arc::ptr_eq(answers, &mirror.pipeline) && falls() {
                copies |= 1 << place;
            }
        }
        (copies != 0).then_some(Copies(copies))
    }

    /// Sends the copies. A mirror of the version that answered, as after a fallback, gets none.
    fn copy(
        &self,
        mirrors: &Mirrors,
        copies: Copies,
        answered: &Arc<Pipeline>,
        payload: &Payload,
        outputs: &Tensors,
    ) {
        for (place, mirror) in self.mirrors.iter().enumerate() {
            if copies.0 & (1 << place) != 0 && !Arc::ptr_eq(answered, &mirror.pipeline) {
                mirror.send(mirrors, payload, outputs);
            }
        }
    }

    /// Its mirrors.
    pub fn mirrors(&self) -> &[Arc<Mirror>] {
        &self.mirrors
    }

    /// Each version that may answer, with its share of the requests that no rule matches, and
    /// whether its circuit is open.
    pub fn shares(&self) -> impl Iterator<Item = (&str, f64, bool)> {
        let open = move |version: &str| self.open_circuits().any(|open| open == version);
        self.route
            .parts()
            .variants
            .iter()
            .zip(self.route.parts_of_one())
            .map(move |(variant, part)| {
                let version = variant.version.as_str();
                (version, part, open(version))
            })
    }

    /// Versions of the route that are not in service; it serves without them.
    pub fn out_of_service(&self) -> &[String] {
        &self.out_of_service
    }

    /// Versions whose circuit is open.
    pub fn open_circuits(&self) -> impl Iterator<Item = &str> {
        let circuit = self.patience().1;
        let open =
            move |breaker: &Breaker| circuit.is_some_and(|circuit| breaker.is_open(&circuit));
        let both = self.variants.iter().zip(&self.breakers);
        both.filter(move |(_, breaker)| open(breaker))
            .map(|(pipeline, _)| pipeline.version.as_str())
    }

    /// The pipelines that it chooses from, in the order of the split.
    pub fn variants(&self) -> &[Arc<Pipeline>] {
        &self.variants
    }

    /// Their weights for randomly assigned requests.
    pub fn weights_by_chance(&self) -> Vec<f64> {
        let drawn = self.trial.as_ref().and_then(|trial| trial.plan.drawn());
        drawn.map_or_else(
            || {
                self.route
                    .parts()
                    .variants
                    .iter()
                    .map(|variant| variant.weight)
                    .collect()
            },
            <[f64]>::to_vec,
        )
    }

    /// The running experiment.
    pub const fn trial(&self) -> Option<&Arc<Trial>> {
        self.trial.as_ref()
    }

    /// The decision.
    pub const fn route(&self) -> &Route {
        &self.route
    }
}
