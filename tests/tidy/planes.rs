//! The server's planes: which top-level module may use which.
//!
//! The data plane uses neither the control plane nor the state directory nor a front end; front
//! ends use both planes, but not each other. So a plane can change without its neighbours.

use std::collections::BTreeSet;

use crate::names::{Path, paths};
use crate::source::{File, Finding, Tree};

/// One top-level module and the modules that it may use besides itself.
struct Plane {
    name: &'static str,
    may_name: &'static [&'static str],
}

const fn plane(name: &'static str, may_name: &'static [&'static str]) -> Plane {
    Plane { name, may_name }
}

const PLANES: &[Plane] = &[
    plane("files", &[]),
    plane("executors", &[]),
    plane("extensions", &[]),
    plane("codecs", &["extensions"]),
    plane("state", &["files"]),
    plane("serving", &["executors", "extensions", "files"]),
    plane("transport", &["executors", "telemetry"]),
    plane("telemetry", &["serving", "transport"]),
    plane(
        "control",
        &[
            "codecs",
            "executors",
            "extensions",
            "files",
            "serving",
            "state",
        ],
    ),
    plane(
        "frontends",
        &[
            "codecs",
            "control",
            "executors",
            "extensions",
            "serving",
            "state",
            "telemetry",
            "transport",
        ],
    ),
    plane("protocols", &["codecs", "extensions", "frontends"]),
];

/// Front ends, which do not use each other.
const FRONT_ENDS: &[&str] = &["admin", "http"];

/// The source folder. `lib.rs` and `main.rs` are exempt: they list the modules and start the
/// program.
const SERVER: &str = "runtime/server/src/";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree.rust().flat_map(check_file).collect();
    let modules: BTreeSet<String> = tree
        .rust()
        .filter_map(|file| modules(file)?.into_iter().next())
        .collect();
    let table = File::new("tests/tidy/planes.rs", "");
    for gone in PLANES.iter().filter(|plane| !modules.contains(plane.name)) {
        let what = format!(
            "PLANES has `{}`, which is no module of {SERVER}; take it out",
            gone.name
        );
        findings.push(table.finding(1, what));
    }
    findings
}

fn check_file(file: &File) -> Vec<Finding> {
    let Some(modules) = modules(file) else {
        return Vec::new();
    };
    let Some(own) = PLANES.iter().find(|plane| plane.name == modules[0]) else {
        let what = format!(
            "`{}` is in no plane; add it to PLANES in tests/tidy/planes.rs",
            modules[0]
        );
        return vec![file.finding(1, what)];
    };
    let mut findings = Vec::new();
    for path in paths(file.production()) {
        let Some(target) = target(&path, modules.len()) else {
            continue;
        };
        let is_allowed = target == own.name || own.may_name.contains(&target);
        let what = if !is_allowed {
            format!(
                "`{}`: {} may not name {target}; move what both need down, or pass it in",
                path.shown(),
                own.name
            )
        } else if names_another_front_end(&path, &modules) {
            format!("`{}`: front ends do not name each other", path.shown())
        } else {
            continue;
        };
        findings.push(file.finding(path.line, what));
    }
    findings
}

fn names_another_front_end(path: &Path, modules: &[String]) -> bool {
    let own = modules.get(1).map(String::as_str);
    let other = path.names.get(2).map(String::as_str);
    modules[0] == "frontends"
        && own.is_some_and(|own| FRONT_ENDS.contains(&own))
        && path.names.get(1).is_some_and(|name| name == "frontends")
        && other.is_some_and(|other| FRONT_ENDS.contains(&other))
        && own != other
}

/// The modules that lead to a file: `frontends`, `http`, `path` for `frontends/http/path.rs`.
/// `None` for a file in no plane.
fn modules(file: &File) -> Option<Vec<String>> {
    let below = file.path.strip_prefix(SERVER)?.strip_suffix(".rs")?;
    let below = below.strip_suffix("/mod").unwrap_or(below);
    let is_outside = ["lib", "main"].contains(&below) || below.starts_with("bin/");
    (!is_outside).then(|| below.split('/').map(str::to_owned).collect())
}

/// The top-level module that a path refers to, from a file at this depth.
fn target(path: &Path, depth: usize) -> Option<&str> {
    let names = &path.names;
    if names[0] == "crate" {
        return names.get(1).map(String::as_str);
    }
    // `super::super::state` from `serving/router.rs`. An inline module would shift the count, so
    // only names of planes count.
    let ups = names.iter().take_while(|name| *name == "super").count();
    let is_plane = |name: &&str| PLANES.iter().any(|plane| plane.name == *name);
    names
        .get(ups)
        .map(String::as_str)
        .filter(|_| ups > 0 && ups == depth)
        .filter(is_plane)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let file = File::new(format!("{SERVER}{path}"), text);
        let found: Vec<String> = check_file(&file)
            .into_iter()
            .map(|finding| finding.what)
            .collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (what, part) in found.iter().zip(expected) {
            assert!(what.contains(part), "{what}");
        }
    }

    #[test]
    fn the_data_plane_names_no_other() {
        let allowed = "use crate::executors::compute::ComputePool;\nuse crate::serving::router;";
        check("serving/infer.rs", allowed, &[]);
        for other in ["control", "state", "frontends", "codecs", "telemetry"] {
            let text = format!("use crate::{other}::Thing;");
            let what = format!("serving may not name {other}");
            check("serving/infer.rs", &text, &[&what]);
        }
        check(
            "serving/infer.rs",
            "fn f() { super::super::state::go() }",
            &["may not name state"],
        );
    }

    #[test]
    fn front_ends_do_not_name_each_other() {
        let text = "use crate::frontends::admin::Admin;";
        check("frontends/http/mod.rs", text, &["do not name each other"]);
        check("frontends/listen.rs", text, &[]);
        check("frontends/http/mod.rs", "use crate::serving::Serving;", &[]);
    }

    #[test]
    fn every_module_is_in_a_plane() {
        check("other.rs", "", &["`other` is in no plane"]);
        check("lib.rs", "mod http;", &[]);
    }

    #[test]
    fn tests_may_name_any() {
        let text = "fn f() {}\n#[cfg(test)]\nmod tests { use crate::frontends; }";
        check("serving/router.rs", text, &[]);
    }
}
