//! Finds every flaw of a route before it is served.

use std::collections::BTreeMap;

use super::{CONDITIONS_MAX, Condition, MIRRORS_MAX, Parts, RULES_MAX, Rule, Test, VARIANTS_MAX};

/// A flaw and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The part of the route.
    pub part: Part,
    /// What is wrong, and what to do.
    pub message: String,
}

/// A part of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is named as it is written; numbers are places in lists"
)]
pub enum Part {
    Split,
    Variant(usize),
    Rules,
    Rule(usize),
    Condition(usize, usize),
    Fallback,
    Mirrors,
    Mirror(usize),
}

/// All flaws.
pub(super) fn flaws(parts: &Parts) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    split(parts, &mut |part, message| {
        flaws.push(Flaw { part, message });
    });
    if parts.rules.len() > RULES_MAX {
        let message = format!(
            "{} rules; at most {RULES_MAX} are allowed",
            parts.rules.len()
        );
        flaws.push(Flaw {
            part: Part::Rules,
            message,
        });
    }
    for (index, rule) in parts.rules.iter().enumerate().take(RULES_MAX) {
        let before = flaws.len();
        rule_alone(index, rule, parts, &mut |part, message| {
            flaws.push(Flaw { part, message });
        });
        // A rule that is wrong in itself must be fixed first.
        if flaws.len() == before
            && let Some(earlier) = parts.rules[..index]
                .iter()
                .position(|earlier| shadows(earlier, rule))
        {
            let message = format!(
                "can never match: rules[{earlier}] takes every request that fits it; put it before that one"
            );
            flaws.push(Flaw {
                part: Part::Rule(index),
                message,
            });
        }
    }
    let mut beside = |part, message| flaws.push(Flaw { part, message });
    fallback(parts, &mut beside);
    mirrors(parts, &mut beside);
    flaws
}

fn fallback(parts: &Parts, flaw: &mut impl FnMut(Part, String)) {
    let Some(fallback) = &parts.fallback else {
        return;
    };
    let others = parts
        .variants
        .iter()
        .enumerate()
        .any(|(place, _)| place != fallback.to);
    if fallback.to >= parts.variants.len() {
        flaw(
            Part::Fallback,
            format!(
                "leads to variant {}, and there are {}",
                fallback.to,
                parts.variants.len()
            ),
        );
    } else if !others {
        flaw(
            Part::Fallback,
            "can never answer: no other version is in the split".to_owned(),
        );
    }
}

fn mirrors(parts: &Parts, flaw: &mut impl FnMut(Part, String)) {
    if parts.mirrors.len() > MIRRORS_MAX {
        flaw(
            Part::Mirrors,
            format!(
                "{} mirrors; at most {MIRRORS_MAX} are allowed",
                parts.mirrors.len()
            ),
        );
    }
    for (index, mirror) in parts.mirrors.iter().enumerate() {
        let mut flaw = |message| flaw(Part::Mirror(index), message);
        if !(mirror.percent > 0.0 && mirror.percent <= 100.0) {
            flaw(format!(
                "percent is more than 0 and at most 100, not {}",
                mirror.percent
            ));
        }
        if mirror
            .tolerance
            .is_some_and(|tolerance| tolerance.is_nan() || tolerance < 0.0)
        {
            flaw("a tolerance is a number of 0 or more".to_owned());
        }
        if let Some(first) = parts.mirrors[..index]
            .iter()
            .position(|earlier| earlier.version == mirror.version)
        {
            flaw(format!(
                "version `{}` is there twice; also in mirror[{first}]",
                mirror.version
            ));
        }
        let alone = parts
            .variants
            .iter()
            .all(|variant| variant.version == mirror.version || variant.weight == 0.0);
        if alone {
            flaw("would get copies of its own requests: no other version has a share".to_owned());
        }
    }
}

fn split(parts: &Parts, flaw: &mut impl FnMut(Part, String)) {
    let variants = &parts.variants;
    if variants.is_empty() {
        flaw(
            Part::Split,
            "is empty; name at least one version".to_owned(),
        );
        return;
    }
    if variants.len() > VARIANTS_MAX {
        flaw(
            Part::Split,
            format!(
                "{} variants; at most {VARIANTS_MAX} are allowed",
                variants.len()
            ),
        );
    }
    let mut seen = BTreeMap::new();
    for (index, variant) in variants.iter().enumerate() {
        if let Some(first) = seen.insert(&variant.version, index) {
            flaw(
                Part::Variant(index),
                format!(
                    "version `{}` is there twice; also in split[{first}]",
                    variant.version
                ),
            );
        }
        if index == 0 && !variant.adapt.is_empty() {
            let message = "the first version's signature is the route's, so it has no `inputs` and `outputs` of its own";
            flaw(Part::Variant(index), message.to_owned());
        }
        if !variant.weight.is_finite() || variant.weight < 0.0 {
            flaw(
                Part::Variant(index),
                format!("a weight is a number of 0 or more, not {}", variant.weight),
            );
        }
    }
    let sum: f64 = variants.iter().map(|variant| variant.weight).sum();
    if sum == 0.0 {
        flaw(
            Part::Split,
            "all weights are 0, so no version would answer; give one of them a weight".to_owned(),
        );
    } else if sum.is_infinite() {
        flaw(
            Part::Split,
            "the weights' sum is too large to be a number; make all of them smaller".to_owned(),
        );
    }
}

fn rule_alone(index: usize, rule: &Rule, parts: &Parts, flaw: &mut impl FnMut(Part, String)) {
    let never = |why: &str| format!("can never match: {why}");
    if rule.to >= parts.variants.len() {
        flaw(
            Part::Rule(index),
            format!(
                "leads to variant {}, and there are {}",
                rule.to,
                parts.variants.len()
            ),
        );
    }
    if !(0.0..=100.0).contains(&rule.percent) {
        flaw(
            Part::Rule(index),
            format!(
                "percent is more than 0 and at most 100, not {}",
                rule.percent
            ),
        );
    } else if rule.percent == 0.0 {
        flaw(
            Part::Rule(index),
            never("it takes 0 percent; leave it out instead"),
        );
    }
    if rule.when.len() > CONDITIONS_MAX {
        let message = format!(
            "{} conditions; at most {CONDITIONS_MAX} are allowed",
            rule.when.len()
        );
        flaw(Part::Rule(index), message);
    }
    for (number, condition) in rule.when.iter().enumerate().take(CONDITIONS_MAX) {
        let part = Part::Condition(index, number);
        if matches!(&condition.test, Test::OneOf(values) if values.is_empty()) {
            flaw(part, never("`one_of` is empty"));
            continue;
        }
        let same = rule.when[..number]
            .iter()
            .find(|earlier| earlier.source == condition.source);
        if same.is_some_and(|earlier| earlier.test.excludes(&condition.test)) {
            flaw(
                part,
                never("another condition of this rule excludes this one"),
            );
        }
    }
}

/// Whether the earlier rule takes everything that the later one would.
fn shadows(earlier: &Rule, later: &Rule) -> bool {
    let follows = |wanted: &Condition| {
        later
            .when
            .iter()
            .any(|given| given.source == wanted.source && given.test.implies(&wanted.test))
    };
    earlier.percent >= 100.0 && earlier.when.iter().all(follows)
}
