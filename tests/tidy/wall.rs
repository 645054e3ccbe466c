//! The ABI: the WIT package as other tools see it, parsed, resolved and printed. A change of the
//! ABI is a decision, so it must show in a golden file.

use std::fs;
use std::path::Path;

use wit_component::WitPrinter;
use wit_parser::Resolve;

use crate::source::{File, Finding};

const GOLDEN: &str = "tests/golden/wit.txt";

/// Compares with the golden file, or writes it with `UPDATE_GOLDENS=1`.
pub(crate) fn check(root: &Path) -> Option<Finding> {
    let printed = match resolved(&root.join("wit")) {
        Ok(printed) => printed,
        Err(error) => {
            return Some(File::new("wit", "").finding(1, format!("does not resolve: {error}")));
        }
    };
    let path = root.join(GOLDEN);
    if std::env::var_os("UPDATE_GOLDENS").is_some_and(|update| update == "1") {
        let written =
            fs::create_dir_all(root.join("tests/golden")).and_then(|()| fs::write(&path, &printed));
        return written
            .err()
            .map(|error| File::new(GOLDEN, "").finding(1, format!("can't be written: {error}")));
    }
    compare(&fs::read_to_string(&path).unwrap_or_default(), &printed)
}

fn resolved(directory: &Path) -> Result<String, String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_path(directory)
        .map_err(|error| format!("{error:#}"))?;
    let mut printer = WitPrinter::default();
    printer
        .print(&resolve, package, &[])
        .map_err(|error| format!("{error:#}"))?;
    Ok(printer.output.to_string())
}

/// The first different line.
fn compare(golden: &str, printed: &str) -> Option<Finding> {
    if golden == printed {
        return None;
    }
    let (mut had, mut has) = (golden.lines(), printed.lines());
    for number in 1.. {
        let (old, new) = (had.next(), has.next());
        if old != new || old.is_none() {
            let shown = |line: Option<&str>| {
                line.map_or("nothing".to_owned(), |line| format!("`{}`", line.trim()))
            };
            let what = format!(
                "is not what wit/ resolves to: {} here, {} there; if that is meant, run `cargo xtask golden` and \
                 read the difference",
                shown(old),
                shown(new)
            );
            return Some(File::new(GOLDEN, "").finding(number, what));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        assert_eq!(compare("a\nb\n", "a\nb\n"), None);
        let finding = compare("a\nb\n", "a\n  c\n").unwrap();
        assert_eq!(finding.line, 2);
        assert!(finding.what.contains("`b` here, `c` there"), "{finding}");
        assert!(
            compare("a\n", "a\nb\n")
                .unwrap()
                .what
                .contains("nothing here, `b` there")
        );
        assert!(compare("", "a\n").is_some());
    }
}
