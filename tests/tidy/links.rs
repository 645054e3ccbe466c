//! Links between documents: each must lead to an existing file.

use std::path::Path;

use crate::source::{File, Finding};

pub(crate) fn check(root: &Path, document: &File) -> Vec<Finding> {
    let from = root.join(&document.path);
    let from = from.parent().unwrap_or(root);
    let broken = targets(&document.text)
        .into_iter()
        .filter(|(_, target)| !from.join(target).exists());
    broken
        .map(|(line, target)| {
            document.finding(
                line,
                format!("links to `{target}`, which is not there; mend the path"),
            )
        })
        .collect()
}

/// The relative targets of a document's links, each with its line. Links in code do not count.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    let mut in_code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second piece between backticks is code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        let inline = prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        let defined = prose
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "))
            .map(|(_, target)| target);
        targets.extend(
            inline
                .chain(defined)
                .filter_map(relative)
                .map(|target| (number, target.to_owned())),
        );
    }
    targets
}

/// A target without its title and fragment, if it is a file of this repository.
fn relative(target: &str) -> Option<&str> {
    let target = target.split_whitespace().next()?.trim_matches(['<', '>']);
    let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
    let path = target.split('#').next()?;
    (!is_elsewhere && !path.is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_targets_are_checked() {
        let text = "[a](b.md#c) ![i](d/e.png \"title\") [w](https://example.org/x) [h](#here)\n\n[r]: ../f.md\n";
        assert_eq!(
            targets(text),
            [
                (1, "b.md".to_owned()),
                (1, "d/e.png".to_owned()),
                (3, "../f.md".to_owned())
            ]
        );
    }

    #[test]
    fn code_holds_no_links() {
        assert_eq!(targets("`a[0](b)`\n```\n[a](b.md)\n```\n"), []);
    }

    #[test]
    fn a_target_must_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let document = File::new("a.md", "[here](tidy.rs)\n[gone](no-such-file.md)\n");
        let found = check(root, &document);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
        assert!(found[0].what.contains("no-such-file.md"));
    }
}
