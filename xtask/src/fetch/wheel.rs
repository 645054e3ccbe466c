//! Archives of the Python package index: downloaded by pip, so that its configuration of indexes,
//! mirrors and proxies applies, and opened by Python's `zipfile`.
//!
//! An archive's name contains its interpreter and platform. They are passed to pip, so that any
//! machine can fetch it: only data is taken out, which runs nowhere. Memory holds one member at a
//! time; archives are in `target/fetch`. Both are pinned, so their sizes are known.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::place::{self, Found};
use super::recipe::{Package, Take};
use super::{Network, PYTHON};
use crate::run::{OrStop, Outcome, Stop, step};

/// Prints one member of an archive.
const PRINT_MEMBER: &str = "import sys, zipfile; \
    sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))";

/// The archive in the cache; fetches it if it is missing or differs from its pin.
pub(super) fn archive(package: &Package, cache: &Path, network: Network) -> Outcome<PathBuf> {
    let path = cache.join(&package.file.0);
    if place::look(&path, &package.sha256)? == Found::Pinned {
        return Ok(path);
    }
    if network == Network::Forbidden {
        let file = &package.file.0;
        return Err(Stop::new(format!(
            "{file} is not in {}, and --offline forbids fetching it",
            cache.display()
        )));
    }
    step(&format!("fetching {}", package.file.0), || {
        download(package, cache)
    })?;
    match place::look(&path, &package.sha256)? {
        Found::Pinned => Ok(path),
        Found::Another(sum) => {
            place::set_aside(&path)?;
            Err(place::mismatch(&package.file.0, &package.sha256.0, &sum.0))
        }
        Found::Nothing => Err(Stop::new(format!(
            "pip fetched another archive of {} {} than {}; give `file` the name of one that the index has",
            package.name.0, package.version.0, package.file.0
        ))),
    }
}

/// A member of the archive; its hash must match the pin.
pub(super) fn member(archive: &Path, take: &Take) -> Outcome<Vec<u8>> {
    let mut command = Command::new(PYTHON);
    command
        .args(["-c", PRINT_MEMBER])
        .arg(archive)
        .arg(&take.from);
    let output = output(&mut command)?;
    let shown = format!(
        "{} in {}",
        take.from,
        archive.file_name().unwrap_or_default().to_string_lossy()
    );
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(Stop::new(format!(
            "can't read {shown}: {}",
            why.trim().lines().last().unwrap_or("no reason given")
        )));
    }
    let sum = place::sum(&output.stdout);
    if sum == take.sha256 {
        Ok(output.stdout)
    } else {
        Err(place::mismatch(&shown, &take.sha256.0, &sum.0))
    }
}

fn download(package: &Package, cache: &Path) -> Outcome {
    fs::create_dir_all(cache).or_stop(|| format!("can't make {}", cache.display()))?;
    let requirements = cache.join(format!("{}.txt", package.file.0));
    let Package {
        name,
        version,
        sha256,
        ..
    } = package;
    place::put(
        &requirements,
        format!("{}=={} --hash=sha256:{}\n", name.0, version.0, sha256.0).as_bytes(),
    )?;
    let mut command = Command::new(PYTHON);
    command.args([
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
    ]);
    command.args([
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--ignore-requires-python",
    ]);
    command
        .args(tags(&package.file.0)?)
        .arg("--dest")
        .arg(cache)
        .arg("--requirement")
        .arg(requirements);
    let output = output(&mut command)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Stop::new(refusal(
        package,
        &String::from_utf8_lossy(&output.stderr),
    )))
}

fn output(command: &mut Command) -> Outcome<Output> {
    command
        .output()
        .or_stop(|| format!("can't start `{PYTHON}`; install Python 3 with pip"))
}

