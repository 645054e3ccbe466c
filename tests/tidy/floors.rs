//! The server's floors: a module names its own floor and those below it, never one above.
//!
//! That is what lets somebody read the request path from top to bottom, and change an adapter
//! without a look at what lies under it.

use std::collections::BTreeSet;

use crate::names::{Path, paths};
use crate::source::{File, Finding, Tree};

/// The modules of [`ROOMS`], bottom first.
const FLOORS: &[&str] = &[
    "api",
    "oip",
    "counts",
    "cache",
    "chance",
    "cores",
    "workers",
    "place",
    "engines",
    "compiler",
    "lines",
    "hosts",
    "budget",
    "peers",
    "intake",
    "callers",
    "admission",
    "files",
    "store",
    "journal",
    "experiments",
    "pipeline",
    "mirror",
    "routing",
    "board",
    "router",
    "app",
    "http_status",
    "telemetry",
    "deploy",
    "control",
    "http",
    "admin",
    "listen",
    "cli",
];

/// Where they are. `lib.rs` and `main.rs` stand outside: they list the floors and enter at the top.
const ROOMS: &str = "runtime/server/src/";

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree
        .rust()
        .flat_map(|file| check_file(file, FLOORS))
        .collect();
    let rooms: BTreeSet<String> = tree
        .rust()
        .filter_map(|file| modules(file)?.into_iter().next())
        .collect();
    let table = File::new("tests/tidy/floors.rs", "");
    for gone in FLOORS.iter().filter(|floor| !rooms.contains(**floor)) {
        findings.push(table.finding(
            1,
            format!("FLOORS has `{gone}`, which is no module of {ROOMS}; take it out"),
        ));
    }
    findings
}

fn check_file(file: &File, floors: &[&str]) -> Vec<Finding> {
    let Some(modules) = modules(file) else {
        return Vec::new();
    };
    let height = |name: &str| floors.iter().position(|floor| *floor == name);
    let Some(own) = height(&modules[0]) else {
        let what = format!(
            "`{}` is on no floor; add it to FLOORS in tests/tidy/floors.rs",
            modules[0]
        );
        return vec![file.finding(1, what)];
    };
    let mut findings = Vec::new();
    for path in paths(file.production()) {
        let Some(target) = target(&path, modules.len(), floors) else {
            continue;
        };
        match height(target) {
            Some(floor) if floor <= own => {}
            Some(_) => findings.push(file.finding(
                path.line,
                format!(
                    "`{}` points up, from {}; move what both need down, or pass it in",
                    path.shown(),
                    modules[0]
                ),
            )),
            None => findings.push(file.finding(
                path.line,
                format!(
                    "`{}` is on no floor; name the module that has it, or give that one a floor",
                    path.shown()
                ),
            )),
        }
    }
    findings
}

/// The modules that lead to a file: `http`, `body` for `http/body.rs`. None for what is not on a
/// floor.
fn modules(file: &File) -> Option<Vec<String>> {
    let below = file.path.strip_prefix(ROOMS)?.strip_suffix(".rs")?;
    let below = below.strip_suffix("/mod").unwrap_or(below);
    let is_outside = ["lib", "main"].contains(&below) || below.starts_with("bin/");
    (!is_outside).then(|| below.split('/').map(str::to_owned).collect())
}

/// The module of the root that a path leads to, from a file that lies so deep.
fn target<'a>(path: &'a Path, depth: usize, floors: &[&str]) -> Option<&'a str> {
    let names = &path.names;
    if names[0] == "crate" {
        return names.get(1).map(String::as_str);
    }
    // `super::super::http` from `deploy/run.rs`. A module inside a file shifts the count, so only
    // floors count.
    let ups = names.iter().take_while(|name| *name == "super").count();
    names
        .get(ups)
        .map(String::as_str)
        .filter(|name| ups > 0 && ups == depth && floors.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let file = File::new(format!("{ROOMS}{path}"), text);
        let found: Vec<String> = check_file(&file, &["store", "router", "http"])
            .into_iter()
            .map(|finding| finding.what)
            .collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (what, part) in found.iter().zip(expected) {
            assert!(what.contains(part), "{what}");
        }
    }

    #[test]
    fn down_and_sideways_are_fine() {
        check(
            "router.rs",
            "use crate::store::Blob;\nuse crate::router::{a, b};",
            &[],
        );
        check(
            "http/body.rs",
            "use super::answer;\nuse super::super::store;",
            &[],
        );
    }

    #[test]
    fn up_is_not() {
        check(
            "router.rs",
            "use crate::{store, http::Body};",
            &["`crate::http::Body` points up"],
        );
        check(
            "store/disk.rs",
            "fn f() { crate::router::go() }",
            &["points up, from store"],
        );
        check("store.rs", "use super::http::Body;", &["points up"]);
        check(
            "store/disk.rs",
            "use super::super::http::Body;",
            &["points up"],
        );
    }

    #[test]
    fn everything_is_on_a_floor() {
        check("attic.rs", "", &["`attic` is on no floor"]);
        check(
            "http.rs",
            "use crate::Thing;",
            &["`crate::Thing` is on no floor"],
        );
        check("lib.rs", "mod http;", &[]);
    }

    #[test]
    fn tests_may_climb() {
        check(
            "store.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests { use crate::http; }",
            &[],
        );
    }
}
