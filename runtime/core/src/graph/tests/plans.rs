//! Plans as tables of text: how nodes are wired, and what is refused.

use super::super::*;
use crate::datatype::Datatype;
use crate::manifest::parse;
use crate::signature::{Port, Signature};
use crate::wiring::{Accepts, StagePlan};

/// `features -1,30 -> label BYTES -1; score -1`.
fn signature(text: &str) -> Signature {
    let (inputs, outputs) = text.split_once("->").unwrap();
    let side = |text: &str| {
        let ports = text
            .split(';')
            .map(str::trim)
            .filter(|port| !port.is_empty());
        ports.map(port).collect()
    };
    Signature {
        inputs: side(inputs),
        outputs: side(outputs),
    }
}

fn port(text: &str) -> Port {
    let words: Vec<&str> = text.split(' ').collect();
    let (name, datatype, shape) = match words.as_slice() {
        [name, shape] => (name, Datatype::Fp32, shape),
        [name, datatype, shape] => (name, datatype.parse().unwrap(), shape),
        _ => panic!("{text}"),
    };
    let shape = shape.split(',').map(|size| size.parse().ok()).collect();
    Port {
        name: (*name).to_owned(),
        datatype,
        shape,
    }
}

const TUMOR: &str = "features -1,30 -> label BYTES -1; score -1";

/// Members are named by their signature: version `x` of `tumor` has the signature that `members`
/// lists for it.
fn planned(nodes: &str, members: &[(&str, &str)]) -> String {
    let text = format!(
        "apiVersion: hotstage.dev/v1\nkind: Graph\nmetadata: {{ name: g, version: \"1\" }}\nspec:\n  nodes:\n{nodes}"
    );
    let graph = parse("g.yaml", &text)
        .unwrap_or_else(|problems| panic!("{problems}\nin\n{text}"))
        .graphs
        .remove(0);
    let graph = graph.graph();
    let signatures: Vec<(&str, Signature)> = members
        .iter()
        .map(|(name, text)| (*name, signature(text)))
        .collect();
    let of = |branch: &Branch<Option<Digest>>| {
        &signatures
            .iter()
            .find(|(version, _)| *version == branch.version.as_str())
            .unwrap()
            .1
    };
    let members: Vec<Vec<&Signature>> = graph
        .nodes
        .iter()
        .map(|node| node.branches.iter().map(of).collect())
        .collect();
    match plan(graph, &members, Accepts::Tensors) {
        Err(wrong) => joined(&wrong, "\n"),
        Ok(plan) => table(&plan),
    }
}

fn joined(parts: &[impl ToString], by: &str) -> String {
    let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
    parts.join(by)
}

/// The plan, with a line for each node.
fn table(Plan { wiring, nodes }: &Plan) -> String {
    let nodes = wiring.stages.iter().zip(nodes);
    let mut lines = vec![format!("in {}", joined(&wiring.signature.inputs, "; "))];
    lines.extend(nodes.map(|(stage, node)| line(stage, node)));
    lines.push(format!(
        "out {} from {:?}",
        joined(&wiring.signature.outputs, "; "),
        wiring.answers
    ));
    lines.join("\n")
}

fn line(stage: &StagePlan, node: &NodePlan) -> String {
    let slots: Vec<usize> = stage.takes.iter().map(|take| take.slot).collect();
    let looks: Vec<usize> = stage.looks.iter().map(|look| look.slot).collect();
    let gives = match &node.gives {
        Gives::One(gives) => format!("{gives:?}"),
        Gives::All(gives) => format!("{} outputs", gives.len()),
    };
    format!(
        "reads {looks:?} takes {slots:?} for {:?} gives {gives} or {:?}",
        node.takes, node.pass
    )
}

#[track_caller]
fn check(nodes: &str, members: &[(&str, &str)], expect: &str) {
    assert_eq!(planned(nodes, members), expect);
}

const CAREFUL: &str = "
    - { name: first, pipeline: tumor, version: a }
    - name: second
      switch: [ { when: { tensor: first.score, between: [0.3, 0.7] }, pipeline: tumor, version: b } ]
      default: pass
";

#[test]
fn a_switch_calls_a_branch_or_passes_on() {
    check(
        CAREFUL,
        &[("a", TUMOR), ("b", TUMOR)],
        "in features FP32 [-1, 30]\n\
         reads [] takes [0] for [[0]] gives [[0, 1]] or []\n\
         reads [2] takes [0, 1, 2] for [[0]] gives [[0, 1]] or [1, 2]\n\
         out label BYTES [-1]; score FP32 [-1] from [3, 4]",
    );
    // The second one gives the same in another order, and knows more of what it takes.
    check(
        CAREFUL,
        &[
            ("a", "features -1,-1 -> label BYTES -1; score -1"),
            ("b", "features 1,30 -> score 1; label BYTES -1"),
        ],
        "in features FP32 [1, 30]\n\
         reads [] takes [0] for [[0]] gives [[0, 1]] or []\n\
         reads [2] takes [0, 2, 1] for [[0]] gives [[0, 1]] or [1, 2]\n\
         out score FP32 [1]; label BYTES [-1] from [3, 4]",
    );
}

const BOTH: [(&str, &str); 2] = [("a", TUMOR), ("b", TUMOR)];

/// Changes one thing in the careful switch.
#[track_caller]
fn refused(from: &str, to: &str, members: &[(&str, &str)], expect: &str) {
    assert!(CAREFUL.contains(from));
    check(&CAREFUL.replacen(from, to, 1), members, expect);
}

