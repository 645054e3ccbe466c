//! Finds ONNX Runtime on this machine.
//!
//! The search starts when the first graph needs it, in this order: `--onnxruntime`,
//! `ORT_DYLIB_PATH`, beside the program, the system loader's folders, installed Python packages.
//! The first library that loads is used. Each library is loaded in a separate process first: one
//! that crashes, or takes longer than `PATIENCE`, is skipped and named in the error. Nothing is
//! installed, and no Python interpreter is started.

use std::env;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hotstage_onnx::{FindLibrary, Launch};

/// How long a library may take to load.
const PATIENCE: Duration = Duration::from_secs(20);
/// Poll interval while the probe process runs.
const POLL: Duration = Duration::from_millis(2);
/// Arguments with which this program loads a library, prints its version and exits.
pub const PROBE: [&str; 2] = ["engines", "--probe"];

/// Finds ONNX Runtime.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    /// The library, or its folder, as named by the operator.
    pub named: Option<PathBuf>,
}

/// A file that may be an ONNX Runtime library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The file.
    pub path: PathBuf,
    /// Where it was found.
    pub how: &'static str,
}

impl Finder {
    /// All candidate libraries, in order of preference.
    pub fn candidates(&self) -> Vec<Candidate> {
        if let Some(named) = &self.named {
            return libraries(named, "--onnxruntime");
        }
        let mut found = Vec::new();
        let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        found.extend(
            from("ORT_DYLIB_PATH")
                .into_iter()
                .flat_map(|path| libraries(Path::new(&path), "ORT_DYLIB_PATH")),
        );
        let program = env::current_exe().ok();
        let beside = program.as_deref().and_then(Path::parent);
        for folder in beside
            .into_iter()
            .flat_map(|folder| [folder.to_owned(), folder.join("../lib")])
        {
            found.extend(libraries(&folder, "beside the program"));
        }
        let loader = from("LD_LIBRARY_PATH")
            .or_else(|| from("DYLD_LIBRARY_PATH"))
            .unwrap_or_default();
        let loader = env::split_paths(&loader).filter(|folder| folder.is_absolute());
        for folder in loader.chain(LOADER.iter().map(PathBuf::from)) {
            found.extend(libraries(&folder, "the system's loader path"));
        }
        for folder in packages() {
            found.extend(libraries(
                &folder.join("onnxruntime/capi"),
                "a Python package",
            ));
        }
        let mut known = Vec::new();
        found.retain(|candidate| {
            let file = fs::canonicalize(&candidate.path).unwrap_or_else(|_| candidate.path.clone());
            let is_new = !known.contains(&file);
            known.push(file);
            is_new
        });
        found
    }
}

impl FindLibrary for Finder {
    fn find(&self) -> Result<PathBuf, String> {
        let candidates = self.candidates();
        if candidates.is_empty() {
            return Err(match &self.named {
                Some(named) => format!("there is no ONNX Runtime at {}, which --onnxruntime names", named.display()),
                None => "ONNX Runtime was not found on this machine; `pip install onnxruntime` brings it, or name its \
                         library with --onnxruntime; `hotstage engines` lists the searched places"
                    .to_owned(),
            });
        }
        let mut failures = Vec::new();
        for candidate in candidates {
            match probe(&candidate.path) {
                Ok(_) => return Ok(candidate.path),
                Err(reason) => failures.push(format!("{}: {reason}", candidate.path.display())),
            }
        }
        Err(format!(
            "ONNX Runtime can't be loaded: {}",
            failures.join("; ")
        ))
    }

    fn is_named(&self) -> bool {
        self.named.is_some()
    }
}

/// How the process of a graph is started: this program, even when its file was replaced in the
/// meantime. It gets only the environment variables with which libraries and devices are found, so
/// no secrets.
pub fn graph_process() -> Launch {
    let environment = env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        ENVIRONMENT.iter().any(|start| name.starts_with(start))
    });
    Launch {
        program: "/proc/self/exe".into(),
        arguments: vec!["graph-process".into()],
        environment: environment.collect(),
    }
}

/// Prefixes of environment variables that an engine may need.
const ENVIRONMENT: [&str; 8] = [
    "LD_LIBRARY_PATH",
    "PATH",
    "TMPDIR",
    "CUDA_",
    "NVIDIA_",
    "ORT_",
    "OMP_",
    "OPENVINO",
];

