//! What a graph decides: plans as tables of text, conditions and merges over tensors, and the order
//! of graphs.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::datatype::Datatype;
use crate::manifest::parse;
use crate::signature::{Port, Signature};
use crate::tensor::{Shape, Tensor};
use crate::wiring::Accepts;

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

/// Members are called by what they are: version `x` of `tumor` has the signature that `members` has
/// for it.
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
        Err(wrong) => wrong
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
        Ok(Plan { wiring, nodes }) => {
            let ports = |ports: &[Port]| {
                ports
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; ")
            };
            let mut lines = vec![format!("in {}", ports(&wiring.signature.inputs))];
            for (stage, node) in wiring.stages.iter().zip(nodes) {
                let slots: Vec<String> = stage
                    .takes
                    .iter()
                    .map(|take| take.slot.to_string())
                    .collect();
                let looks: Vec<String> = stage
                    .looks
                    .iter()
                    .map(|look| look.slot.to_string())
                    .collect();
                let gives = match node.gives {
                    Gives::One(gives) => format!("{gives:?}"),
                    Gives::All(gives) => format!("{} outputs", gives.len()),
                };
                lines.push(format!(
                    "looks at [{}] takes [{}] for {:?} gives {gives} or {:?}",
                    looks.join(", "),
                    slots.join(", "),
                    node.takes,
                    node.pass
                ));
            }
            lines.push(format!(
                "out {} from {:?}",
                ports(&wiring.signature.outputs),
                wiring.answers
            ));
            lines.join("\n")
        }
    }
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
fn a_switch_looks_asks_or_passes_on() {
    check(
        CAREFUL,
        &[("a", TUMOR), ("b", TUMOR)],
        "in features FP32 [-1, 30]\n\
         looks at [] takes [0] for [[0]] gives [[0, 1]] or []\n\
         looks at [2] takes [0, 1, 2] for [[0]] gives [[0, 1]] or [1, 2]\n\
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
         looks at [] takes [0] for [[0]] gives [[0, 1]] or []\n\
         looks at [2] takes [0, 2, 1] for [[0]] gives [[0, 1]] or [1, 2]\n\
         out score FP32 [1]; label BYTES [-1] from [3, 4]",
    );
}

#[test]
fn what_a_switch_can_not_ask_is_refused_where_it_stands() {
    let refused = |from: &str, to: &str, members: &[(&str, &str)], expect: &str| {
        assert!(CAREFUL.contains(from));
        check(&CAREFUL.replacen(from, to, 1), members, expect);
    };
    let both = [("a", TUMOR), ("b", TUMOR)];
    refused(
        "first.score",
        "first.scor",
        &both,
        "spec.nodes[1].switch[0].when.tensor: there is no tensor `first.scor` here; did you mean `first.score`? \
         reachable: `first.score` FP32 [-1], `first.label` BYTES [-1], `request.features` FP32 [-1, 30]",
    );
    refused(
        "first.score",
        "second.score",
        &both,
        "spec.nodes[1].switch[0].when.tensor: there is no tensor `second.score` here; a node can't take what it makes \
         itself; did you mean `first.score`? reachable: `first.score` FP32 [-1], `first.label` BYTES [-1], \
         `request.features` FP32 [-1, 30]",
    );
    refused(
        "first.score, between: [0.3, 0.7]",
        "first.label, less: 1",
        &both,
        "spec.nodes[1].switch[0].when: BYTES has no order; compare it with `equals` or `one_of`",
    );
    refused(
        "between: [0.3, 0.7]",
        "equals: 1",
        &both,
        "spec.nodes[1].switch[0].when: FP32 is seldom exactly a number; say `between`",
    );
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
        &both,
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
         looks at [] takes [0, 1] for [[0], [0, 1], [0]] gives 3 outputs or []\n\
         out label BYTES [-1]; score FP32 [-1]; size INT64 [-1] from [2, 3, 4]",
    );
    check(
        &panel.replace("{ score: mean, label: vote }", "{ label: mean, scor: max }"),
        &members,
        "spec.nodes[0].merge.label: the mean of BYTES is no BYTES; say `vote` or `first`\n\
         spec.nodes[0].merge: `tumor/a` and `tumor/b` give `score`; say under `merge` what becomes of it (mean, max, \
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
        "spec.nodes[0].merge.score: `tumor/b` gives FP64 [-1] and another member FP32 [-1]; what is merged has one \
         datatype and shape",
    );
}

