//! Scripts of an example that make files from fetched ones: an exporter, a converter.
//!
//! They run in `target/fetch/venv-EXAMPLE`, made from the pinned requirements of all the example's
//! scripts and made again when those change. The results are compared with their pins. Scripts are
//! not bounded: they are as trusted as this program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::place::{self, Found};
use super::recipe::{Recipe, Script};
use super::{Network, PYTHON};
use crate::run::{OrStop, Outcome, Stop, check, step};

/// The Python of an example's scripts; installs the requirements if needed.
pub(super) fn python(
    recipe: &Recipe,
    folder: &Path,
    venv: &Path,
    network: Network,
) -> Outcome<PathBuf> {
    let mut wanted = String::new();
    let mut install = Command::new(venv.join("bin/python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]);
    for script in &recipe.scripts {
        let path = folder.join(&script.requirements.0);
        wanted +=
            &fs::read_to_string(&path).or_stop(|| format!("can't read {}", path.display()))?;
        install.arg("--requirement").arg(path);
    }
    // Written last: an interrupted installation leaves none and is repeated.
    let stamp = venv.join("installed.txt");
    let python = venv.join("bin/python");
    if python.exists() && fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(python);
    }
    if network == Network::Forbidden {
        let place = venv.display();
        return Err(Stop::new(format!(
            "{place} lacks the pinned requirements, and --offline forbids installing them"
        )));
    }
    step("installing what the scripts need", || {
        check(
            Command::new(PYTHON)
                .args(["-m", "venv", "--clear"])
                .arg(venv),
        )?;
        check(&mut install)
    })?;
    fs::write(&stamp, wanted).or_stop(|| format!("can't write {}", stamp.display()))?;
    Ok(python)
}

/// Runs a script and compares its results with the pins.
pub(super) fn run(script: &Script, python: &Path, folder: &Path, fetched: &Path) -> Outcome {
    fs::create_dir_all(fetched).or_stop(|| format!("can't make {}", fetched.display()))?;
    let program = folder.join(&script.run.0);
    let mut command = Command::new(python);
    command.arg(&program).arg(fetched);
    step(&format!("running {}", script.run.0), || check(&mut command))?;
    for made in &script.makes {
        let path = fetched.join(&made.file.0);
        match place::look(&path, &made.sha256)? {
            Found::Pinned => {}
            Found::Nothing => {
                return Err(Stop::new(format!(
                    "{} ran and did not make {}",
                    script.run.0,
                    path.display()
                )));
            }
            Found::Another(sum) => {
                let aside = place::set_aside(&path)?;
                return Err(place::mismatch(
                    &aside.display().to_string(),
                    &made.sha256.0,
                    &sum.0,
                ));
            }
        }
    }
    Ok(())
}