#[test]
fn an_invalid_condition_is_refused_where_it_stands() {
    refused(
        "first.score",
        "first.scor",
        &BOTH,
        "spec.nodes[1].switch[0].when.tensor: there is no tensor `first.scor` here; did you mean `first.score`? \
         reachable: `first.score` FP32 [-1], `first.label` BYTES [-1], `request.features` FP32 [-1, 30]",
    );
    refused(
        "first.score",
        "second.score",
        &BOTH,
        "spec.nodes[1].switch[0].when.tensor: there is no tensor `second.score` here; a node can't take what it makes \
         itself; did you mean `first.score`? reachable: `first.score` FP32 [-1], `first.label` BYTES [-1], \
         `request.features` FP32 [-1, 30]",
    );
    refused(
        "first.score, between: [0.3, 0.7]",
        "first.label, less: 1",
        &BOTH,
        "spec.nodes[1].switch[0].when: BYTES has no order; compare it with `equals` or `one_of`",
    );
    refused(
        "between: [0.3, 0.7]",
        "equals: 1",
        &BOTH,
        "spec.nodes[1].switch[0].when: FP32 is seldom exactly a number; say `between`",
    );
}

#[test]
fn a_default_that_does_not_fit_is_refused_where_it_stands() {
    refused(
        "default: pass",
        "default: { pipeline: tumor, version: c }",
        &[
            ("a", TUMOR),
            ("b", TUMOR),
            ("c", "features -1,30 -> label BYTES -1; score FP64 -1"),
        ],
        "spec.nodes[1].default.outputs.score: `tumor/c` gives `score` FP64 [-1] where `tumor/b` gives FP32 [-1]; a \
         node gives the same whichever branch answers",
    );
    refused(
        "default: pass",
        "default: { pipeline: tumor, version: c }",
        &[
            ("a", TUMOR),
            ("b", TUMOR),
            ("c", "features -1,30 -> label BYTES -1; scores -1"),
        ],
        "spec.nodes[1].default: `tumor/c` gives no `score`, which `tumor/b` gives; did you mean `scores`?; a node \
         gives the same whichever branch answers: rename an output under the branch's `outputs`",
    );
    refused(
        "default: pass",
        "default: { pipeline: tumor, version: c, inputs: { feature: x } }",
        &[
            ("a", TUMOR),
            ("b", TUMOR),
            ("c", "features -1,29 -> label BYTES -1; score -1"),
        ],
        "spec.nodes[1].default.inputs.feature: `tumor/c` has no such input; did you mean `features`?\n\
         spec.nodes[1].default.inputs.features: `tumor/c` takes `features` FP32 [-1, 29], and another branch takes \
         FP32 [-1, 30] by that name; call one of them something else under its branch's `inputs`",
    );
    let alone = CAREFUL.replace("    - { name: first, pipeline: tumor, version: a }\n", "");
    check(
        &alone.replace("first.score", "request.features"),
        &BOTH,
        "spec.nodes[0].default: nothing comes before the first node that could be passed on; name a pipeline",
    );
}

#[test]
fn an_ensemble_merges_what_several_give() {
    let panel = "
    - name: panel
      ensemble:
        - { pipeline: tumor, version: a }
        - { pipeline: tumor, version: b, soft: true, outputs: { p: score } }
        - { pipeline: tumor, version: c }
      merge: { score: mean, label: vote }
";
    let members = [
        ("a", TUMOR),
        ("b", "features -1,30; age INT64 -1 -> p 1"),
        ("c", "features -1,30 -> label BYTES -1; size INT64 -1"),
    ];
    check(
        panel,
        &members,
        "in features FP32 [-1, 30]; age INT64 [-1]\n\
         reads [] takes [0, 1] for [[0], [0, 1], [0]] gives 3 outputs or []\n\
         out label BYTES [-1]; score FP32 [-1]; size INT64 [-1] from [2, 3, 4]",
    );
    check(
        &panel.replace("{ score: mean, label: vote }", "{ label: mean, scor: max }"),
        &members,
        "spec.nodes[0].merge.label: the mean of BYTES is no BYTES; say `vote` or `first`\n\
         spec.nodes[0].merge: `tumor/a` and `tumor/b` give `score`; choose under `merge` how it is merged (mean, max, \
         min, vote, first), or rename it under a member's `outputs`\n\
         spec.nodes[0].merge.scor: no member gives that; did you mean `score`?",
    );
    check(
        &panel.replace(", outputs: { p: score }", ""),
        &members,
        "spec.nodes[0].ensemble[1].soft: only the soft member `tumor/b` gives `p`, so an answer could lack it; make \
         the member hard",
    );
    check(
        panel,
        &[members[0], ("b", "features -1,30 -> p FP64 -1"), members[2]],
        "spec.nodes[0].merge.score: `tumor/b` gives FP64 [-1] and another member FP32 [-1]; merged outputs must have \
         the same datatype and shape",
    );
}

#[test]
fn a_splitter_reads_its_key() {
    check(
        "
    - name: arm
      splitter: [ { pipeline: tumor, version: a, weight: 9 }, { pipeline: tumor, version: b } ]
      sticky: request.features
      outputs: { score: risk }
",
        &[("a", TUMOR), ("b", TUMOR)],
        "in features FP32 [-1, 30]\n\
         reads [0] takes [0] for [[0], [0]] gives [[0, 1], [0, 1]] or []\n\
         out label BYTES [-1]; risk FP32 [-1] from [1, 2]",
    );
}
