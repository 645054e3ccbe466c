//! Routes: from the attributes of a request to one variant.
//!
//! A *route* is the name that clients call; its *variants* are the arms of its split. The first
//! rule whose conditions all hold decides. If none does, the shares decide: by the sticky key if
//! the request has one, so that the same key always gets the same variant, otherwise at random. A
//! decision has no state and does no I/O, so every replica with the same route decides alike.
//!
//! Default: no rules, nothing sticky. The document sets both. Bounds: [`VARIANTS_MAX`],
//! [`RULES_MAX`], [`CONDITIONS_MAX`] and [`PATTERN_BYTES_MAX`]; a decision takes time for each of
//! them, allocates nothing and never blocks.

mod adapt;
mod beside;
mod check;
mod condition;
mod degraded;
mod pattern;
mod share;
#[cfg(test)]
mod tests;

pub use self::adapt::{Adapt, Adaptation};
pub use self::beside::{Circuit, Fallback, KEEP_MAX, MIRRORS_MAX, Mirror, QUEUE, QUEUE_MAX};
pub use self::check::{Flaw, Part};
pub use self::condition::{Condition, Source, Test};
pub use self::pattern::{PATTERN_BYTES_MAX, Pattern, PatternError};
pub use self::share::{Key, Shares, drawn};
use crate::name::Version;

/// Variants of a route.
pub const VARIANTS_MAX: usize = 100;
/// Rules of a route.
pub const RULES_MAX: usize = 100;
/// Conditions of a rule.
pub const CONDITIONS_MAX: usize = 20;

/// Values that a decision caches; those of further sources are read again for each condition.
const KNOWN: usize = 8;

/// One arm of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The pipeline version that answers; also the name of the variant.
    pub version: Version,
    /// Its share is this part of the sum of all weights. Finite, and 0 or more.
    pub weight: f64,
    /// How it adapts to the first variant's signature.
    pub adapt: Adapt,
}

impl Variant {
    /// A variant with the same signature as the others.
    pub fn new(version: Version, weight: f64) -> Self {
        Self {
            version,
            weight,
            adapt: Adapt::default(),
        }
    }
}

/// Sends the requests that match it to one variant.
#[derive(Clone, Debug)]
pub struct Rule {
    /// All of them must hold.
    pub when: Vec<Condition>,
    /// Percent of the matching requests: the same keys each time, if there is a key.
    pub percent: f64,
    /// The variant, by its index in the split.
    pub to: usize,
}

/// A route as it is written, before it is checked.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Replaces the route's name in every draw: two routes with the same salt put a key on the same
    /// side.
    pub salt: String,
    /// At least one.
    pub variants: Vec<Variant>,
    /// In the order in which they are tried.
    pub rules: Vec<Rule>,
    /// The sticky key: requests in which it is equal get the same variant.
    pub sticky: Option<Source>,
    /// Whether a request may name its variant.
    pub pin: bool,
    /// The variant that answers when the chosen one can't.
    pub fallback: Option<Fallback>,
    /// The versions that get copies.
    pub mirrors: Vec<Mirror>,
}

/// A route that was checked.
#[derive(Clone, Debug)]
pub struct Route {
    parts: Parts,
    shares: Shares,
    /// The sources of its conditions and its sticky key, each once.
    sources: Vec<Source>,
    /// For each rule and each of its conditions, the index of its source in `sources`.
    asks: Vec<Vec<usize>>,
    sticky: Option<usize>,
    /// Shares of requests without a key, where those differ.
    drawn: Option<Shares>,
    /// The variant that answers for each variant, when some are out of service; `None` for one
    /// without a substitute.
    instead: Option<Box<[Option<usize>]>>,
}

/// The attributes of a request that routes may read, by reference.
pub trait Attributes {
    /// The value of a source of the route, by its index; the first, if there are several.
    fn value(&self, source: usize) -> Option<&[u8]>;
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The variant, by its index in the split.
    pub variant: usize,
    /// What decided.
    pub why: Why,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A rule, by its index.
    Rule(usize),
    /// The sticky key.
    Key,
    /// Chance, as there was no key.
    Chance,
}

impl Route {
    /// Checks the route; the error holds all flaws.
    pub fn new(parts: Parts) -> Result<Self, Vec<Flaw>> {
        let flaws = check::flaws(&parts);
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let weights = parts
            .variants
            .iter()
            .map(|variant| (variant.version.as_str(), variant.weight));
        let shares = Shares::new(&parts.salt, weights);
        let mut sources: Vec<Source> = Vec::new();
        let mut place = |source: &Source| {
            sources
                .iter()
                .position(|known| known == source)
                .unwrap_or_else(|| {
                    sources.push(source.clone());
                    sources.len() - 1
                })
        };
        let sticky = parts.sticky.as_ref().map(&mut place);
        let asks = parts.rules.iter().map(|rule| {
            rule.when
                .iter()
                .map(|condition| place(&condition.source))
                .collect()
        });
        let asks = asks.collect();
        Ok(Self {
            parts,
            shares,
            sources,
            asks,
            sticky,
            drawn: None,
            instead: None,
        })
    }

    /// The same with other weights for requests without a key: as many as there are variants, with
    /// the same bounds. Requests with a key stay where the split's weights put them.
    #[must_use]
    pub fn drawing_by(mut self, weights: &[f64]) -> Self {
        let variants = self.parts.variants.iter().zip(weights);
        let weighed = variants.map(|(variant, weight)| (variant.version.as_str(), *weight));
        self.drawn = Some(Shares::new(&self.parts.salt, weighed));
        self
    }

    /// The sources of its conditions and its sticky key, each once.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// As it is written.
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The index of the variant with this version.
    pub fn position(&self, version: &str) -> Option<usize> {
        self.parts
            .variants
            .iter()
            .position(|variant| variant.version.as_str() == version)
    }

    /// The variant that answers. `chance` returns an unpredictable number; it is called at most
    /// once.
    pub fn decide(&self, attributes: &impl Attributes, chance: impl FnOnce() -> u64) -> Choice {
        // Each value is read once, however many rules need it.
        let mut known: [Option<&[u8]>; KNOWN] = [None; KNOWN];
        for (source, value) in known.iter_mut().take(self.sources.len()).enumerate() {
            *value = attributes.value(source);
        }
        let value = |source: usize| {
            known
                .get(source)
                .copied()
                .unwrap_or_else(|| attributes.value(source))
        };
        let key = self.sticky.and_then(value);
        let (key, by) = match key {
            Some(key) => (self.shares.key(key), Why::Key),
            None => (Key::by_chance(chance()), Why::Chance),
        };
        for (index, (rule, asks)) in self.parts.rules.iter().zip(&self.asks).enumerate() {
            let mut conditions = rule.when.iter().zip(asks);
            let fits = conditions.all(|(condition, &source)| condition.test.holds(value(source)));
            if fits
                && self.shares.is_within(key, index, rule.percent)
                && let Some(variant) = self.answering(rule.to)
            {
                return Choice {
                    variant,
                    why: Why::Rule(index),
                };
            }
        }
        let shares = self
            .drawn
            .as_ref()
            .filter(|_| by == Why::Chance)
            .unwrap_or(&self.shares);
        let picked = shares.pick(key);
        Choice {
            variant: self.answering(picked).unwrap_or(picked),
            why: by,
        }
    }
}