#[test]
fn a_splitter_looks_at_its_key() {
    check(
        "
    - name: arm
      splitter: [ { pipeline: tumor, version: a, weight: 9 }, { pipeline: tumor, version: b } ]
      sticky: request.features
      outputs: { score: risk }
",
        &[("a", TUMOR), ("b", TUMOR)],
        "in features FP32 [-1, 30]\n\
         looks at [0] takes [0] for [[0], [0]] gives [[0, 1], [0, 1]] or []\n\
         out label BYTES [-1]; risk FP32 [-1] from [1, 2]",
    );
}

fn tensor(datatype: Datatype, size: u64, data: &[u8]) -> Tensor {
    Tensor::new(
        datatype,
        Shape::from_slice(&[size]),
        Bytes::copy_from_slice(data),
    )
    .unwrap()
}

fn floats(values: &[f32]) -> Tensor {
    let data: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    tensor(Datatype::Fp32, values.len() as u64, &data)
}

fn holds(rows: Rows, test: Test, tensor: &Tensor) -> bool {
    Condition {
        tensor: String::new(),
        rows,
        test,
    }
    .holds(tensor)
}

#[test]
fn conditions_hold_of_any_or_all_elements() {
    let between = || Test::Between(Number::Float(0.25), Number::Float(0.75));
    for (values, any, all) in [
        (&[][..], false, false),
        (&[0.5], true, true),
        (&[0.25, 0.75], true, true),
        (&[0.1, 0.5], true, false),
        (&[0.1, 0.9], false, false),
        (&[f32::NAN, 0.5], true, false),
    ] {
        let tensor = floats(values);
        assert_eq!(
            (
                holds(Rows::Any, between(), &tensor),
                holds(Rows::All, between(), &tensor)
            ),
            (any, all)
        );
    }
    let one = |test: Test| holds(Rows::Any, test, &floats(&[0.5]));
    let (half, more) = (Number::Float(0.5), Number::Whole(1));
    assert!(one(Test::Less(more)) && !one(Test::Less(half)) && one(Test::AtMost(half)));
    assert!(one(Test::AtLeast(half)) && !one(Test::Greater(half)) && !one(Test::Greater(more)));
    let exact = tensor(Datatype::Uint64, 1, &u64::MAX.to_le_bytes());
    let equals = |number: i128| Test::OneOf(vec![Value::Number(Number::Whole(number))]);
    assert!(holds(Rows::All, equals(u64::MAX.into()), &exact));
    assert!(!holds(Rows::All, equals(i128::from(u64::MAX) - 1), &exact));
    assert!(holds(
        Rows::All,
        equals(-2),
        &tensor(Datatype::Int8, 1, &[0xfe])
    ));
    assert!(holds(
        Rows::All,
        Test::OneOf(vec![Value::Bool(true)]),
        &tensor(Datatype::Bool, 1, &[1])
    ));
    let labels = Tensor::from_bytes_elements([&b"benign"[..], b"malignant"]);
    let said = Test::OneOf(vec![Value::Text("malignant".to_owned())]);
    assert!(holds(Rows::Any, said.clone(), &labels) && !holds(Rows::All, said, &labels));
}

