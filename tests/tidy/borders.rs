//! Names that a crate or module must not use. Cargo already prevents the use of crates that are not
//! dependencies; this check covers std, dependencies that exist for another reason, and
//! dependencies added by accident.

use crate::names::{Path, paths};
use crate::source::{File, Finding};

/// One border.
struct Border {
    /// The files: their paths start with one of these.
    within: &'static [&'static str],
    /// Forbidden names: paths that start with one of these; `*::Name` means that name anywhere.
    never: &'static [&'static str],
    why: &'static str,
}

const BORDERS: &[Border] = &[
    Border {
        within: &["runtime/core/"],
        never: &[
            "tokio",
            "hyper",
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "*::Instant",
            "*::SystemTime",
        ],
        why: "core decides and does no IO: take the bytes, the time or the address as an argument",
    },
    Border {
        within: &["runtime/engine/", "runtime/onnx/"],
        never: &[
            "hyper",
            "hyper_util",
            "http",
            "clap",
            "std::env",
            "std::net",
        ],
        why: "the engine knows mechanisms only: what a protocol or a person said arrives as values",
    },
    Border {
        within: &[
            "runtime/core/",
            "runtime/cli/",
            "runtime/client/",
            "runtime/onnx/",
            "runtime/server/",
            "sdk/",
            "plugins/",
            "bench/",
            "tests/",
            "xtask/",
        ],
        never: &["wasmtime", "wasmtime_wasi"],
        why: "only the engine names wasmtime, so that an upgrade touches one directory",
    },
    Border {
        within: &["sdk/", "plugins/", "tests/guests/"],
        never: &[
            "hotstage",
            "hotstage_client",
            "hotstage_core",
            "hotstage_engine",
            "hotstage_server",
        ],
        why: "a guest sees the ABI and nothing behind it",
    },
    Border {
        within: &["runtime/client/"],
        never: &[
            "hotstage_core",
            "hotstage_engine",
            "hotstage_server",
            "hyper",
            "tokio",
        ],
        why: "the admin API's types are what a client of any kind needs, and no more",
    },
    Border {
        within: &[
            "runtime/server/src/codecs/",
            "runtime/server/src/control/",
            "runtime/server/src/executors/",
            "runtime/server/src/extensions.rs",
            "runtime/server/src/serving/",
            "runtime/server/src/state/",
            "runtime/server/src/telemetry/",
        ],
        never: &["http", "hyper", "hyper_util", "http_body_util", "tonic"],
        why: "protocols stop at the front ends, so that each of them gets the same data plane",
    },
];

/// Files that a border excludes, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "runtime/server/src/serving/context.rs",
    "http",
    "header names are those of the crate `http`, which gRPC uses too: they are hashed once",
)];

pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for border in BORDERS.iter().filter(|border| {
        border
            .within
            .iter()
            .any(|start| file.path.starts_with(start))
    }) {
        let crossing = paths(file.production());
        let crossing = crossing
            .iter()
            .filter(|path| border.never.iter().any(|never| names(path, never)))
            .filter(|path| !is_excepted(file, path));
        findings.extend(crossing.map(|path| {
            file.finding(
                path.line,
                format!("names `{}`; {}", path.shown(), border.why),
            )
        }));
    }
    findings
}

fn is_excepted(file: &File, path: &Path) -> bool {
    EXCEPTIONS
        .iter()
        .any(|(excepted, name, _)| file.path == *excepted && path.starts_with(name))
}

fn names(path: &Path, never: &str) -> bool {
    match never.strip_prefix("*::") {
        Some(name) => path.names.iter().any(|had| had == name),
        None => path.starts_with(never),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, lines: &[usize]) {
        let found: Vec<usize> = super::check(&File::new(path, text))
            .iter()
            .map(|finding| finding.line)
            .collect();
        assert_eq!(found, lines, "{path}: {text}");
    }

    #[test]
    fn core_does_no_io_and_has_no_clock() {
        check(
            "runtime/core/src/a.rs",
            "use std::{fmt, fs};\nuse std::time::{Duration, Instant};",
            &[1, 2],
        );
        check(
            "runtime/core/src/a.rs",
            "fn f() { let now = std::time::SystemTime::now(); }",
            &[1],
        );
        check(
            "runtime/core/src/a.rs",
            "// std::fs\nuse std::time::Duration;",
            &[],
        );
        check("runtime/server/src/a.rs", "use std::fs;", &[]);
    }

    #[test]
    fn a_crate_is_not_mistaken_for_a_module_of_its_name() {
        check("runtime/engine/src/a.rs", "use http::Uri;", &[1]);
        check("runtime/engine/src/a.rs", "use crate::http::Uri;", &[]);
    }

    #[test]
    fn tests_may_cross_the_border() {
        check(
            "runtime/core/src/a.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests { use std::fs; }",
            &[],
        );
    }

    #[test]
    fn guests_and_modules_have_borders_too() {
        check("sdk/rust/src/a.rs", "use hotstage_core::tensor;", &[1]);
        check(
            "runtime/server/src/serving/pipeline/run.rs",
            "use hyper::Request;",
            &[1],
        );
        check("runtime/cli/src/lib.rs", "use wasmtime::Engine;", &[1]);
        let context = "runtime/server/src/serving/context.rs";
        check(context, "use http::HeaderName;", &[]);
        check(context, "use hyper::Request;", &[1]);
        check(context, "use wasmtime::Engine;", &[1]);
    }
}
