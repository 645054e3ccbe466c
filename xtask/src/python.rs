//! Python environments: one venv for each list of requirements, made again when the list changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{OrStop, Outcome, Stop, check, step};

/// The interpreter of the environment `venv` with `requirements` installed.
pub(crate) fn environment(requirements: &Path, venv: &Path, title: &str) -> Outcome<PathBuf> {
    let wanted = fs::read_to_string(requirements)
        .or_stop(|| format!("can't read {}", requirements.display()))?;
    let python = venv.join("bin/python");
    // Written last: an interrupted installation leaves none and is repeated.
    let stamp = venv.join("installed.txt");
    let is_current = python.exists() && fs::read_to_string(&stamp).is_ok_and(|had| had == wanted);
    if !is_current {
        step(title, || install(requirements, venv, &python)).map_err(|stop| {
            Stop::new(format!(
                "{stop}; install Python 3 with its venv module and check that pip can reach an index"
            ))
        })?;
        // Without a stamp, the next run only repeats the installation.
        let _ = fs::write(&stamp, wanted);
    }
    Ok(python)
}

fn install(requirements: &Path, venv: &Path, python: &Path) -> Outcome {
    check(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(venv),
    )?;
    let quiet = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
    ];
    check(Command::new(python).args(quiet).arg(requirements))
}
