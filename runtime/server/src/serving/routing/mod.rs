//! A route at its place: the decision, the pipelines that it decides between, and what goes on
//! beside it.
//!
//! A route that asks for headers and cookies alone decides before the body is there; one that
//! sources for parameters or inputs when it is read, which all of its versions do alike. A decision
//! looks each value up once and waits for nothing; one by the head allocates nothing.

mod attributes;
mod breaker;
mod routed_request;

use std::sync::Arc;
use std::time::Duration;

use hotstage_core::digest::Digest;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::manifest::WrittenRoute;
use hotstage_core::request::Payload;
use hotstage_core::route::{Adapt, Attributes, Circuit, Parts, Route, Source, drawn};
use hotstage_core::signature::Signature;
use hotstage_core::suggest::shown;
use hotstage_engine::Tensors;

use self::attributes::{AllAttributes, AttributeSource, HeadAttributes};
use self::breaker::Breaker;
pub use self::routed_request::{FallbackReason, RoutedRequest};
use crate::serving::context::RequestAttributes;
use crate::serving::experiments::{Part, Trial};
use crate::serving::mirror::{Mirror, Mirrors};
use crate::serving::pipeline::{Adapter, Pipeline};
use crate::serving::random::next_u64;

/// The header that says which version answered, and by which a client may ask for it again.
const PIN: &str = "hotstage-version";

/// A route that can be served.
pub struct Routing {
    /// Of its canonical document.
    pub digest: Digest,
    /// What decides.
    route: Route,
    /// What it asks for, in its order.
    sources: Vec<AttributeSource>,
    /// In the order of its split.
    variants: Vec<Arc<Pipeline>>,
    /// One for each variant; none for one that agrees with the first.
    adapters: Vec<Option<Arc<Adapter>>>,
    /// One for each variant.
    breakers: Vec<Breaker>,
    mirrors: Vec<Arc<Mirror>>,
    /// What is asked of the variants.
    trial: Option<Arc<Trial>>,
    /// Whether the body must be read before it can decide.
    is_open: bool,
    /// Versions that it names and that are not in service.
    out_of_service: Vec<String>,
}

/// Which mirrors get a copy, a bit for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Copies(u8);

/// Why a route can't be served with these pipelines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// A version that it names is not loaded.
    Absent {
        /// Its place in the split.
        variant: usize,
    },
    /// Two versions do not take and give the same.
    Disagrees {
        /// The place of the second.
        variant: usize,
        /// What differs.
        message: String,
    },
    /// It asks for an input that can't be a key.
    Input {
        /// Why.
        message: String,
    },
}

impl Routing {
    /// The route, between the pipelines that `find` has for its versions. Mirrors that `before`
    /// has, just so, go on.
    pub fn new(
        written: &WrittenRoute,
        find: impl Fn(&str) -> Option<Arc<Pipeline>>,
        before: Option<&Self>,
    ) -> Result<Self, Unfit> {
        let found: Vec<_> = written
            .versions()
            .map(|version| find(version.as_str()))
            .collect();
        match found.iter().position(Option::is_none) {
            Some(variant) => Err(Unfit::Absent { variant }),
            None => Self::between(written, found, before),
        }
    }

    /// The same with whichever of its versions are in service, as [`Route::degraded`] says. Refused
    /// as absent when they can't answer.
    pub fn degraded(
        written: &WrittenRoute,
        find: impl Fn(&str) -> Option<Arc<Pipeline>>,
        before: Option<&Self>,
    ) -> Result<Self, Unfit> {
        Self::between(
            written,
            written
                .versions()
                .map(|version| find(version.as_str()))
                .collect(),
            before,
        )
    }

