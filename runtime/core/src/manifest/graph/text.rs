//! The canonical text of a graph, and its digest.
//!
//! It holds what changes an answer and nothing else, as a pipeline's does. A member is written with
//! name, version and digest. So the same digest is the same computation.

use serde_json::{Map, Value, json};

use super::super::API_VERSION;
use super::super::canonical::canonical_text;
use super::super::resolved::test;
use crate::digest::Digest;
use crate::graph::{
    Branch, Condition, Default, Does, Method, Node, Number, ResolvedGraph, Rows, Test,
    Value as Wanted,
};

impl ResolvedGraph {
    /// The text that the blob store keeps.
    pub fn canonical(&self) -> String {
        let mut spec = Map::new();
        spec.insert("nodes".to_owned(), self.nodes.iter().map(node).collect());
        spec.insert("tests".to_owned(), self.tests.iter().map(test).collect());
        if let Some(deadline) = self.deadline {
            spec.insert(
                "deadline".to_owned(),
                json!(format!("{}us", deadline.as_micros())),
            );
        }
        if let Some(outputs) = &self.outputs {
            spec.insert("outputs".to_owned(), json!(outputs));
        }
        canonical_text(&json!({
            "apiVersion": API_VERSION,
            "kind": "Graph",
            "metadata": { "name": self.name.as_str(), "version": self.version.as_str() },
            "spec": spec,
        }))
    }

    /// The graph's digest: the SHA-256 of its canonical text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.canonical().as_bytes())
    }
}

fn node(node: &Node<Digest>) -> Value {
    let mut written = match (&node.does, node.branches.first()) {
        (Does::Call, Some(asked)) => branch(asked),
        _ => json!({}),
    };
    match &node.does {
        Does::Call => {}
        Does::Ensemble { soft, merge } => {
            written["ensemble"] = each(node, soft, |soft| ("soft", json!(soft)));
            let merge = merge
                .iter()
                .map(|(name, method)| (name.clone(), json!(Method::word(*method))));
            written["merge"] = merge.collect::<Map<String, Value>>().into();
        }
        Does::Switch { cases, default } => {
            written["switch"] = each(node, cases, |case| ("when", when(case)));
            written["default"] = match (default, node.branches.last()) {
                (Default::Ask, Some(last)) => branch(last),
                _ => json!("pass"),
            };
        }
        Does::Split { weights, sticky } => {
            written["splitter"] = each(node, weights, |weight| ("weight", json!(weight)));
            if let Some(sticky) = sticky {
                written["sticky"] = json!(sticky);
            }
        }
    }
    written["name"] = json!(node.name.as_str());
    written["inputs"] = json!(node.inputs);
    written["outputs"] = json!(node.outputs);
    written
}

/// The branches of a list, each with the keys that go with it.
fn each<T>(node: &Node<Digest>, own: &[T], write: impl Fn(&T) -> (&'static str, Value)) -> Value {
    let written = node.branches.iter().zip(own).map(|(asked, own)| {
        let (key, value) = write(own);
        let mut written = branch(asked);
        written[key] = value;
        written
    });
    written.collect()
}

fn branch(branch: &Branch<Digest>) -> Value {
    let mut written = json!({
        "pipeline": branch.pipeline.as_str(),
        "version": branch.version.as_str(),
        "digest": branch.digest.to_string(),
        "inputs": branch.inputs,
        "outputs": branch.outputs,
    });
    // Only where there is one, so that a text without it keeps its digest.
    if let Some(timeout) = branch.timeout {
        written["timeout"] = json!(format!("{}us", timeout.as_micros()));
    }
    written
}

fn when(condition: &Condition) -> Value {
    let (key, asked) = match &condition.test {
        Test::Less(than) => ("less", number(*than)),
        Test::AtMost(bound) => ("at_most", number(*bound)),
        Test::Greater(than) => ("greater", number(*than)),
        Test::AtLeast(bound) => ("at_least", number(*bound)),
        Test::Between(least, most) => ("between", json!([number(*least), number(*most)])),
        Test::OneOf(values) => ("one_of", values.iter().map(value).collect()),
    };
    let rows = if condition.rows == Rows::Any {
        "any"
    } else {
        "all"
    };
    json!({ "tensor": condition.tensor, "rows": rows, key: asked })
}

fn value(value: &Wanted) -> Value {
    match value {
        Wanted::Number(given) => number(*given),
        Wanted::Text(text) => json!(text),
        Wanted::Bool(given) => json!(given),
    }
}

/// A number that was read from 64 bits fits them again.
fn number(number: Number) -> Value {
    match number {
        Number::Whole(whole) => i64::try_from(whole)
            .map_or_else(|_| json!(u64::try_from(whole).ok()), |whole| json!(whole)),
        Number::Float(float) => json!(float),
    }
}