/// pip's options for the interpreter and the platform, from the last three parts of a wheel's name.
fn tags(file: &str) -> Outcome<Vec<String>> {
    let parts: Option<Vec<&str>> = file
        .strip_suffix(".whl")
        .map(|stem| stem.rsplitn(4, '-').collect());
    let Some(&[platforms, abis, pythons, _]) = parts.as_deref() else {
        return Err(Stop::new(format!(
            "{file} is not a wheel: NAME-VERSION-PYTHON-ABI-PLATFORM.whl is needed"
        )));
    };
    // `py2.py3` covers both; the last one counts.
    let python = pythons.rsplit('.').next().unwrap_or(pythons);
    let (implementation, version) = python.split_at_checked(2).unwrap_or((python, ""));
    let mut options = vec!["--implementation".to_owned(), implementation.to_owned()];
    if let Some((major, minor)) = version.split_at_checked(1)
        && !minor.is_empty()
    {
        options.extend(["--python-version".to_owned(), format!("{major}.{minor}")]);
    }
    options.extend(
        abis.split('.')
            .flat_map(|abi| ["--abi".to_owned(), abi.to_owned()]),
    );
    options.extend(
        platforms
            .split('.')
            .flat_map(|platform| ["--platform".to_owned(), platform.to_owned()]),
    );
    Ok(options)
}

/// Explains pip's error, and what to do about it.
fn refusal(package: &Package, complaint: &str) -> String {
    let Package {
        name,
        version,
        file,
        sha256,
        ..
    } = package;
    let (name, version, file) = (&name.0, &version.0, &file.0);
    let says = |words: &[&str]| words.iter().any(|word| complaint.contains(word));
    if says(&["No module named pip", "No module named 'pip'"]) {
        return format!(
            "`{PYTHON} -m pip` is missing: install pip (`{PYTHON} -m ensurepip`, or the system's package)"
        );
    }
    if says(&["DO NOT MATCH THE HASHES"]) {
        let got = complaint
            .lines()
            .find_map(|line| line.trim().strip_prefix("Got"))
            .unwrap_or("another one")
            .trim();
        return place::mismatch(file, &sha256.0, got).to_string();
    }
    if says(&[
        "Retrying (",
        "ConnectionError",
        "ProxyError",
        "timed out",
        "Temporary failure in name resolution",
    ]) {
        return format!(
            "pip can't reach an index, so {file} can't be fetched; check the network and pip's configuration"
        );
    }
    if says(&["No matching distribution found", "Could not find a version"]) {
        return format!(
            "the index has no {name} {version} as {file}; pin one of the archives that it has"
        );
    }
    let last = complaint
        .trim()
        .lines()
        .last()
        .unwrap_or("it gave no reason");
    format!("pip can't fetch {file}: {last}")
}

#[cfg(test)]
mod tests {
    use super::super::recipe::tests::recipe;
    use super::*;

    #[test]
    fn pip_gets_the_interpreter_and_platform_of_the_archive() {
        let tags = |file: &str| tags(file).unwrap().join(" ");
        assert_eq!(
            tags("magika-1.0.3-py3-none-manylinux_2_28_x86_64.whl"),
            "--implementation py --abi none --platform manylinux_2_28_x86_64"
        );
        assert_eq!(
            tags("a-1-1-cp311-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"),
            "--implementation cp --python-version 3.11 --abi abi3 --platform manylinux_2_17_x86_64 \
             --platform manylinux2014_x86_64"
        );
        assert_eq!(
            tags("a-1-py2.py3-none-any.whl"),
            "--implementation py --abi none --platform any"
        );
    }

    #[test]
    fn a_file_that_is_not_a_wheel_is_refused() {
        assert!(
            tags("magika-1.0.3.tar.gz")
                .unwrap_err()
                .to_string()
                .contains("is not a wheel")
        );
        assert!(
            tags("magika.whl")
                .unwrap_err()
                .to_string()
                .contains("is not a wheel")
        );
    }

    #[test]
    fn a_complaint_of_pip_says_what_to_do() {
        let recipe = recipe(|text| text).unwrap();
        let check = |complaint: &str, expected: &str| {
            let said = refusal(&recipe.packages[0], complaint);
            assert!(said.contains(expected), "{said}");
        };
        check("/usr/bin/python3: No module named pip", "install pip");
        check(
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n  Expected sha256 00\n  Got        ff\n",
            "got ff; it is not used",
        );
        check(
            "WARNING: Retrying (Retry(total=4))\nERROR: Could not find a version",
            "pip can't reach an index",
        );
        check(
            "ERROR: No matching distribution found for magika==1.0.3",
            "the index has no magika 1.0.3 as magika-1.0.3",
        );
        check(
            "ERROR: disk quota exceeded\n",
            "can't fetch magika-1.0.3-py3-none-any.whl: ERROR: disk quota exceeded",
        );
    }
}
