//! `experiment` of a route: what its variants are compared by, and whether weights move by
//! themselves.
//!
//! ```yaml
//! spec:
//!   experiment:
//!     reward: { name: clicked }
//!     strategy: adaptive
//!     bounds: { least: 10, most: 90 }
//! ```
//!
//! Defaults and bounds: those of [`experiment`](crate::experiment). The server writes `drawn` when
//! it moves weights: the weights of requests without a key.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::decode::{Decoder, Fields};
use super::node::{Data, Entry, Node};
use super::problem::Step;
use crate::experiment::{
    ALPHA, ALPHA_MAX, Adapt, Bounds, EVERY, EVERY_MAX, EVERY_MIN, KEEP, KEEP_MAX, KEEP_MIN, LEAST,
    MOST, PART_MIN, Plan, REWARD_BYTES_MAX, WORTH,
};
use crate::quantity::{parse_duration, show_duration};
use crate::route::Parts;
use crate::suggest::hint;

const KEYS: [&str; 8] = [
    "reward", "alpha", "worth", "keep", "strategy", "every", "bounds", "drawn",
];
/// Keys that say how weights move.
const MOVES: [&str; 3] = ["every", "bounds", "drawn"];

/// The document's experiment, if it has one. `parts` is what could be read of the route.
pub(super) fn of(here: &mut Decoder, root: &Node, parts: Option<&Parts>) -> Option<Plan> {
    let spec = value(root, "spec")?;
    let written = value(spec, "experiment").filter(|node| !matches!(node.data, Data::Null))?;
    here.under(Step::Key("spec".to_owned()), |here| {
        here.under(Step::Key("experiment".to_owned()), |here| {
            plan(here, written, parts)
        })
    })
}

fn value<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Data::Map(entries) = &node.data else {
        return None;
    };
    entries
        .iter()
        .find(|entry| entry.key == key)
        .map(|entry| &entry.value)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Strategy {
    #[default]
    Fixed,
    Adaptive,
}

fn plan(here: &mut Decoder, node: &Node, parts: Option<&Parts>) -> Option<Plan> {
    let fields = here.fields(node, &KEYS)?;
    let reward = here.required(&fields, "reward", reward);
    let alpha = here.optional(&fields, "alpha", |here, node| part(here, node, ALPHA_MAX));
    let worth = here.optional(&fields, "worth", |here, node| part(here, node, 1.0));
    let keep = here.optional(&fields, "keep", |here, node| {
        time(here, node, KEEP_MIN, KEEP_MAX)
    });
    let words = [("fixed", Strategy::Fixed), ("adaptive", Strategy::Adaptive)];
    let strategy = here
        .optional(&fields, "strategy", |here, node| here.word(node, &words))
        .unwrap_or_default();
    let adapt = match strategy {
        Strategy::Adaptive => Some(adapt(here, &fields, node, parts)),
        Strategy::Fixed => {
            for key in MOVES {
                here.optional(&fields, key, |here, node| {
                    here.report(
                        node.place,
                        "says how weights move, and they don't; add `strategy: adaptive`".into(),
                    );
                    Some(())
                });
            }
            None
        }
    };
    if parts.is_some_and(|parts| parts.variants.len() < 2) {
        here.report(
            node.place,
            "compares variants, and the split has one; name another version there".to_owned(),
        );
    }
    Some(Plan {
        reward: reward?,
        alpha: alpha.unwrap_or(ALPHA),
        worth: worth.unwrap_or(WORTH),
        keep: keep.unwrap_or(KEEP),
        adapt,
    })
}

fn reward(here: &mut Decoder, node: &Node) -> Option<String> {
    let fields = here.fields(node, &["name"])?;
    here.required(&fields, "name", |here, node| {
        let name = here.text(node)?;
        let sound = if name.len() > REWARD_BYTES_MAX {
            Err(format!(
                "has {} bytes; at most {REWARD_BYTES_MAX} are allowed",
                name.len()
            ))
        } else if name.chars().any(char::is_control) {
            Err("a reward's name can't have control characters".to_owned())
        } else {
            Ok(name.to_owned())
        };
        here.sound(node, sound)
    })
}

fn adapt(here: &mut Decoder, fields: &Fields<'_>, node: &Node, parts: Option<&Parts>) -> Adapt {
    let every = here.optional(fields, "every", |here, node| {
        time(here, node, EVERY_MIN, EVERY_MAX)
    });
    let bounds = here.optional(fields, "bounds", bounds).unwrap_or_default();
    let drawn = parts
        .and_then(|parts| here.optional(fields, "drawn", |here, node| drawn(here, node, parts)));
    // Variants without a weight are for rules and pins, and get no weight.
    let shared = parts.map(|parts| {
        parts
            .variants
            .iter()
            .filter(|variant| variant.weight > 0.0)
            .count()
    });
    if let Some(shared) = shared.filter(|shared| *shared > 1 && !bounds.fit(*shared)) {
        let Bounds { least, most } = bounds;
        let place = fields
            .get("bounds")
            .map_or(node.place, |bounds| bounds.place);
        let message = format!(
            "{shared} variants with a weight can't share 100 percent when each gets at least {least} and at most {most}"
        );
        here.report(place, message);
    }
    Adapt {
        every: every.unwrap_or(EVERY),
        bounds,
        drawn,
    }
}

