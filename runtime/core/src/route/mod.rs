//! Who answers: from what is known of a request to one variant of a route.
//!
//! A *route* is the name that clients call; its *variants* are the arms of its split. The first
//! rule whose conditions all hold decides; without one, the shares do: by the sticky key where the
//! request has one, so that the same key always meets the same variant, else by chance. Nothing is
//! remembered and nothing is asked: every replica that has the route decides alike.
//!
//! Default: no rules, nothing sticky. What changes it: the document. Bounds: [`VARIANTS_MAX`],
//! [`RULES_MAX`], [`CONDITIONS_MAX`] and [`PATTERN_BYTES_MAX`]; a decision takes time for each of
//! them, allocates nothing and waits for nobody.

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

/// Values that a decision keeps at hand; those of further sources are looked up again for each
/// condition.
const KNOWN: usize = 8;

/// One arm of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The pipeline version that answers, which is also what the variant is called.
    pub version: Version,
    /// Its share is this part of the sum of all weights. Finite, and 0 or more.
    pub weight: f64,
    /// How it stands in for the first variant.
    pub adapt: Adapt,
}

impl Variant {
    /// One that agrees with the others.
    pub fn new(version: Version, weight: f64) -> Self {
        Self {
            version,
            weight,
            adapt: Adapt::default(),
        }
    }
}

/// Sends a request to one variant, if it fits.
#[derive(Clone, Debug)]
pub struct Rule {
    /// All of them must hold.
    pub when: Vec<Condition>,
    /// Of the requests that fit, so many in a hundred: the same keys each time, where there is a
    /// key.
    pub percent: f64,
    /// The variant, by its place in the split.
    pub to: usize,
}

/// A route as it is written, before it is known to make sense.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Stands in for the route's name in every draw: two routes with one salt put a key on the same
    /// side.
    pub salt: String,
    /// At least one.
    pub variants: Vec<Variant>,
    /// In the order in which they are tried.
    pub rules: Vec<Rule>,
    /// What makes requests belong together.
    pub sticky: Option<Source>,
    /// Whether a request may name its variant.
    pub pin: bool,
    /// Who answers when the chosen one can't.
    pub fallback: Option<Fallback>,
    /// Who gets copies.
    pub mirrors: Vec<Mirror>,
}

/// A route that decides.
#[derive(Clone, Debug)]
pub struct Route {
    parts: Parts,
    shares: Shares,
    /// What it asks for, each once.
    sources: Vec<Source>,
    /// For each rule, where what its conditions ask for stands among the sources.
    asks: Vec<Vec<usize>>,
    sticky: Option<usize>,
    /// Shares of requests without a key, where those differ.
    drawn: Option<Shares>,
    /// Who answers for each variant, where some are out of service; none for one without a
    /// substitute.
    instead: Option<Box<[Option<usize>]>>,
}

/// What a request says, as far as routes may ask. Nothing is copied for an answer.
pub trait Attributes {
    /// The value of a source of the route, by its place; the first, where there are several.
    fn value(&self, source: usize) -> Option<&[u8]>;
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The variant, by its place in the split.
    pub variant: usize,
    /// What decided.
    pub why: Why,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// This rule, by its place.
    Rule(usize),
    /// The sticky key.
    Key,
    /// Chance, as there was no key.
    Chance,
}

impl Route {
    /// The route, if it makes sense; else everything that is wrong with it.
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

    /// The same, with other weights for requests without a key: as many as there are variants, and
    /// as sound as theirs. Who has a key stays where the split's weights put it.
    #[must_use]
    pub fn drawing_by(mut self, weights: &[f64]) -> Self {
        let variants = self.parts.variants.iter().zip(weights);
        let weighed = variants.map(|(variant, weight)| (variant.version.as_str(), *weight));
        self.drawn = Some(Shares::new(&self.parts.salt, weighed));
        self
    }

    /// What it asks for, each once.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// As it is written.
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Where a variant stands that is called so.
    pub fn position(&self, version: &str) -> Option<usize> {
        self.parts
            .variants
            .iter()
            .position(|variant| variant.version.as_str() == version)
    }

    /// The variant that answers. `chance` gives a number that nobody can foresee; it is asked at
    /// most once.
    pub fn decide(&self, attributes: &impl Attributes, chance: impl FnOnce() -> u64) -> Choice {
        // Each is looked up once, however many rules ask for it.
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
            let mut asked = rule.when.iter().zip(asks);
            let fits = asked.all(|(condition, &source)| condition.test.holds(value(source)));
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
