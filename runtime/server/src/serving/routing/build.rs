//! A route from its document and the pipelines of its versions: adapters, mirrors and the
//! experiment are put together here, once, when what is served changes.

use std::sync::Arc;

use hotstage_core::digest::Digest;
use hotstage_core::manifest::WrittenRoute;
use hotstage_core::route::{Adapt, Parts, Route, Source};
use hotstage_core::signature::Signature;

use super::Routing;
use super::attributes::AttributeSource;
use super::breaker::Breaker;
use crate::serving::experiments::Trial;
use crate::serving::mirror::Mirror;
use crate::serving::pipeline::{Adapter, Pipeline};

/// Why a route can't be served with these pipelines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// One of its versions is not loaded.
    Absent {
        /// Its position in the split.
        variant: usize,
    },
    /// Two versions have different signatures.
    Disagrees {
        /// The position of the second.
        variant: usize,
        /// What differs.
        message: String,
    },
    /// It reads an input that can't be a key.
    Input {
        /// The reason.
        message: String,
    },
}

impl Routing {
    /// The route over the pipelines that `find` returns for its versions. Mirrors that `before` has
    /// with the same settings are kept.
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

    /// The route over those of its versions that are in service, as [`Route::degraded`] defines.
    /// Fails as absent when they can't answer.
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

    /// The route over the pipelines found for its versions, in their order.
    fn between(
        written: &WrittenRoute,
        mut found: Vec<Option<Arc<Pipeline>>>,
        before: Option<&Self>,
    ) -> Result<Self, Unfit> {
        let parts = written.route().parts();
        let many = parts.variants.len();
        leave_out_adapted(parts, &mut found);
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
        let sources = sources(&route, &first)?;
        let mirrors = mirrors(parts, &found, &adapters, before);
        let out_of_service = out_of_service(written, &found);
        found.truncate(many);
        // No request is sent to an absent variant; another pipeline fills its position, so that
        // every position has one.
        let variants: Vec<Arc<Pipeline>> = found
            .into_iter()
            .map(|found| found.unwrap_or_else(|| Arc::clone(&first)))
            .collect();
        let digests: Vec<Digest> = variants.iter().map(|pipeline| pipeline.digest).collect();
        // While a version is out of service, others get its requests, so nothing is compared.
        let trial = if missing {
            None
        } else {
            Trial::of(written, &digests).map(Arc::new)
        };
        Ok(Self {
            digest: written.digest(),
            sources,
            breakers: variants.iter().map(|_| Breaker::new()).collect(),
            variants,
            adapters: adapters.into_iter().take(many).collect(),
            mirrors,
            trial,
            is_open: !route.sources().iter().all(Source::is_in_the_head),
            route,
            out_of_service,
        })
    }
}

/// Without the first variant the route's signature is unknown, so variants with an adapter can't be
/// used either.
fn leave_out_adapted(parts: &Parts, found: &mut [Option<Arc<Pipeline>>]) {
    if !matches!(found.first(), Some(None)) {
        return;
    }
    for (found, variant) in found.iter_mut().zip(&parts.variants) {
        if !variant.adapt.is_empty() {
            *found = None;
        }
    }
}

/// What the route reads of a request, in its order.
fn sources(route: &Route, first: &Pipeline) -> Result<Vec<AttributeSource>, Unfit> {
    let inputs = &first.signature().inputs;
    let sources = route
        .sources()
        .iter()
        .map(|source| AttributeSource::new(source, inputs));
    sources
        .collect::<Result<_, _>>()
        .map_err(|message| Unfit::Input { message })
}

/// Versions of the route that were not found.
fn out_of_service(written: &WrittenRoute, found: &[Option<Arc<Pipeline>>]) -> Vec<String> {
    written
        .versions()
        .zip(found)
        .filter(|(_, found)| found.is_none())
        .map(|(version, _)| version.to_string())
        .collect()
}

/// The adapter of each version that was found.
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

/// The mirrors whose versions were found; those that `before` has with the same settings are kept.
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

/// The adapter between the first variant's signature and another variant's; `None` when they are
/// equal.
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

/// How two versions' signatures differ, if they do.
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
