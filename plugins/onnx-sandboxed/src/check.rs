//! Validates a graph before tract loads it.
//!
//! tract assumes a well-formed graph: it panics on dangling names, ignores operator domains, and
//! skips unknown types. This check gives an error that names the node. Bounds: operator sets from
//! [`OPSET_MIN`] to [`OPSET_MAX`].

use std::collections::BTreeSet;

use tract_onnx::Onnx;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

/// Older ones have other broadcasting rules.
const OPSET_MIN: i64 = 7;
/// The newest whose operators tract supports.
const OPSET_MAX: i64 = 24;
/// Domains whose operators tract supports, looked up by name only.
const DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];
/// Random operators, which may have a seed.
const RANDOM: [&str; 6] = [
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
];

/// The graph of the model, if all of it is supported. The error is the rest of a sentence about the
/// file.
pub(crate) fn check<'a>(model: &'a ModelProto, known: &Onnx) -> Result<&'a GraphProto, String> {
    let graph = model.graph.as_ref().filter(|_| model.ir_version > 0);
    let graph = graph.ok_or("is no ONNX graph, or an empty one")?;
    check_opset(model)?;
    if graph.output.is_empty() {
        return Err("has no output".to_owned());
    }
    Checker { model, known }.check(graph, &BTreeSet::new())?;
    Ok(graph)
}

/// A node's name in messages.
fn shown(node: &NodeProto) -> String {
    let name = if node.name.is_empty() {
        node.output.first()
    } else {
        Some(&node.name)
    };
    format!(
        "node `{}` ({})",
        name.map_or("", String::as_str),
        node.op_type
    )
}

fn check_opset(model: &ModelProto) -> Result<(), String> {
    let opset = model
        .opset_import
        .iter()
        .find(|opset| opset.domain.is_empty() || opset.domain == "ai.onnx");
    match opset.map(|opset| opset.version) {
        Some(OPSET_MIN..=OPSET_MAX) => Ok(()),
        Some(version) => Err(format!(
            "needs version {version} of ONNX's operators (its opset), and {OPSET_MIN} to {OPSET_MAX} are known; \
             convert it with `onnx.version_converter`, or export it again"
        )),
        None => {
            Err("does not say which version of ONNX's operators (which opset) it needs".to_owned())
        }
    }
}

struct Checker<'a> {
    model: &'a ModelProto,
    known: &'a Onnx,
}

impl Checker<'_> {
    /// Checks a graph, or a nested one, which can use the names around it.
    fn check<'g>(&self, graph: &'g GraphProto, around: &BTreeSet<&'g str>) -> Result<(), String> {
        if let Some(sparse) = graph.sparse_initializer.first() {
            let name = sparse.values.as_ref().map_or("", |values| &values.name);
            return Err(format!(
                "holds the weights `{name}` in a sparse form, which is not known; store them densely"
            ));
        }
        let mut names = around.clone();
        names.extend(graph.input.iter().map(|input| input.name.as_str()));
        for tensor in &graph.initializer {
            check_tensor(tensor)?;
            names.insert(&tensor.name);
        }
        for node in &graph.node {
            self.check_operator(node)?;
            if let Some(input) = node
                .input
                .iter()
                .find(|input| !input.is_empty() && !names.contains(input.as_str()))
            {
                let node = shown(node);
                return Err(format!(
                    "{node} reads `{input}`, which no node before it makes; the file is damaged"
                ));
            }
            self.check_attributes(node, &names)?;
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                if !names.insert(output) {
                    return Err(format!(
                        "{} makes `{output}`, which exists already",
                        shown(node)
                    ));
                }
            }
        }
        match graph
            .output
            .iter()
            .find(|output| !names.contains(output.name.as_str()))
        {
            Some(output) => Err(format!(
                "has an output `{}` that no node makes; the file is damaged",
                output.name
            )),
            None => Ok(()),
        }
    }

    fn check_operator(&self, node: &NodeProto) -> Result<(), String> {
        let (domain, operator) = (node.domain.as_str(), node.op_type.as_str());
        let is_known = DOMAINS.contains(&domain) && self.known.op_register.0.contains_key(operator);
        if !is_known {
            let is_own = self
                .model
                .functions
                .iter()
                .any(|function| function.name.as_deref() == Some(operator));
            let advice = if is_own {
                "it is a function of the model's own: inline it with `onnx.inliner`"
            } else {
                "take the component `onnx`, or export the model without it"
            };
            let domain = if domain.is_empty() { "ai.onnx" } else { domain };
            let node = shown(node);
            return Err(format!(
                "{node} needs the operator `{operator}` of the domain `{domain}`, not known; {advice}"
            ));
        }
        let has_seed = || {
            node.attribute
                .iter()
                .any(|attribute| attribute.name == "seed")
        };
        if RANDOM.contains(&operator) && !has_seed() {
            let node = shown(node);
            return Err(format!(
                "{node} draws lots without a `seed`; a stage answers the same each time: set one"
            ));
        }
        Ok(())
    }

    fn check_attributes<'g>(
        &self,
        node: &'g NodeProto,
        names: &BTreeSet<&'g str>,
    ) -> Result<(), String> {
        for attribute in &node.attribute {
            attribute
                .t
                .iter()
                .chain(&attribute.tensors)
                .try_for_each(check_tensor)?;
            attribute
                .g
                .iter()
                .chain(&attribute.graphs)
                .try_for_each(|graph| self.check(graph, names))?;
        }
        Ok(())
    }
}

fn check_tensor(tensor: &TensorProto) -> Result<(), String> {
    let name = &tensor.name;
    if tensor.data_location == Some(DataLocation::External as i32) {
        return Err(format!(
            "keeps the weights `{name}` in another file, and a stage can't follow paths; save it whole, with \
             `onnx.save_model(…, save_as_external_data=False)`"
        ));
    }
    let datatype = DataType::try_from(tensor.data_type).unwrap_or_default();
    if datatype == DataType::String && !tensor.raw_data.is_empty() {
        return Err(format!(
            "keeps the strings `{name}` as raw bytes; the file is damaged"
        ));
    }
    Ok(())
}
