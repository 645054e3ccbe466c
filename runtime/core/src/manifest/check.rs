//! Checks of stages, tests and documents against each other. (Their tensors are checked by
//! [`wiring`](crate::wiring), because only the components know those.)

use std::collections::BTreeMap;

use super::decode::Decoder;
use super::node::{Data, Node};
use super::problem::{KeyPath, Place, Problem, Problems, Step};
use super::read::Documents;
use super::route::WrittenRoute;
use crate::limits::STAGES_MAX;
use crate::role::Role;
use crate::suggest::shown;

/// A source is `stage.tensor` or `request.tensor`, so no stage may have this name.
pub(super) const RESERVED: &str = "request";

/// At least one stage, each with a name of its own, in the order preprocess, model, postprocess.
pub(super) fn stages(here: &mut Decoder, node: &Node) {
    let Data::List(items) = &node.data else {
        return;
    };
    if items.is_empty() {
        here.report(
            node.place,
            "is empty; a pipeline has at least one stage".to_owned(),
        );
    }
    at_most(here, node, STAGES_MAX, "stages");
    unique(here, node, "name", "stage");
    let mut latest: Option<(Role, &str)> = None;
    for (index, item) in items.iter().enumerate() {
        let name = text_of(item, "name");
        if let Some((RESERVED, place)) = name {
            let message = format!(
                "`{RESERVED}` means the client's request in a source; call the stage something else"
            );
            report_under(here, index, "name", place, message);
        }
        let role = text_of(item, "role").and_then(|(word, place)| {
            Role::ALL
                .into_iter()
                .find(|role| role.name() == word)
                .map(|role| (role, place))
        });
        match (role, latest) {
            (Some((role, place)), Some((after, stage))) if role < after => {
                let message = format!(
                    "a {role} stage can't follow the {after} stage `{}`; the order is preprocess, model, postprocess",
                    shown(stage)
                );
                report_under(here, index, "role", place, message);
            }
            (Some((role, _)), _) => latest = Some((role, name.map_or("", |(name, _)| name))),
            _ => {}
        }
    }
}

/// At least one output, each once.
pub(super) fn outputs(here: &mut Decoder, node: &Node) {
    let Data::List(items) = &node.data else {
        return;
    };
    if items.is_empty() {
        let message = "is empty; name the tensors to answer, or leave the key out for the last stage's outputs";
        here.report(node.place, message.to_owned());
    }
    let mut seen = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        if let Data::Text(name) = &item.data
            && let Some(first) = seen.insert(name, item.place)
        {
            let message = format!(
                "`{}` is there twice; the first is on line {}",
                shown(name),
                first.line
            );
            here.under(Step::Index(index), |here| here.report(item.place, message));
        }
    }
}

/// No two items of a list have the same text under the key.
pub(super) fn unique(here: &mut Decoder, node: &Node, key: &str, what: &str) {
    let Data::List(items) = &node.data else {
        return;
    };
    let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let Some((text, place)) = text_of(item, key) else {
            continue;
        };
        match seen.get(text) {
            Some(first) => {
                let message = format!(
                    "another {what} is called `{}`: the one on line {}",
                    shown(text),
                    first.line
                );
                report_under(here, index, key, place, message);
            }
            None => {
                seen.insert(text, place);
            }
        }
    }
}

/// A list has items.
pub(super) fn not_empty(here: &mut Decoder, node: &Node, why: &str) {
    if matches!(&node.data, Data::List(items) if items.is_empty()) {
        here.report(node.place, format!("is empty; {why}"));
    }
}

/// A list has at most `max` items.
pub(super) fn at_most(here: &mut Decoder, node: &Node, max: usize, what: &str) {
    if let Data::List(items) = &node.data
        && items.len() > max
    {
        here.report(
            node.place,
            format!("{} {what}; at most {max} are allowed", items.len()),
        );
    }
}

/// No pipeline, graph or route is declared twice among documents that are loaded together.
pub fn check_set(documents: &Documents) -> Result<(), Problems> {
    let mut problems = Problems::default();
    let mut routes: BTreeMap<_, &WrittenRoute> = BTreeMap::new();
    for route in &documents.routes {
        let path = KeyPath::default().key("metadata").key("name");
        match routes.insert(route.name(), route) {
            None => {}
            Some(first) => {
                let there = first.problem(&path, String::new());
                let (name, file, line) = (route.name(), there.file, there.place.line);
                let message = format!(
                    "route `{name}` is declared twice; the first is in {file}, line {line}"
                );
                problems.push(route.problem(&path, message));
            }
        }
    }
    // A graph is a version of its name, as a pipeline is.
    let path = KeyPath::default().key("metadata").key("version");
    let pipelines = documents.pipelines.iter().map(|document| {
        let declared = document.pipeline();
        (
            "pipeline",
            &declared.name,
            &declared.version,
            document.problem(&path, String::new()),
        )
    });
    let graphs = documents.graphs.iter().map(|document| {
        let declared = document.graph();
        (
            "graph",
            &declared.name,
            &declared.version,
            document.problem(&path, String::new()),
        )
    });
    let mut seen = BTreeMap::new();
    for (what, name, version, here) in pipelines.chain(graphs) {
        let Some(first) = seen.insert((name, version), here.clone()) else {
            continue;
        };
        let message = format!(
            "{what} `{name}` version `{version}` is declared twice; the first is in {}, line {}",
            first.file, first.place.line
        );
        problems.push(Problem { message, ..here });
        seen.insert((name, version), first);
    }
    problems.or(())
}

/// The text under a key of a mapping.
fn text_of<'n>(node: &'n Node, key: &str) -> Option<(&'n str, Place)> {
    let Data::Map(entries) = &node.data else {
        return None;
    };
    entries
        .iter()
        .find(|entry| entry.key == key)
        .and_then(|entry| match &entry.value.data {
            Data::Text(text) => Some((text.as_str(), entry.value.place)),
            _ => None,
        })
}

fn report_under(here: &mut Decoder, index: usize, key: &str, place: Place, message: String) {
    here.under(Step::Index(index), |here| {
        here.under(Step::Key(key.to_owned()), |here| {
            here.report(place, message);
        });
    });
}
