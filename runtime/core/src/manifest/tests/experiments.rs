//! A route's experiment: what is accepted, what is refused and with which message, and what it does
//! to a digest.

use std::time::Duration;

use super::*;
use crate::experiment::{Adapt, Bounds, Plan};

const ROUTE: &str = "\
apiVersion: hotstage.dev/v1
kind: Route
metadata: { name: tumor }
spec:
  split: [ { version: \"1\", weight: 90 }, { version: \"2\", weight: 10 } ]
  experiment: { reward: { name: clicked } }
";

fn route(text: &str) -> WrittenRoute {
    parse("r.yaml", text)
        .unwrap_or_else(|problems| panic!("{problems}\nin\n{text}"))
        .routes
        .remove(0)
}

fn with(experiment: &str) -> String {
    ROUTE.replace(
        "reward: { name: clicked }",
        &format!("reward: {{ name: clicked }}, {experiment}"),
    )
}

#[track_caller]
fn refused(text: &str, expect: &str) {
    assert_eq!(
        parse("r.yaml", text).unwrap_err().to_string(),
        expect,
        "{text}"
    );
}

#[test]
fn an_experiment_is_read_and_has_defaults() {
    let plan = route(ROUTE).experiment().cloned().unwrap();
    let expected = Plan {
        reward: "clicked".into(),
        alpha: 0.05,
        worth: 0.01,
        keep: Duration::from_secs(604_800),
        adapt: None,
    };
    assert_eq!(plan, expected);
    let adaptive = with(
        "alpha: 0.01, strategy: adaptive, every: 5m, bounds: { least: 20 }, drawn: { '2': 30, '1': 70 }",
    );
    let plan = route(&adaptive).experiment().cloned().unwrap();
    let bounds = Bounds {
        least: 20.0,
        most: 95.0,
    };
    let adapt = Adapt {
        every: Duration::from_secs(300),
        bounds,
        drawn: Some(vec![70.0, 30.0]),
    };
    assert_eq!(
        plan,
        Plan {
            alpha: 0.01,
            adapt: Some(adapt),
            ..expected
        }
    );
}

#[test]
fn a_route_without_one_keeps_its_text_and_one_with_it_comes_back() {
    let without = route(&ROUTE.replace("  experiment: { reward: { name: clicked } }\n", ""));
    assert!(!without.canonical().contains("experiment"));
    assert_eq!(without.experiment(), None);
    let mut digests = vec![without.digest(), route(ROUTE).digest()];
    for more in [
        "alpha: 0.01",
        "worth: 0.5",
        "keep: 1h",
        "strategy: adaptive",
        "strategy: adaptive, every: 2m",
    ] {
        let one = route(&with(more));
        let back = WrittenRoute::parse(&one.canonical()).unwrap();
        assert_eq!(
            (back.digest(), back.experiment()),
            (one.digest(), one.experiment()),
            "{more}"
        );
        digests.push(one.digest());
    }
    let many = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), many);
    assert_eq!(
        route(&with("alpha: 0.05, strategy: fixed")).digest(),
        route(ROUTE).digest()
    );
}

#[test]
fn a_move_is_the_same_route_with_other_weights_for_chance() {
    let one = route(&with("strategy: adaptive"));
    let moved = one.drawing_by(vec![25.5, 74.5]).unwrap();
    assert_eq!(
        moved.experiment().and_then(Plan::drawn),
        Some(&[25.5, 74.5][..])
    );
    assert_eq!(moved.route().parts().variants, one.route().parts().variants);
    assert!(route(ROUTE).drawing_by(vec![1.0, 1.0]).is_none());
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    let at = "r.yaml:6:";
    refused(
        &with("alpha: 0.5"),
        &format!("{at}51: spec.experiment.alpha: 0.5 is not from 0.000001 on and less than 0.5"),
    );
    refused(
        &with("keep: 1s"),
        &format!("{at}50: spec.experiment.keep: 1s is not from 1m to 2160h"),
    );
    refused(
        &with("every: 1m"),
        &format!(
            "{at}51: spec.experiment.every: says how weights move, and they don't; add `strategy: adaptive`"
        ),
    );
    refused(
        &with("strategy: adaptive, bounds: { least: 60 }"),
        &format!(
            "{at}72: spec.experiment: 2 variants with a weight can't share 100 percent when each gets at least 60 and \
             at most 95"
        ),
    );
    refused(
        &with("strategy: adaptive, drawn: { '1': 3 }"),
        &format!(
            "{at}71: spec.experiment.drawn: lacks version `2`; each version of the split needs a weight here"
        ),
    );
    refused(
        &with("stratgy: fixed"),
        &format!("{at}44: spec.experiment.stratgy: unknown key; did you mean `strategy`?"),
    );
    refused(
        &ROUTE
            .replace("reward: { name: clicked }", "{}")
            .replace("{ {} }", "{ alpha: 0.1 }"),
        &format!("{at}15: spec.experiment.reward: missing"),
    );
    refused(
        &ROUTE.replace(", { version: \"2\", weight: 10 }", ""),
        &format!(
            "{at}15: spec.experiment: compares variants, and the split has one; name another version there"
        ),
    );
}