/// Loads the library in a separate process; returns the output of that process.
pub fn probe(path: &Path) -> Result<String, String> {
    let program =
        env::current_exe().map_err(|error| format!("this program can't be found: {error}"))?;
    let mut command = Command::new(program);
    command
        .args(PROBE)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("no process can be started: {error}"))?;
    let began = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if began.elapsed() < PATIENCE => wait(),
            Ok(None) | Err(_) => {
                // The process may have ended in the meantime.
                let _ = child.kill().and_then(|()| child.wait());
                return Err(format!("did not finish loading in {PATIENCE:?}"));
            }
        }
    };
    let read = |pipe: Option<&mut dyn std::io::Read>| {
        let mut text = String::new();
        // The output is a few lines of text; other output is not from this program.
        let _ = pipe.map(|pipe| pipe.take(64 << 10).read_to_string(&mut text));
        text.trim().to_owned()
    };
    if status.success() {
        return Ok(read(child.stdout.as_mut().map(|pipe| pipe as _)));
    }
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Err(format!("crashed while it was loaded (signal {signal})"));
    }
    Err(read(child.stderr.as_mut().map(|pipe| pipe as _))
        .trim_start_matches("error: ")
        .to_owned())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a graph is being loaded, on a thread that may wait for that"
)]
fn wait() {
    std::thread::sleep(POLL);
}

/// Default folders of the system's loader.
const LOADER: [&str; 7] = [
    "/usr/local/lib",
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/opt/homebrew/lib",
    "/opt/onnxruntime/lib",
];

/// Folders of installed Python packages: of the active environment, of every interpreter on the
/// path, of the user and of the system.
fn packages() -> Vec<PathBuf> {
    let mut prefixes: Vec<PathBuf> = ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .iter()
        .filter_map(env::var_os)
        .map(PathBuf::from)
        .collect();
    for folder in env::split_paths(&env::var_os("PATH").unwrap_or_default()) {
        let interpreter = folder.join("python3");
        let target = fs::canonicalize(&interpreter).ok();
        // The environment that contains the link, and the installation that the link points to.
        let both = target
            .is_some()
            .then_some(interpreter)
            .into_iter()
            .chain(target);
        prefixes.extend(both.filter_map(|path| Some(path.parent()?.parent()?.to_owned())));
    }
    if let Some(home) = env::var_os("HOME").map(PathBuf::from) {
        prefixes.push(home.join(".local"));
        prefixes.extend(entries(&home.join(".pyenv/versions")));
    }
    prefixes.extend([PathBuf::from("/usr/local"), PathBuf::from("/usr")]);
    let mut found = Vec::new();
    for prefix in prefixes {
        let versions = entries(&prefix.join("lib"))
            .into_iter()
            .filter(|path| named(path).starts_with("python3"));
        found.extend(
            versions.flat_map(|path| [path.join("site-packages"), path.join("dist-packages")]),
        );
    }
    found
}

/// The libraries in a folder, or the file itself. The plain name comes first.
fn libraries(path: &Path, how: &'static str) -> Vec<Candidate> {
    let is_library = |path: &PathBuf| {
        let name = named(path);
        (name.starts_with("libonnxruntime.") && (name.contains(".so") || name.ends_with(".dylib")))
            && path.is_file()
    };
    let paths = if path.is_dir() {
        entries(path).into_iter().filter(is_library).collect()
    } else {
        // A file named directly may have any name.
        Vec::from_iter(path.is_file().then(|| path.to_owned()))
    };
    paths
        .into_iter()
        .map(|path| Candidate {
            path: std::path::absolute(&path).unwrap_or(path),
            how,
        })
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let mut entries: Vec<PathBuf> = entries.collect();
    entries.sort();
    entries
}

fn named(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_runtime_itself_is_a_candidate() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "libonnxruntime.so.1.32.0",
            "libonnxruntime_providers_shared.so",
            "libonnxruntime.txt",
            "a.so",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let finder = Finder {
            named: Some(folder.path().to_owned()),
        };
        let names: Vec<PathBuf> = finder
            .candidates()
            .into_iter()
            .map(|candidate| candidate.path)
            .collect();
        assert_eq!(names, [folder.path().join("libonnxruntime.so.1.32.0")]);
    }

    #[test]
    fn what_is_named_and_not_there_is_said() {
        let finder = Finder {
            named: Some("/no/such/library.so".into()),
        };
        assert!(
            finder
                .find()
                .unwrap_err()
                .contains("/no/such/library.so, which --onnxruntime names")
        );
    }
}