    /// The route between what was found of its versions, in their order.
    fn between(
        written: &WrittenRoute,
        mut found: Vec<Option<Arc<Pipeline>>>,
        before: Option<&Self>,
    ) -> Result<Self, Unfit> {
        let parts = written.route().parts();
        let many = parts.variants.len();
        if let Some(None) = found.first() {
            // Without the first one nobody knows what others would have to be adapted to.
            let adapted = found
                .iter_mut()
                .zip(&parts.variants)
                .filter(|(_, variant)| !variant.adapt.is_empty());
            adapted.for_each(|(found, _)| *found = None);
        }
        let absent = Unfit::Absent {
            variant: found.iter().position(Option::is_none).unwrap_or_default(),
        };
        let Some(first) = found.iter().take(many).flatten().next().map(Arc::clone) else {
            return Err(absent);
        };
        let adapters = adapters(parts, &found, &first)?;
        let mut route = written.route().clone();
        let missing = found.iter().take(many).any(Option::is_none);
        if missing {
            route = route
                .degraded(|place| matches!(found.get(place), Some(Some(_))))
                .ok_or(absent)?;
        }
        let sources = route
            .sources()
            .iter()
            .map(|source| AttributeSource::new(source, &first.signature().inputs))
            .collect::<Result<_, _>>();
        let sources: Vec<AttributeSource> = sources.map_err(|message| Unfit::Input { message })?;
        let mirrors = mirrors(parts, &found, &adapters, before);
        let out_of_service = written
            .versions()
            .zip(&found)
            .filter(|(_, found)| found.is_none());
        let out_of_service = out_of_service
            .map(|(version, _)| version.to_string())
            .collect();
        found.truncate(many);
        // No request is sent to who is out of service; in its place stands another one, so that
        // each place has one.
        let variants: Vec<Arc<Pipeline>> = found
            .into_iter()
            .map(|found| found.unwrap_or_else(|| Arc::clone(&first)))
            .collect();
        let breakers = variants.iter().map(|_| Breaker::new()).collect();
        let digests: Vec<Digest> = variants.iter().map(|pipeline| pipeline.digest).collect();
        // While a version is out of service, others get what it was dealt, so nothing is compared.
        let trial = if missing {
            None
        } else {
            Trial::of(written, &digests).map(Arc::new)
        };
        let is_open = !route.sources().iter().all(Source::is_in_the_head);
        let adapters = adapters.into_iter().take(many).collect();
        let digest = written.digest();
        Ok(Self {
            digest,
            sources,
            route,
            variants,
            adapters,
            breakers,
            mirrors,
            trial,
            is_open,
            out_of_service,
        })
    }

    /// Routes a request by its head. Where more must be known, [`RoutedRequest::resolve`] decides.
    pub fn choose(
        self: &Arc<Self>,
        request: &dyn RequestAttributes,
    ) -> Result<RoutedRequest, Failure> {
        if self.is_open {
            // Any variant decodes the request alike. A pin to an unknown version is refused before
            // the body is read.
            self.pinned(request)?;
            return Ok(self.way(0));
        }
        let (variant, part) = self.decide(request)?;
        Ok(RoutedRequest {
            part,
            ..self.way(variant)
        })
    }

    /// The variant that answers, by the head alone, and the request's part in the route's
    /// experiment.
    pub fn decide(
        &self,
        request: &dyn RequestAttributes,
    ) -> Result<(usize, Option<Part>), Failure> {
        let sources = &self.sources;
        self.dealt(request, &HeadAttributes { sources, request })
    }

    /// The same, by all of a request.
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

    /// The variant that the request names, where the route lets it. A name that is none of a
    /// variant is refused, as is one that is out of service: a request for one version must not get
    /// an answer of another.
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

