//! Checks whether a component fits the world of its role, and explains what to fix if it does not.
//!
//! wasmtime decides ([`links`]). [`fits`] explains: it extracts the interfaces of the component and
//! compares them with those of `wit/`, line by line.

use std::collections::BTreeSet;
use std::fmt::Write as _;

pub use hotstage_core::role::Role;
use wasmtime::component::Component;
use wit_component::WitPrinter;
use wit_parser::decoding::{DecodedWasm, decode};
use wit_parser::{InterfaceId, PackageName, Resolve, SourceMap, WorldId, WorldItem};

use crate::bindings::{model, postprocessor, preprocessor};
use crate::compile::CompileError;
use crate::engine::Engine;
use crate::stage::Pre;

/// The files of the package, for comparison.
const WIT: [(&str, &str); 10] = [
    ("tensors.wit", include_str!("../../../wit/tensors.wit")),
    ("log.wit", include_str!("../../../wit/log.wit")),
    ("files.wit", include_str!("../../../wit/files.wit")),
    ("metrics.wit", include_str!("../../../wit/metrics.wit")),
    ("stages.wit", include_str!("../../../wit/stages.wit")),
    (
        "preprocess.wit",
        include_str!("../../../wit/preprocess.wit"),
    ),
    ("graphs.wit", include_str!("../../../wit/graphs.wit")),
    ("infer.wit", include_str!("../../../wit/infer.wit")),
    (
        "postprocess.wit",
        include_str!("../../../wit/postprocess.wit"),
    ),
    ("worlds.wit", include_str!("../../../wit/worlds.wit")),
];

/// The package's version, and that of the matching SDK.
const VERSION: (u64, u64) = (0, 1);
/// The interface that only models may import.
const GRAPHS: &str = "graphs";
const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
/// Lines of a difference that are shown.
const LINES_MAX: usize = 24;

/// Checks the component's imports and exports against its role's world.
pub(crate) fn links(engine: &Engine, component: &Component, role: Role) -> wasmtime::Result<Pre> {
    let pre = engine.linker.instantiate_pre(component)?;
    Ok(match role {
        Role::Preprocess => Pre::Preprocess(preprocessor::PreprocessorPre::new(pre)?),
        Role::Model => Pre::Model(model::ModelPre::new(pre)?),
        Role::Postprocess => Pre::Postprocess(postprocessor::PostprocessorPre::new(pre)?),
    })
}

/// Explains what does not fit, if the interfaces show it.
pub(crate) fn fits(bytes: &[u8], role: Role) -> Result<(), CompileError> {
    let (resolve, world) = read(bytes)?;
    let mut problems = Vec::new();
    check_exports(&resolve, world, role, &mut problems)?;
    check_imports(&resolve, world, role, &mut problems);
    if problems.is_empty() {
        return Ok(());
    }
    let mut text = format!(
        "the component does not fit the role {role} of hotstage:serving@{}.{}:",
        VERSION.0, VERSION.1
    );
    for problem in problems {
        let _ = write!(text, "\n  {}", problem.replace('\n', "\n  "));
    }
    Err(CompileError::Unfit(text))
}

/// Reports the kind of the bytes, if they do not start with a component's header.
pub(crate) fn header(bytes: &[u8]) -> Result<(), CompileError> {
    let not = |text: &str| Err(CompileError::NotAComponent(text.to_owned()));
    let Some(header) = bytes.first_chunk::<8>() else {
        return not("the file is too short to be a component");
    };
    match header {
        [0, b'a', b's', b'm', 1, 0, 0, 0] => not(
            "the file is a core WebAssembly module, not a component; build it with `--target wasm32-wasip2`",
        ),
        [0, b'a', b's', b'm', ..] => Ok(()),
        _ => not("the file is not WebAssembly: it does not begin with `\\0asm`"),
    }
}

fn read(bytes: &[u8]) -> Result<(Resolve, WorldId), CompileError> {
    header(bytes)?;
    let not = |text: &str| Err(CompileError::NotAComponent(text.to_owned()));
    match decode(bytes) {
        Ok(DecodedWasm::Component(resolve, world)) => Ok((resolve, world)),
        Ok(DecodedWasm::WitPackage(..)) => not("the file holds a WIT package, not a component"),
        Err(error) => Err(CompileError::NotAComponent(format!(
            "the file is not a component that can be read: {error:#}"
        ))),
    }
}