fn bounds(here: &mut Decoder, node: &Node) -> Option<Bounds> {
    let fields = here.fields(node, &["least", "most"])?;
    let least = here.optional(&fields, "least", percent).unwrap_or(LEAST);
    let most = here.optional(&fields, "most", percent).unwrap_or(MOST);
    Some(Bounds { least, most })
}

/// A whole percent, so that shares can be whole tenths of it.
fn percent(here: &mut Decoder, node: &Node) -> Option<f64> {
    let Data::Number { value, written } = &node.data else {
        return here.expected("a whole percent, like 10", node);
    };
    let percent = value
        .as_f64()
        .filter(|percent| (1.0..=100.0).contains(percent) && percent.fract() == 0.0);
    here.sound(
        node,
        percent.ok_or_else(|| format!("{written} is not a whole percent from 1 to 100")),
    )
}

/// A weight for each version of the split.
fn drawn(here: &mut Decoder, node: &Node, parts: &Parts) -> Option<Vec<f64>> {
    let names = parts
        .variants
        .iter()
        .map(|variant| variant.version.as_str());
    for Entry { key, place, .. } in here.map(node)? {
        if !names.clone().any(|name| name == key) {
            let message = format!(
                "the split has no version `{key}`; {}",
                hint(key, names.clone())
            );
            here.under(Step::Key(key.clone()), |here| here.report(*place, message));
        }
    }
    let mut weights = Vec::new();
    for name in names {
        let Some(node) = value(node, name) else {
            here.report(
                node.place,
                format!("lacks version `{name}`; each version of the split needs a weight here"),
            );
            continue;
        };
        weights.extend(here.under(Step::Key(name.to_owned()), |here| weight(here, node)));
    }
    let sum: f64 = weights.iter().sum();
    if weights.len() == parts.variants.len() && !(sum > 0.0 && sum.is_finite()) {
        here.report(
            node.place,
            "all weights are 0, or too large; give one of them a weight".to_owned(),
        );
    }
    Some(weights)
}

fn weight(here: &mut Decoder, node: &Node) -> Option<f64> {
    let Data::Number { value, written } = &node.data else {
        return here.expected("a number of 0 or more", node);
    };
    let weight = value
        .as_f64()
        .filter(|weight| *weight >= 0.0 && weight.is_finite());
    here.sound(
        node,
        weight.ok_or_else(|| format!("a weight is a number of 0 or more, not {written}")),
    )
}

/// A number from [`PART_MIN`] on that is less than `end`.
fn part(here: &mut Decoder, node: &Node, end: f64) -> Option<f64> {
    let Data::Number { value, written } = &node.data else {
        return here.expected("a number, like 0.05", node);
    };
    let part = value
        .as_f64()
        .filter(|part| *part >= PART_MIN && *part < end);
    here.sound(
        node,
        part.ok_or_else(|| format!("{written} is not from {PART_MIN} on and less than {end}")),
    )
}

fn time(here: &mut Decoder, node: &Node, min: Duration, max: Duration) -> Option<Duration> {
    let time = match &node.data {
        Data::Text(text) => parse_duration(text),
        // The parser's error lists the units.
        Data::Number { written, .. } => parse_duration(written),
        _ => return here.expected("a time, like `1m`", node),
    };
    let time = here.sound(node, time.map_err(|error| error.to_string()))?;
    let is_sound = (min..=max).contains(&time);
    let (shown, min, max) = (show_duration(time), show_duration(min), show_duration(max));
    here.sound(
        node,
        if is_sound {
            Ok(time)
        } else {
            Err(format!("{shown} is not from {min} to {max}"))
        },
    )
}

/// The experiment in the canonical text.
pub(super) fn written(plan: &Plan, parts: &Parts) -> Value {
    let Plan {
        reward,
        alpha,
        worth,
        keep,
        adapt,
    } = plan;
    let mut written = json!({
        "reward": { "name": reward },
        "alpha": alpha,
        "worth": worth,
        "keep": show_duration(*keep),
        "strategy": if adapt.is_some() { "adaptive" } else { "fixed" },
    });
    let Some(Adapt {
        every,
        bounds,
        drawn,
    }) = adapt
    else {
        return written;
    };
    written["every"] = show_duration(*every).into();
    written["bounds"] = json!({ "least": bounds.least, "most": bounds.most });
    if let Some(weights) = drawn {
        let weights = parts.variants.iter().zip(weights);
        let weights = weights.map(|(variant, weight)| (variant.version.to_string(), json!(weight)));
        written["drawn"] = Value::Object(weights.collect::<Map<_, _>>());
    }
    written
}
