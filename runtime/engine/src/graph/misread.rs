//! Operators that tract 0.23.9 computes without an attribute that it should heed, and so wrongly: a graph that uses one
//! is refused rather than answered. Found by ONNX's own tests (docs/conformance.md). Default: every other operator is
//! tract's own business.

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

/// The first node that would be computed wrongly, and why.
pub(super) fn first(graph: &GraphProto) -> Option<String> {
    graph.node.iter().find_map(|node| {
        let inner = node.attribute.iter().filter_map(|attribute| attribute.g.as_ref());
        misread(node).or_else(|| inner.filter_map(first).next())
    })
}

fn misread(node: &NodeProto) -> Option<String> {
    let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
    let is = |name: &str, text: &str| attribute(name).is_some_and(|found| found.s == text.as_bytes());
    let is_not_one = |found: &AttributeProto| found.f.to_bits() != 1_f32.to_bits();
    let what = match node.op_type.as_str() {
        "RNN" | "GRU" | "LSTM" if is("direction", "reverse") => "with `direction=reverse`",
        "SpaceToDepth" if is("mode", "CRD") => "with `mode=CRD`",
        "Celu" | "Swish" if attribute("alpha").is_some_and(is_not_one) => "with another `alpha` than 1",
        _ => return None,
    };
    Some(format!("operator {} {what} (node `{}`)", node.op_type, node.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(operator: &str, attribute: AttributeProto) -> GraphProto {
        let node = NodeProto { op_type: operator.to_owned(), attribute: vec![attribute], ..NodeProto::default() };
        GraphProto { node: vec![node], ..GraphProto::default() }
    }

    #[test]
    fn only_the_attribute_that_is_not_heeded_is_refused() {
        let text = |name: &str, text: &str| AttributeProto {
            name: name.to_owned(),
            s: text.as_bytes().to_vec(),
            ..AttributeProto::default()
        };
        let number = |f| AttributeProto { name: "alpha".to_owned(), f, ..AttributeProto::default() };
        assert!(first(&graph("LSTM", text("direction", "reverse"))).unwrap().contains("LSTM with `direction=reverse`"));
        assert!(first(&graph("LSTM", text("direction", "bidirectional"))).is_none());
        assert!(first(&graph("Celu", number(2.0))).is_some());
        assert!(first(&graph("Celu", number(1.0))).is_none());
        assert!(first(&graph("Elu", number(2.0))).is_none());
    }
}
