//! Routes: what is accepted, what is refused and with which message, and that a digest covers what
//! they mean.

use super::*;
use crate::route::{Source, Test as Asks};

const ROUTE: &str = "\
apiVersion: hotstage.dev/v1
kind: Route
metadata: { name: tumor }
spec:
  split: [ { version: \"1\", weight: 90 }, { version: \"2\", weight: 10 } ]
  sticky: { header: X-Patient-Id }
  rules:
    - { when: { header: { X-Cohort: pilot, x-site: { prefix: eu- } } }, version: \"2\" }
    - { when: { cookie: { Beta: { present: true } } }, version: \"2\", percent: 50 }
    - { when: { header: { x-agent: { matches: 'test/[0-9]+' } } }, version: \"1\" }
";

fn route(text: &str) -> WrittenRoute {
    parse("r.yaml", text)
        .unwrap_or_else(|problems| panic!("{problems}\nin\n{text}"))
        .routes
        .remove(0)
}

#[track_caller]
fn check(from: &str, to: &str, expect: &str) {
    assert!(ROUTE.contains(from), "{from}");
    let text = ROUTE.replacen(from, to, 1);
    assert_eq!(
        parse("r.yaml", &text).unwrap_err().to_string(),
        expect,
        "{to}"
    );
}

#[test]
fn a_route_is_read() {
    let route = route(ROUTE);
    let parts = route.route().parts();
    assert_eq!(
        (route.name().as_str(), parts.salt.as_str(), parts.pin),
        ("tumor", "tumor", false)
    );
    let weights: Vec<f64> = parts
        .variants
        .iter()
        .map(|variant| variant.weight)
        .collect();
    assert_eq!(weights, [90.0, 10.0]);
    assert_eq!(parts.sticky, Some(Source::Header("x-patient-id".into())));
    assert_eq!(parts.rules[0].when[0].test, Asks::Equals("pilot".into()));
    assert_eq!(parts.rules[1].when[0].source, Source::Cookie("Beta".into()));
    assert_eq!((parts.rules[1].percent, parts.rules[1].to), (50.0, 1));
    assert!(parts.rules[2].when[0].test.holds(Some(b"test/12")));
}

#[test]
fn the_canonical_text_is_a_route_of_the_same_digest() {
    let one = route(ROUTE);
    let back = WrittenRoute::parse(&one.canonical()).unwrap();
    assert_eq!(back.digest(), one.digest());
    let same = ROUTE
        .replace("name: tumor", "name: tumor, description: x")
        .replace("weight: 90", "weight: 9e1");
    assert_eq!(route(&same).digest(), one.digest());
    for (from, to) in [
        ("90", "91"),
        ("X-Patient-Id", "user"),
        ("pilot", "beta"),
        ("percent: 50", "percent: 51"),
    ] {
        assert_ne!(
            route(&ROUTE.replacen(from, to, 1)).digest(),
            one.digest(),
            "{to}"
        );
    }
    assert!(WrittenRoute::parse(ROUTE).is_err());
    assert!(WrittenRoute::parse(&one.canonical().replace("\"pin\":false,", "")).is_err());
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    check(
        "weight: 90",
        "weight: -1",
        "r.yaml:5:12: spec.split[0]: a weight is a number of 0 or more, not -1",
    );
    check(
        "[ { version: \"1\", weight: 90 }, { version: \"2\", weight: 10 } ]",
        "[ { version: \"1\", weight: 0 }, { version: \"2\", weight: 0 } ]",
        "r.yaml:5:3: spec.split: all weights are 0, so no version would answer; give one of them a weight",
    );
    check(
        "version: \"1\" }\n",
        "version: \"3\" }\n",
        "r.yaml:10:77: spec.rules[2].version: the split has no version `3`; known: `1` and `2`; give it the weight 0 \
         there",
    );
    check(
        "{ header: X-Patient-Id }",
        "{ header: x, cookie: y }",
        "r.yaml:6:11: spec.sticky: needs one of `header`, `cookie`, `parameter`, `input`, and has 2",
    );
    check(
        "percent: 50",
        "percent: 0",
        "r.yaml:9:7: spec.rules[1]: can never match: it takes 0 percent; leave it out instead",
    );
    check(
        "'test/[0-9]+'",
        "'(a|b)*a(a|b){20}'",
        "r.yaml:10:47: spec.rules[2].when.header.x-agent.matches: `(a|b)*a(a|b){20}` would take too much memory to \
         decide quickly; repeat fewer times, or say the same with `prefix`",
    );
    check(
        "sticky:",
        "stiky:",
        "r.yaml:6:3: spec.stiky: unknown key; did you mean `sticky`?",
    );
    let earlier = "    - { version: \"1\" }\n    - { when: { header: { X-Cohort";
    check(
        "    - { when: { header: { X-Cohort",
        earlier,
        "r.yaml:9:7: spec.rules[1]: can never match: rules[0] takes every request that fits it; put it before that one\n\
         r.yaml:10:7: spec.rules[2]: can never match: rules[0] takes every request that fits it; put it before that one\n\
         r.yaml:11:7: spec.rules[3]: can never match: rules[0] takes every request that fits it; put it before that one",
    );
}

#[test]
fn a_name_has_one_route() {
    let twice = parse("r.yaml", &format!("{ROUTE}---\n{ROUTE}")).unwrap();
    let problems = check_set(&twice).unwrap_err().to_string();
    assert_eq!(
        problems,
        "r.yaml:14:19: metadata.name: route `tumor` is declared twice; the first is in r.yaml, line 3"
    );
}