    /// The way to a variant.
    pub fn way(self: &Arc<Self>, variant: usize) -> RoutedRequest {
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

    /// Who a variant is, and what stands before it.
    fn variant(&self, variant: usize) -> (Arc<Pipeline>, Option<Arc<Adapter>>) {
        (
            Arc::clone(&self.variants[variant]),
            self.adapters[variant].clone(),
        )
    }

    /// The variant that answers when this one can't.
    fn fallback(&self, variant: usize) -> Option<usize> {
        let fallback = self.route.parts().fallback.as_ref()?;
        Some(fallback.to).filter(|&to| to != variant)
    }

    /// How long a variant may take, and when it is not asked any more.
    fn patience(&self) -> (Option<Duration>, Option<Circuit>) {
        self.route
            .parts()
            .fallback
            .as_ref()
            .map_or((None, None), |fallback| {
                (fallback.timeout, fallback.circuit)
            })
    }

    /// Which mirrors get a copy of this request: of those that do not answer it themselves, by
    /// chance.
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

    /// Gives them their copies. One that answered in another's place gets none.
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

    /// Each version that may answer, with its share of what no rule takes, and whether its circuit
    /// is open.
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

    /// Versions that it names and that are not in service: it goes on without them.
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

    /// The pipelines between which it decides, in the order of its split.
    pub fn variants(&self) -> &[Arc<Pipeline>] {
        &self.variants
    }

    /// Their weights for requests that chance deals.
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

    /// What is asked of them.
    pub const fn trial(&self) -> Option<&Arc<Trial>> {
        self.trial.as_ref()
    }

    /// What decides.
    pub const fn route(&self) -> &Route {
        &self.route
    }
}

/// What stands before each of the versions that were found.
fn adapters(
    parts: &Parts,
    found: &[Option<Arc<Pipeline>>],
    first: &Arc<Pipeline>,
) -> Result<Vec<Option<Arc<Adapter>>>, Unfit> {
    let adapter = |(variant, pipeline): (usize, &Option<Arc<Pipeline>>)| {
        let Some(pipeline) = pipeline else {
            return Ok(None);
        };
        let adapt = parts.variants.get(variant).map(|variant| &variant.adapt);
        adapted(first, pipeline, adapt).map_err(|message| Unfit::Disagrees { variant, message })
    };
    found.iter().enumerate().map(adapter).collect()
}

/// The mirrors whose versions were found; those that were there before, just so, go on.
fn mirrors(
    parts: &Parts,
    found: &[Option<Arc<Pipeline>>],
    adapters: &[Option<Arc<Adapter>>],
    before: Option<&Routing>,
) -> Vec<Arc<Mirror>> {
    let mut mirrors = Vec::new();
    for settings in &parts.mirrors {
        let mut both = found
            .iter()
            .zip(adapters)
            .filter_map(|(found, adapter)| Some((found.as_ref()?, adapter)));
        let is_meant = |pipeline: &Pipeline| pipeline.version == settings.version.as_str();
        let Some((pipeline, adapter)) = both.find(|(pipeline, _)| is_meant(pipeline)) else {
            continue;
        };
        let new = Mirror::new(settings.clone(), Arc::clone(pipeline), adapter.clone());
        let known =
            before.and_then(|before| before.mirrors.iter().find(|known| known.is_like(&new)));
        mirrors.push(known.map_or(new, Arc::clone));
    }
    mirrors
}

/// What must stand between the first variant's signature and another variant; none where they
/// agree.
fn adapted(
    first: &Arc<Pipeline>,
    variant: &Arc<Pipeline>,
    adapt: Option<&Adapt>,
) -> Result<Option<Arc<Adapter>>, String> {
    let Some(adapt) = adapt.filter(|adapt| !adapt.is_empty()) else {
        return difference(first, variant).map_or(Ok(None), Err);
    };
    let places = adapt.fit(first.signature(), variant.signature());
    let places = places
        .map_err(|message| format!("version `{}` can't stand in: {message}", variant.version))?;
    bodies(first, variant).map_or(Ok(()), Err)?;
    Ok(Some(Adapter::new(Arc::clone(first), variant, places)))
}

/// What two versions do not agree on, if anything.
fn difference(one: &Pipeline, other: &Pipeline) -> Option<String> {
    let (Signature { inputs, outputs }, other_signature) = (one.signature(), other.signature());
    for (what, ours, theirs) in [
        ("inputs", inputs, &other_signature.inputs),
        ("outputs", outputs, &other_signature.outputs),
    ] {
        if ours != theirs {
            let list = |ports: &[hotstage_core::signature::Port]| {
                ports
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            return Some(format!(
                "version `{}` has other {what} than version `{}`: {} in place of {}; a route's versions take and give \
                 the same, unless the split says under `inputs` and `outputs` how this one stands in",
                other.version,
                one.version,
                list(theirs),
                list(ours)
            ));
        }
    }
    bodies(one, other)
}

fn bodies(one: &Pipeline, other: &Pipeline) -> Option<String> {
    (one.accepts() != other.accepts()).then(|| {
        format!(
            "version `{}` takes other raw bodies than version `{}`",
            other.version, one.version
        )
    })
}