/// An interface's package and name, if it has both.
fn named(resolve: &Resolve, id: InterfaceId) -> Option<(&PackageName, &str)> {
    let interface = &resolve.interfaces[id];
    Some((
        &resolve.packages[interface.package?].name,
        interface.name.as_deref()?,
    ))
}

fn is_ours(package: &PackageName) -> bool {
    package.namespace == "hotstage" && package.name == "serving"
}

fn is_served(package: &PackageName) -> bool {
    package
        .version
        .as_ref()
        .is_some_and(|version| (version.major, version.minor) == VERSION)
}

fn check_exports(
    resolve: &Resolve,
    world: WorldId,
    role: Role,
    problems: &mut Vec<String>,
) -> Result<(), CompileError> {
    let mut exported = Vec::new();
    for (key, item) in &resolve.worlds[world].exports {
        exported.push(format!("`{}`", resolve.name_world_key(key)));
        let WorldItem::Interface { id, .. } = item else {
            continue;
        };
        let Some((package, name)) = named(resolve, *id).filter(|(package, _)| is_ours(package))
        else {
            continue;
        };
        if !is_served(package) {
            let (major, minor) = VERSION;
            return Err(CompileError::Unfit(format!(
                "the component is built for {package}; this server serves hotstage:serving@{major}.{minor}: \
                 build it with hotstage-sdk {major}.{minor}"
            )));
        }
        if name == role.interface() {
            problems.extend(differences(resolve, *id, name, true));
            return Ok(());
        }
        if let Some(other) = Role::ALL
            .into_iter()
            .find(|other| other.interface() == name)
        {
            return Err(CompileError::Unfit(format!(
                "the component exports `{name}`, which makes it a {other} component; here its role is {role}"
            )));
        }
    }
    let what = if exported.is_empty() {
        "nothing".to_owned()
    } else {
        exported.join(", ")
    };
    problems.push(format!(
        "it must export `hotstage:serving/{}@{}.{}.0` and exports {what}; with the SDK, \
         `hotstage_sdk::export!` does that",
        role.interface(),
        VERSION.0,
        VERSION.1
    ));
    Ok(())
}

fn check_imports(resolve: &Resolve, world: WorldId, role: Role, problems: &mut Vec<String>) {
    for (key, item) in &resolve.worlds[world].imports {
        let name = resolve.name_world_key(key);
        let known = match item {
            WorldItem::Interface { id, .. } => {
                named(resolve, *id).is_some_and(|(package, interface)| {
                    let is_given =
                        ours(interface).is_some() && (interface != GRAPHS || role == Role::Model);
                    if is_ours(package) && is_served(package) && is_given {
                        problems.extend(differences(resolve, *id, interface, false));
                        return true;
                    }
                    package.namespace == "wasi"
                        && WASI.contains(&package.name.as_str())
                        && package
                            .version
                            .as_ref()
                            .is_some_and(|version| (version.major, version.minor) == (0, 2))
                })
            }
            WorldItem::Function(_) => false,
            WorldItem::Type { .. } => true,
        };
        if !known {
            problems.push(format!(
                "it imports `{name}`, which no {role} stage may import; a stage may import `tensors`, `log`, `files` and \
                 `metrics`, a model `graphs` as well, of hotstage:serving@{}.{}, and WASI 0.2",
                VERSION.0, VERSION.1
            ));
        }
    }
}

/// The package of `wit/`, with the interface of this name.
fn ours(name: &str) -> Option<(&'static Resolve, InterfaceId)> {
    static PACKAGE: std::sync::LazyLock<Option<Resolve>> = std::sync::LazyLock::new(|| {
        let mut sources = SourceMap::new();
        for (path, text) in WIT {
            sources.push_str(path, text);
        }
        let mut resolve = Resolve::default();
        resolve.push_group(sources.parse().ok()?).ok()?;
        Some(resolve)
    });
    let resolve = PACKAGE.as_ref()?;
    let (id, _) = resolve
        .interfaces
        .iter()
        .find(|(_, interface)| interface.name.as_deref() == Some(name))?;
    Some((resolve, id))
}

