//! `kind: Rollout`: what strategies mean, the canonical text, what is refused.

use serde_json::{Value, json};

use super::super::{WrittenRollout, parse};

fn document(spec: &Value) -> String {
    json!({ "apiVersion": "hotstage.dev/v1", "kind": "Rollout", "metadata": { "name": "m" }, "spec": spec }).to_string()
}

fn read(spec: &Value) -> WrittenRollout {
    let documents =
        parse("t.yaml", &document(spec)).unwrap_or_else(|problems| panic!("{problems}"));
    documents.rollouts.into_iter().next().unwrap()
}

fn percents(spec: &Value) -> Vec<f64> {
    read(spec)
        .plan()
        .steps
        .iter()
        .map(|step| step.percent)
        .collect()
}

#[test]
fn strategies_are_steps() {
    assert_eq!(percents(&json!({ "to": "2" })), [10.0]);
    assert_eq!(
        percents(&json!({ "to": "2", "strategy": "linear", "percent": 30 })),
        [30.0, 60.0, 90.0, 100.0]
    );
    assert_eq!(
        percents(&json!({ "to": "2", "strategy": "linear" })),
        [20.0, 40.0, 60.0, 80.0, 100.0]
    );
    assert_eq!(
        percents(&json!({ "to": "2", "strategy": "all-at-once" })),
        [100.0]
    );
    assert_eq!(
        percents(&json!({ "to": "2", "strategy": "mirror-first", "percent": 5 })),
        [0.0, 5.0]
    );
    assert_eq!(
        percents(&json!({ "to": "2", "steps": [{ "percent": 1 }, { "percent": 50 }] })),
        [1.0, 50.0]
    );
}

#[test]
fn the_canonical_text_says_every_default_and_reads_back() {
    let guards = json!([{ "name": "slow", "p99": "50ms" }, { "errors": 0.01, "min_samples": 7, "window": "5s" }]);
    let specs = [
        json!({ "to": "2" }),
        json!({ "to": "2", "guards": [
            { "metric": { "stage": "label", "name": "score", "min": 0.25 } },
            { "metric": { "stage": "label", "name": "score", "max": 1 }, "name": "high" },
        ] }),
        json!({ "to": "2", "from": "1", "guards": guards, "labels": ["live"], "timeout": "1h", "bake": "90s" }),
    ];
    for spec in specs {
        let written = read(&spec);
        let text = written.canonical();
        let again = WrittenRollout::parse(&text).unwrap();
        assert_eq!(
            (again.plan(), again.digest()),
            (written.plan(), written.digest())
        );
        assert!(WrittenRollout::parse(&text.replace("\"to\"", " \"to\"")).is_err());
    }
    let text = read(&json!({ "to": "2" })).canonical();
    for part in [
        r#""p99_ratio":2"#,
        r#""errors":0.01"#,
        r#""labels":["stable"]"#,
        r#""window":"1m""#,
        r#""bake":"5m""#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// Each of the specs is refused with a message that has the words.
fn refused(specs: &[(Value, &str)]) {
    for (spec, expect) in specs {
        let problems = parse("t.yaml", &document(spec)).unwrap_err().to_string();
        assert!(problems.contains(expect), "{expect}: {problems}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    refused(&[
        (json!({}), "spec.to: missing"),
        (
            json!({ "to": "2", "from": "2" }),
            "spec.from: version `2` can't take over from itself",
        ),
        (
            json!({ "to": "2", "strategy": "canery" }),
            "spec.strategy: ",
        ),
        (
            json!({ "to": "2", "percent": 0.5 }),
            "spec.percent: percent is 1 to 100",
        ),
        (
            json!({ "to": "2", "steps": [] }),
            "spec.steps: a rollout has 1 to 100 steps, not 0",
        ),
        (
            json!({ "to": "2", "steps": [{ "percent": 9 }, { "percent": 9 }] }),
            "spec.steps: each step gives more",
        ),
        (
            json!({ "to": "2", "steps": [{ "percent": 9 }], "bake": "1m" }),
            "spec.bake: `bake` makes steps",
        ),
        (json!({ "to": "2", "bake": "30d" }), "spec.bake: "),
    ]);
}

#[test]
fn a_guard_that_makes_no_sense_is_refused_where_it_stands() {
    refused(&[
        (
            json!({ "to": "2", "guards": [{ "errors": 1.5 }] }),
            "spec.guards[0].errors: a share is 0 or more",
        ),
        (
            json!({ "to": "2", "guards": [{ "errors": 0.1, "min_samples": 0 }] }),
            "spec.guards[0].min_samples: 0 is less",
        ),
        (
            json!({ "to": "2", "guards": [{ "name": "a" }] }),
            "spec.guards[0]: a guard has one of the measures",
        ),
        (
            json!({ "to": "2", "guards": [{ "metric": { "stage": "s", "name": "Score", "min": 1 } }] }),
            "spec.guards[0].metric.name: a stage's metric is called by",
        ),
        (
            json!({ "to": "2", "guards": [{ "metric": { "stage": "s", "name": "score" } }] }),
            "spec.guards[0].metric: a metric has a `min` or a `max`",
        ),
        (
            json!({ "to": "2", "guards": [{ "metric": { "name": "a", "max": 1 } }] }),
            "guards[0].metric.stage: missing",
        ),
        (
            json!({ "to": "2", "guards": [{ "errors": 0.1, "metric": { "stage": "s", "name": "a", "max": 1 } }] }),
            "and this one has 2",
        ),
        (
            json!({ "to": "2", "guards": [{ "errors": 0.1 }, { "errors": 0.2 }] }),
            "two guards are called `errors`",
        ),
        (
            json!({ "to": "2", "guards": [{ "disagreement": 0.1 }] }),
            "would never see a sample",
        ),
        (
            json!({ "to": "2", "guards": [{ "errors": 0.1, "tolerance": 1 }] }),
            "spec.guards[0].tolerance: belongs to",
        ),
    ]);
}
