//! Graphs: what is accepted, what is refused and with which message, and that a digest covers what
//! they mean.

use super::*;
use crate::graph::{Branch, Does, ResolvedGraph};

const GRAPH: &str = "\
apiVersion: hotstage.dev/v1
kind: Graph
metadata: { name: careful, version: \"1\" }
spec:
  deadline: 500ms
  nodes:
    - { name: first, pipeline: tumor, version: 1 }
    - name: second
      switch:
        - { when: { tensor: first.score, between: [0.3, 0.7] }, pipeline: tumor, version: \"2\" }
        - { when: { tensor: label, one_of: [odd], rows: all }, pipeline: tumor, version: \"3\", outputs: { p: score } }
      default: pass
    - name: vote
      ensemble:
        - { pipeline: tumor, version: \"1\" }
        - { pipeline: tumor, version: \"2\", soft: true, timeout: 100ms }
      merge: { score: mean, label: vote }
    - name: arm
      splitter: [ { pipeline: tumor, version: \"1\", weight: 9 }, { pipeline: tumor, version: \"2\" } ]
      sticky: request.features
      inputs: { features: request.features }
  outputs: [label, score]
  tests:
    - { name: a row, request: ./row.json, expect: { outputs: [{}] } }
";

fn graph_of(text: &str) -> WrittenGraph {
    parse("g.yaml", text)
        .unwrap_or_else(|problems| panic!("{problems}\nin\n{text}"))
        .graphs
        .remove(0)
}

fn found(branch: &Branch<Option<Digest>>) -> Result<Digest, String> {
    match branch.version.as_str() {
        "9" => Err("there is no version `9`".to_owned()),
        version => Ok(Digest::of(version.as_bytes())),
    }
}

fn canonical(text: &str) -> String {
    graph_of(text)
        .resolve(&mut Texts, found)
        .unwrap()
        .canonical()
}

#[track_caller]
fn check(from: &str, to: &str, expect: &str) {
    assert!(GRAPH.contains(from), "{from}");
    let text = GRAPH.replacen(from, to, 1);
    assert_eq!(
        parse("g.yaml", &text).unwrap_err().to_string(),
        expect,
        "{to}"
    );
}

#[test]
fn a_graph_is_read() {
    let written = graph_of(GRAPH);
    let graph = written.graph();
    assert_eq!(
        (graph.name.as_str(), graph.version.as_str()),
        ("careful", "1")
    );
    assert_eq!(graph.deadline, Some(std::time::Duration::from_millis(500)));
    let paths: Vec<String> = graph
        .branches()
        .map(|(path, branch)| format!("{path} {}", branch.shown()))
        .collect();
    assert_eq!(
        paths,
        [
            "spec.nodes[0] tumor/1",
            "spec.nodes[1].switch[0] tumor/2",
            "spec.nodes[1].switch[1] tumor/3",
            "spec.nodes[2].ensemble[0] tumor/1",
            "spec.nodes[2].ensemble[1] tumor/2",
            "spec.nodes[3].splitter[0] tumor/1",
            "spec.nodes[3].splitter[1] tumor/2",
        ]
    );
    assert!(matches!(&graph.nodes[2].does, Does::Ensemble { soft, .. } if *soft == [false, true]));
    let problem = written.problem(&KeyPath::node(1).key("switch").index(1), "no");
    assert_eq!(
        problem.to_string(),
        "g.yaml:11:11: spec.nodes[1].switch[1]: no"
    );
    let absent = GRAPH.replacen("version: \"2\" }", "version: \"9\" }", 1);
    let absent = graph_of(&absent).resolve(&mut Texts, found).unwrap_err();
    let expect = "g.yaml:10:91: spec.nodes[1].switch[0].version: there is no version `9`";
    assert_eq!(absent.to_string(), expect);
}

#[test]
fn the_canonical_text_is_a_graph_of_the_same_digest() {
    let text = canonical(GRAPH);
    let back = ResolvedGraph::parse(&text).unwrap();
    assert_eq!(
        (back.canonical(), back.digest()),
        (text.clone(), Digest::of(text.as_bytes()))
    );
    // It is a manifest itself.
    assert_eq!(canonical(&text), text);
    let same = GRAPH
        .replace("500ms", "500000us")
        .replace("version: 1 }", "version: \"1\" }")
        .replace("[odd]", "[ odd ]");
    assert_eq!(canonical(&same), text);
    for (from, to) in [
        ("500ms", "501ms"),
        ("0.7", "0.8"),
        ("rows: all", "rows: any"),
        (
            "default: pass",
            "default: { pipeline: tumor, version: \"2\" }",
        ),
        ("soft: true", "soft: false"),
        ("timeout: 100ms", "timeout: 101ms"),
        (", timeout: 100ms", ""),
        ("mean", "max"),
        ("weight: 9", "weight: 8"),
        ("version: 1 }", "version: 2 }"),
        ("sticky: request.features\n", "sticky: label\n"),
    ] {
        assert!(GRAPH.contains(from), "{from}");
        assert_ne!(canonical(&GRAPH.replacen(from, to, 1)), text, "{to}");
    }
    assert!(ResolvedGraph::parse(GRAPH).is_err());
    assert!(ResolvedGraph::parse(&text.replace("\"soft\":false", "\"soft\": false")).is_err());
    assert!(
        ResolvedGraph::parse(&text.replace(&format!("\"digest\":\"{}\",", Digest::of(b"3")), ""))
            .is_err()
    );
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    check(
        "      default: pass\n",
        "",
        "g.yaml:8:7: spec.nodes[1].default: missing",
    );
    check(
        "      default: pass\n",
        "      default: pass\n      merge: {}\n",
        "g.yaml:13:14: spec.nodes[1].merge: goes with `ensemble`, and this node has `switch`",
    );
    check(
        "default: pass",
        "default: stop",
        "g.yaml:12:16: spec.nodes[1].default: unknown value `stop`; known: `pass`",
    );
    check(
        "{ name: first, pipeline: tumor, version: 1 }",
        "{ name: first }",
        "g.yaml:7:7: spec.nodes[0]: needs one of `pipeline`, `ensemble`, `switch` and `splitter`, and has 0",
    );
    check(
        "name: first",
        "name: vote",
        "g.yaml:13:13: spec.nodes[2].name: another node is called `vote`: the one on line 7",
    );
    check(
        "name: first",
        "name: request",
        "g.yaml:7:15: spec.nodes[0].name: `request` means the client's request in a source; call the node \
         something else",
    );
    check(
        "between: [0.3, 0.7]",
        "between: [0.7, 0.3]",
        "g.yaml:10:51: spec.nodes[1].switch[0].when.between: the first bound is larger than the second, so nothing \
         lies between",
    );
    check(
        "between: [0.3, 0.7]",
        "betwen: [0.3, 0.7]",
        "g.yaml:10:19: spec.nodes[1].switch[0].when: needs one of `less`, `at_most`, `greater`, `at_least`, `between`, \
         `equals`, `one_of`, and has 0\n\
         g.yaml:10:42: spec.nodes[1].switch[0].when.betwen: unknown key; did you mean `between`?",
    );
    check(
        "mean",
        "mode",
        "g.yaml:17:23: spec.nodes[2].merge.score: unknown value `mode`; known: `mean`, `max`, `min`, `vote` and \
         `first`",
    );
    check(
        "weight: 9 }, { pipeline: tumor, version: \"2\" }",
        "weight: 0 }",
        "g.yaml:19:17: spec.nodes[3].splitter: all weights are 0, so no pipeline would be called; give one of them a weight",
    );
    check(
        "version: \"3\", outputs",
        "version: \"3\", digest: ./x, outputs",
        "g.yaml:11:103: spec.nodes[1].switch[1].digest: expected a digest, like `sha256:…`, found the text `./x`",
    );
    check(
        "tensor: label, one_of: [odd], rows: all",
        "tensor: first.score, between: [0.3, 0.7]",
        "g.yaml:11:11: spec.nodes[1].switch[1]: can never be called: switch[0] has the same condition and comes first",
    );
}

#[test]
fn a_time_that_makes_no_sense_is_refused_where_it_stands() {
    check(
        "timeout: 100ms",
        "timeout: 500ms",
        "g.yaml:16:65: spec.nodes[2].ensemble[1].timeout: 500ms is not less than the graph's deadline of 500ms, which \
         ends the request before it",
    );
    check(
        "default: pass",
        "default: pass\n      timeout: 1s",
        "g.yaml:13:16: spec.nodes[1].timeout: goes with `pipeline`, and this node has `switch`",
    );
    check(
        "500ms",
        "500",
        "g.yaml:5:13: spec.deadline: `500` lacks a unit: `us`, `ms`, `s`, `m` and `h`",
    );
}

#[test]
fn a_graph_is_a_version_as_a_pipeline_is() {
    let pipeline = TUMOR.replace(
        "name: tumor, version: \"2\"",
        "name: careful, version: \"1\"",
    );
    let twice = parse("g.yaml", &format!("{pipeline}---\n{GRAPH}")).unwrap();
    let problems = check_set(&twice).unwrap_err().to_string();
    assert_eq!(
        problems,
        "g.yaml:23:37: metadata.version: graph `careful` version `1` is declared twice; the first is in g.yaml, line 3"
    );
}