/// The lines that differ. An import may omit what the component does not use; an export must be
/// complete.
fn differences(theirs: &Resolve, id: InterfaceId, name: &str, is_export: bool) -> Option<String> {
    let (our_resolve, our_id) = ours(name)?;
    let expected = lines(our_resolve, our_id)?;
    let given = lines(theirs, id)?;
    let missing = expected
        .iter()
        .filter(|line| is_export && !given.contains(*line));
    let other = given.iter().filter(|line| !expected.contains(*line));
    let lines: Vec<String> = missing
        .map(|line| format!("  expected  {line}"))
        .chain(other.map(|line| format!("  given     {line}")))
        .collect();
    if lines.is_empty() {
        return None;
    }
    let mut text = format!(
        "its {} `{name}` differs:",
        if is_export { "export" } else { "import" }
    );
    for line in lines.iter().take(LINES_MAX) {
        let _ = write!(text, "\n{line}");
    }
    if lines.len() > LINES_MAX {
        let _ = write!(text, "\n  and {} more lines", lines.len() - LINES_MAX);
    }
    Some(text)
}

/// An interface as lines of WIT without comments. Each line is complete: a case or a field is
/// prefixed with its type's name.
fn lines(resolve: &Resolve, id: InterfaceId) -> Option<BTreeSet<String>> {
    let mut printer = WitPrinter::default();
    printer.emit_docs(false).print_interface(resolve, id).ok()?;
    let text = printer.output.to_string();
    let mut owner = String::new();
    let mut lines = BTreeSet::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('@'))
    {
        if let Some(head) = line.strip_suffix('{') {
            head.trim().clone_into(&mut owner);
            lines.insert(owner.clone());
        } else if line.starts_with('}') {
            owner.clear();
        } else if line.starts_with("use ") {
            // An imported name appears where it is used.
        } else if owner.is_empty() {
            lines.insert(line.trim_end_matches([',', ';']).to_owned());
        } else {
            lines.insert(format!("{owner}: {}", line.trim_end_matches([',', ';'])));
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_there_and_agrees_with_itself() {
        for role in Role::ALL {
            let (resolve, id) = ours(role.interface()).unwrap();
            assert!(
                lines(resolve, id)
                    .unwrap()
                    .iter()
                    .any(|line| line.starts_with("open: func"))
            );
            assert_eq!(differences(resolve, id, role.interface(), true), None);
        }
    }

    #[test]
    fn what_is_no_component_is_named() {
        let text = |bytes: &[u8]| fits(bytes, Role::Model).unwrap_err().to_string();
        assert!(text(b"").contains("too short"));
        assert!(text(b"PK\x03\x04....").contains("not WebAssembly"));
        assert!(text(b"\0asm\x01\0\0\0").contains("wasm32-wasip2"));
        assert!(text(b"\0asm\x0d\0\x01\0garbage").contains("not a component that can be read"));
    }

    #[test]
    fn a_change_is_shown_line_by_line() {
        let mut sources = SourceMap::new();
        let changed: String = WIT
            .iter()
            .find(|(path, _)| *path == "infer.wit")
            .unwrap()
            .1
            .replace(
                "infer: func(inputs: list<tensor>) -> result<list<tensor>, failure>;",
                "infer: func(inputs: list<u8>) -> list<u8>;",
            );
        for (path, text) in WIT {
            sources.push_str(path, if path == "infer.wit" { &changed } else { text });
        }
        let mut resolve = Resolve::default();
        resolve.push_group(sources.parse().unwrap()).unwrap();
        let id = resolve
            .interfaces
            .iter()
            .find(|(_, i)| i.name.as_deref() == Some("infer"))
            .unwrap()
            .0;
        assert_eq!(
            differences(&resolve, id, "infer", true).unwrap(),
            "its export `infer` differs:\n\
             \x20 expected  infer: func(inputs: list<tensor>) -> result<list<tensor>, failure>\n\
             \x20 given     infer: func(inputs: list<u8>) -> list<u8>"
        );
    }
}
