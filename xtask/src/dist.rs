//! `cargo xtask dist`: builds the server for distribution, with profile-guided optimisation across
//! crates.
//!
//! Three steps: build a server with counters; run it under load, which records the hot paths
//! (`train`); build again with that profile. A request runs through many functions once, so the
//! placement of code matters more than the code itself: docs/performance.md has the figures. Two
//! builds take long, so tests and everyday work use the release profile.
//!
//! Output: `target/dist` with the server and the components where it looks for them. That folder is
//! complete and can be copied.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::bench;
use crate::build;
use crate::run::{OrStop, Outcome, Stop, cargo, check, rustc, rustup, step};
use crate::workspace::{GUESTS, SERVER, Workspace};

mod questions;
mod train;

/// Builds the server for distribution, optimised by a profile of its own load.
///
/// Takes half an hour on two cores. Installs the compiler's profile tools with rustup if they are
/// missing. Output: target/dist with the server and the components.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Optimise across crates without a profile: half the build time, less speed
    #[arg(long)]
    no_profile: bool,
    /// Build the benchmarks and their floor in the same way, for `cargo xtask bench --dist`
    #[arg(long)]
    with_bench: bool,
    /// Length of the load that makes the profile, in seconds
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

pub(crate) fn main(args: &Args) -> Outcome {
    let workspace = Workspace::read()?;
    let compiler = Compiler::find()?;
    let merge = if args.no_profile {
        None
    } else {
        Some(compiler.profile_tool()?)
    };
    build::components(&workspace)?;
    let flag = merge
        .map(|merge| profile(&workspace, &compiler, &merge, args.seconds))
        .transpose()?;
    let flag = flag.as_deref();
    let mut programs = vec![step("building the server", || {
        compiler.program(&workspace, SERVER, flag)
    })?];
    if args.with_bench {
        programs.push(step("building the benchmarks", || {
            compiler.program(&workspace, bench::PROGRAM, flag)
        })?);
    }
    install(&workspace, &programs)
}

/// Makes a profile, and returns the compiler flag that uses it.
fn profile(
    workspace: &Workspace,
    compiler: &Compiler,
    merge: &Path,
    seconds: u64,
) -> Outcome<OsString> {
    let place = tempfile::tempdir().or_stop(|| "can't make a temporary directory".to_owned())?;
    let counts = place.path().join("counts");
    let generate = flag("-Cprofile-generate=", &counts);
    let counting = step("building the server with counters", || {
        compiler.program(workspace, SERVER, Some(&generate))
    })?;
    step("running the load", || {
        train::run(workspace, &counting, place.path(), seconds)
    })?;
    let folder = workspace.target.join("dist-profile");
    // The folder has a new name each time: cargo identifies a flag by its text and does not read
    // most files that flags refer to.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    let merged = folder.join(format!("{now}.profdata"));
    // Removes an earlier profile; there may be none.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).or_stop(|| format!("can't make {}", folder.display()))?;
    check(
        Command::new(merge)
            .args(["merge", "-o"])
            .arg(&merged)
            .arg(&counts),
    )?;
    Ok(flag("-Cprofile-use=", &merged))
}

fn flag(flag: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(flag);
    flag.push(path);
    flag
}

/// The compiler that cargo calls.
struct Compiler {
    sysroot: PathBuf,
    /// Its default target.
    host: String,
}

impl Compiler {
    fn find() -> Outcome<Self> {
        let (sysroot, version) = (rustc(&["--print", "sysroot"])?, rustc(&["-vV"])?);
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host
            .ok_or_else(|| Stop::new("`rustc -vV` prints no host"))?
            .to_owned();
        Ok(Self {
            sysroot: sysroot.trim().into(),
            host,
        })
    }

