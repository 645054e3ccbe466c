//! The outputs of an ensemble: each output of its members once, merged where several give it.
//!
//! Default: an output that a single member gives is passed on unchanged, if that member is hard.

use std::collections::BTreeMap;

use super::Method;
use super::fit::{Fit, Made, known_by_both};
use super::plan::{Given, Gives};
use crate::manifest::KeyPath;
use crate::signature::{Port, show_dimensions};
use crate::suggest::{hint, list, shown};

impl<'a, M> Fit<'a, M> {
    /// The merged outputs of the members.
    pub(super) fn merged(
        &mut self,
        soft: &[bool],
        methods: &BTreeMap<String, Method>,
    ) -> (Vec<Port>, Gives) {
        let all: Vec<Made<'a>> = (0..self.branches.len())
            .flat_map(|branch| self.made(branch))
            .collect();
        let (mut outputs, mut gives): (Vec<Port>, Vec<Given>) = (Vec::new(), Vec::new());
        for made in &all {
            if outputs.iter().any(|output| output.name == made.name) {
                continue;
            }
            let mut port = Port {
                name: made.name.to_owned(),
                ..made.port.clone()
            };
            let givers: Vec<&Made<'a>> =
                all.iter().filter(|other| other.name == made.name).collect();
            gives.push(match methods.get(made.name) {
                Some(method) => self.merged_by(*method, &mut port, &givers),
                None => self.unmerged(soft, made, &givers),
            });
            outputs.push(port);
        }
        self.methods_without_giver(methods, &outputs);
        (outputs, Gives::All(gives))
    }

    /// An output merged by a method.
    fn merged_by(&mut self, method: Method, port: &mut Port, givers: &[&Made<'a>]) -> Given {
        self.mergeable(method, port, givers);
        let of = givers
            .iter()
            .map(|given| (given.branch, given.output))
            .collect();
        Given::Merged { method, of }
    }

    /// An output without a method: exactly one member must give it, and that member must be hard.
    fn unmerged(&mut self, soft: &[bool], made: &Made<'a>, givers: &[&Made<'a>]) -> Given {
        if let [only] = givers {
            if soft.get(only.branch).copied().unwrap_or_default() {
                let message = format!(
                    "only the soft member `{}` gives `{}`, so an answer could lack it; make the member hard",
                    self.shown(only.branch),
                    shown(made.name)
                );
                self.report(self.path(only.branch).key("soft"), message);
            }
        } else {
            let members: Vec<String> = givers
                .iter()
                .map(|given| self.shown(given.branch))
                .collect();
            let message = format!(
                "{} give `{}`; choose under `merge` how it is merged ({}), or rename it under a member's \
                 `outputs`",
                list(members.iter().map(String::as_str)),
                shown(made.name),
                Method::ALL.map(|(word, _)| word).join(", ")
            );
            self.report(KeyPath::node(self.index).key("merge"), message);
        }
        Given::Of {
            branch: made.branch,
            output: made.output,
        }
    }

    /// Reports methods for outputs that no member gives.
    fn methods_without_giver(&mut self, methods: &BTreeMap<String, Method>, outputs: &[Port]) {
        for name in methods
            .keys()
            .filter(|name| outputs.iter().all(|output| output.name != **name))
        {
            let hint = hint(name, outputs.iter().map(|output| output.name.as_str()));
            self.report(
                KeyPath::node(self.index).key("merge").key(name),
                format!("no member gives that; {hint}"),
            );
        }
    }

    fn mergeable(&mut self, method: Method, port: &mut Port, givers: &[&Made<'a>]) {
        let path = KeyPath::node(self.index).key("merge").key(&port.name);
        if let Some(misfit) = method.misfit(port.datatype) {
            self.report(path, misfit);
            return;
        }
        for other in givers.iter().skip(1) {
            // A soft member may have failed, and its output is then missing from the comparison; so
            // the node's port promises only what every member promises.
            if other.port.may_feed(port).is_err() || !known_by_both(port, other.port) {
                let message = format!(
                    "`{}` gives {} {} and another member {} {}; merged outputs must have the same datatype and shape",
                    self.shown(other.branch),
                    other.port.datatype,
                    show_dimensions(&other.port.shape),
                    port.datatype,
                    show_dimensions(&port.shape)
                );
                self.report(path.clone(), message);
            }
        }
    }
}
