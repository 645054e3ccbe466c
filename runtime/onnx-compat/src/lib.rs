//! Finds ONNX graphs that tract 0.23.9 would compute wrongly, and fixes names that it rejects.
//!
//! tract ignores some attributes of operators, and so computes them wrongly: a graph that uses one
//! is refused. They were found by ONNX's own tests (docs/conformance.md) and by examples. tract
//! rejects nodes that share a name, which ONNX allows: they get names of their own. Default:
//! everything else is passed to tract unchanged.

use std::collections::BTreeSet;

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

/// The first node that would be computed wrongly, and why. Only the wanted outputs of the graph
/// count.
pub fn first<'a>(
    graph: &'a GraphProto,
    wanted: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let mut used: BTreeSet<&str> = wanted.into_iter().collect();
    collect(graph, &mut used);
    find(graph, &used)
}

/// The names that nodes read, and that graphs inside of them answer.
fn collect<'a>(graph: &'a GraphProto, used: &mut BTreeSet<&'a str>) {
    for node in &graph.node {
        used.extend(node.input.iter().map(String::as_str));
        for inner in inner(node) {
            used.extend(inner.output.iter().map(|output| output.name.as_str()));
            collect(inner, used);
        }
    }
}

fn find(graph: &GraphProto, used: &BTreeSet<&str>) -> Option<String> {
    graph.node.iter().find_map(|node| {
        misread(node, used).or_else(|| inner(node).find_map(|graph| find(graph, used)))
    })
}

fn inner(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute
        .iter()
        .filter_map(|attribute| attribute.g.as_ref())
}

fn misread(node: &NodeProto, used: &BTreeSet<&str>) -> Option<String> {
    let attribute = |name: &str| {
        node.attribute
            .iter()
            .find(|attribute| attribute.name == name)
    };
    let is =
        |name: &str, text: &str| attribute(name).is_some_and(|found| found.s == text.as_bytes());
    let is_not_one = |found: &AttributeProto| found.f.to_bits() != 1_f32.to_bits();
    // What scikit-learn's converter writes for two classes: votes for one of them.
    let votes_for_one =
        || attribute("class_ids").is_some_and(|votes| votes.ints.iter().all(|&class| class == 0));
    let answers_label = || {
        node.output
            .first()
            .is_some_and(|label| used.contains(label.as_str()))
    };
    let what = match node.op_type.as_str() {
        "RNN" | "GRU" | "LSTM" if is("direction", "reverse") => "with `direction=reverse`",
        "SpaceToDepth" if is("mode", "CRD") => "with `mode=CRD`",
        "Celu" | "Swish" if attribute("alpha").is_some_and(is_not_one) => {
            "with another `alpha` than 1"
        }
        "TreeEnsembleClassifier" if votes_for_one() && answers_label() => {
            "with votes for one class, whose label it answers (the scores alone it would compute: choose them by \
             `outputs`)"
        }
        _ => return None,
    };
    Some(format!(
        "operator {} {what} (node `{}`)",
        node.op_type, node.name
    ))
}

/// Gives nodes that share a name names of their own. ONNX lets nodes share a name, or have none.
pub fn tell_apart(graph: &mut GraphProto) {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (place, node) in graph.node.iter_mut().enumerate() {
        while !node.name.is_empty() && !names.insert(node.name.clone()) {
            node.name = format!("{} #{place}", node.name);
        }
        node.attribute
            .iter_mut()
            .filter_map(|attribute| attribute.g.as_mut())
            .for_each(tell_apart);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(operator: &str, attribute: AttributeProto) -> GraphProto {
        let (op_type, output) = (
            operator.to_owned(),
            vec!["label".to_owned(), "scores".to_owned()],
        );
        let node = NodeProto {
            op_type,
            output,
            attribute: vec![attribute],
            ..NodeProto::default()
        };
        GraphProto {
            node: vec![node],
            ..GraphProto::default()
        }
    }

    #[test]
    fn only_the_attribute_that_is_not_heeded_is_refused() {
        let text = |name: &str, text: &str| AttributeProto {
            name: name.to_owned(),
            s: text.as_bytes().to_vec(),
            ..AttributeProto::default()
        };
        let number = |f| AttributeProto {
            name: "alpha".to_owned(),
            f,
            ..AttributeProto::default()
        };
        let first = |graph: &GraphProto| first(graph, ["label", "scores"]);
        assert!(
            first(&graph("LSTM", text("direction", "reverse")))
                .unwrap()
                .contains("LSTM with `direction=reverse`")
        );
        assert!(first(&graph("LSTM", text("direction", "bidirectional"))).is_none());
        assert!(first(&graph("Celu", number(2.0))).is_some());
        assert!(first(&graph("Celu", number(1.0))).is_none());
        assert!(first(&graph("Elu", number(2.0))).is_none());
    }

    #[test]
    fn trees_that_vote_for_one_class_are_refused_for_their_label_alone() {
        let trees = |votes: &[i64]| {
            let (name, ints) = ("class_ids".to_owned(), votes.to_vec());
            graph(
                "TreeEnsembleClassifier",
                AttributeProto {
                    name,
                    ints,
                    ..AttributeProto::default()
                },
            )
        };
        assert!(first(&trees(&[0, 0]), ["label", "scores"]).is_some());
        assert!(first(&trees(&[0, 0]), ["scores"]).is_none());
        assert!(first(&trees(&[0, 1, 2]), ["label"]).is_none());
        let mut read = trees(&[0]);
        read.node.push(NodeProto {
            input: vec!["label".to_owned()],
            ..NodeProto::default()
        });
        assert!(first(&read, ["scores"]).is_some());
    }

    #[test]
    fn nodes_of_one_name_get_names_of_their_own() {
        let named = |name: &str| NodeProto {
            name: name.to_owned(),
            ..NodeProto::default()
        };
        let inner = GraphProto {
            node: vec![named("a"), named("a")],
            ..GraphProto::default()
        };
        let attribute = AttributeProto {
            g: Some(inner),
            ..AttributeProto::default()
        };
        let nodes = ["a", "a #2", "a", "", "", "a"].map(named);
        let mut graph = GraphProto {
            node: nodes.to_vec(),
            ..GraphProto::default()
        };
        graph.node[0].attribute.push(attribute);
        tell_apart(&mut graph);
        let names = |graph: &GraphProto| {
            graph
                .node
                .iter()
                .map(|node| node.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&graph), ["a", "a #2", "a #2 #2", "", "", "a #5"]);
        assert_eq!(
            names(graph.node[0].attribute[0].g.as_ref().unwrap()),
            ["a", "a #1"]
        );
    }
}