    /// The tool that merges counts into a profile. It must have the compiler's own version, so only
    /// the toolchain's is used.
    fn profile_tool(&self) -> Outcome<PathBuf> {
        let tool = self
            .sysroot
            .join("lib/rustlib")
            .join(&self.host)
            .join("bin/llvm-profdata");
        let is_there = || tool.is_file();
        if is_there()
            || rustup(
                "the compiler's profile tools",
                &["component", "add", "llvm-tools"],
            ) && is_there()
        {
            return Ok(tool);
        }
        Err(Stop::new(
            "the compiler's profile tools are missing and could not be installed; run `rustup component add \
             llvm-tools`, or build without a profile: `cargo xtask dist --no-profile`",
        ))
    }

    /// Builds a program of the workspace in the profile `shipped`, with one more flag. The flag
    /// applies to the target only: build scripts and macros are not instrumented.
    fn program(&self, workspace: &Workspace, name: &str, flag: Option<&OsStr>) -> Outcome<PathBuf> {
        let mut command = cargo();
        command.current_dir(&workspace.root).args([
            "build",
            "--profile",
            "shipped",
            "--target",
            &self.host,
        ]);
        // Builds it as part of the whole workspace, as tests do, so that dependencies have the same
        // features.
        command.args(["--workspace", "--exclude", GUESTS, "--bin", name]);
        if let Some(flag) = flag {
            let given = std::env::var("RUSTFLAGS").unwrap_or_default();
            let flags: Vec<&OsStr> = given
                .split_whitespace()
                .map(OsStr::new)
                .chain([flag])
                .collect();
            // This variable allows flags that contain spaces.
            command.env("CARGO_ENCODED_RUSTFLAGS", flags.join(OsStr::new("\u{1f}")));
        }
        check(&mut command)?;
        Ok(workspace.target.join(&self.host).join("shipped").join(name))
    }
}

/// Fills target/dist from scratch, so that no file of an earlier build remains.
fn install(workspace: &Workspace, programs: &[PathBuf]) -> Outcome {
    let place = workspace.dist();
    let components = place.join("components");
    // There may be none.
    let _ = fs::remove_dir_all(&place);
    fs::create_dir_all(&components).or_stop(|| format!("can't make {}", components.display()))?;
    let copy = |from: &Path, into: &Path| {
        let to = into.join(from.file_name().unwrap_or_default());
        fs::copy(from, &to).or_stop(|| format!("can't copy {} to {}", from.display(), to.display()))
    };
    copy(&workspace.root.join("LICENSE"), &place)?;
    for program in programs {
        let bytes = copy(program, &place)?;
        println!(
            "{}  {}",
            program.file_name().unwrap_or_default().display(),
            build::size(bytes)
        );
    }
    let (mut count, mut all) = (0, 0);
    for name in
        fs::read_dir(workspace.components()).or_stop(|| "can't list the components".to_owned())?
    {
        let path = name
            .or_stop(|| "can't list the components".to_owned())?
            .path();
        if path.extension().is_some_and(|kind| kind == "wasm") {
            all += copy(&path, &components)?;
            count += 1;
        }
    }
    println!("components  {count}, {}", build::size(all));
    println!(
        "the distribution is in {}",
        workspace.short(&place).display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Profile;

    #[test]
    fn a_distribution_has_no_file_of_an_earlier_one() {
        let place = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = place.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, path.as_os_str().as_encoded_bytes()).unwrap();
            path
        };
        let target = place.path().join("target");
        let workspace = Workspace {
            root: place.path().to_owned(),
            target,
            plugins: Vec::new(),
            has_guests: false,
            profile: Profile::Release,
        };
        let server = write("built/hotstage");
        for path in [
            "LICENSE",
            "target/components/scale.wasm",
            "target/components/.part",
        ] {
            write(path);
        }
        for path in [
            "target/dist/hotstage-bench",
            "target/dist/components/gone.wasm",
        ] {
            write(path);
        }
        install(&workspace, &[server]).unwrap();
        let names = |path: &str| {
            let mut names: Vec<_> = fs::read_dir(place.path().join(path))
                .unwrap()
                .map(|name| name.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        assert_eq!(names("target/dist"), ["LICENSE", "components", "hotstage"]);
        assert_eq!(names("target/dist/components"), ["scale.wasm"]);
    }
}