#[test]
fn labels_are_voted_on_and_the_earliest_wins_a_tie() {
    let say = |labels: [&str; 3]| Tensor::from_bytes_elements(labels.map(str::as_bytes));
    let (one, two, three) = (
        say(["a", "b", "c"]),
        say(["x", "b", "y"]),
        say(["x", "z", "zz"]),
    );
    let merged = merge(Method::Vote, &[&one, &two, &three]).unwrap();
    assert_eq!(merged, say(["x", "b", "c"]));
    assert_eq!(merge(Method::First, &[&three, &one]).unwrap(), three);
    let wrong = merge(
        Method::Vote,
        &[&one, &Tensor::from_bytes_elements([&b"a"[..]])],
    )
    .unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "one member gives BYTES [3] and another BYTES [1]; what is merged has one shape"
    );
    assert!(merge(Method::Mean, &[&one, &two]).is_err());
    assert!(merge(Method::First, &[]).is_err());
}

proptest! {
    #[test]
    fn numbers_are_merged_as_by_hand(
        members in (1_usize..5, 0_usize..6).prop_flat_map(|(members, size)| {
            prop::collection::vec(prop::collection::vec(-1e3_f32..1e3, size), members)
        }),
    ) {
        let tensors: Vec<Tensor> = members.iter().map(|member| floats(member)).collect();
        let tensors: Vec<&Tensor> = tensors.iter().collect();
        let column = |index: usize| members.iter().map(move |member| member[index]);
        for index in 0..members[0].len() {
            let told = |method| {
                let merged = merge(method, &tensors).unwrap();
                f32::from_le_bytes(merged.data()[index * 4..][..4].try_into().unwrap())
            };
            let mean = column(index).map(f64::from).sum::<f64>() / members.len() as f64;
            prop_assert!((f64::from(told(Method::Mean)) - mean).abs() <= mean.abs() * 1e-6 + 1e-9);
            prop_assert_eq!(told(Method::Max), column(index).fold(f32::MIN, f32::max));
            prop_assert_eq!(told(Method::Min), column(index).fold(f32::MAX, f32::min));
        }
    }

    #[test]
    fn whole_numbers_keep_their_digits(values in prop::collection::vec(any::<i64>(), 1..6)) {
        let tensors: Vec<Tensor> =
            values.iter().map(|value| tensor(Datatype::Int64, 1, &value.to_le_bytes())).collect();
        let tensors: Vec<&Tensor> = tensors.iter().collect();
        let told = |method| i64::from_le_bytes(merge(method, &tensors).unwrap().data()[..].try_into().unwrap());
        prop_assert_eq!(Some(told(Method::Max)), values.iter().copied().max());
        prop_assert_eq!(Some(told(Method::Min)), values.iter().copied().min());
        prop_assert!(values.contains(&told(Method::Vote)));
    }

    /// Each stands behind what it names, or those in the circle name each other.
    #[test]
    fn graphs_stand_behind_what_they_name(
        names in prop::collection::vec(prop::collection::vec(0_usize..8, 0..3), 8),
    ) {
        match order(&names) {
            Ok(order) => {
                let place = |graph: usize| order.iter().position(|other| *other == graph).unwrap();
                prop_assert_eq!(order.len(), names.len());
                for (graph, named) in names.iter().enumerate() {
                    prop_assert!(named.iter().all(|named| place(*named) < place(graph)));
                }
            }
            Err(circle) => {
                for (index, graph) in circle.iter().enumerate() {
                    let next = circle[(index + 1) % circle.len()];
                    prop_assert!(names[*graph].contains(&next), "{:?} of {:?}", circle, names);
                }
            }
        }
    }
}

#[test]
fn nan_is_not_hidden() {
    let (one, other) = (floats(&[f32::NAN, 1.0]), floats(&[1.0, f32::NAN]));
    for method in [Method::Max, Method::Min, Method::Mean] {
        let merged = merge(method, &[&one, &other]).unwrap();
        assert!(
            merged
                .data()
                .chunks_exact(4)
                .all(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()).is_nan())
        );
    }
}
