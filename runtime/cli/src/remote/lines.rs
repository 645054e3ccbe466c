//! The lines that differ between two texts, with some context, as `diff -u` shows them.
//!
//! Bound: [`CELLS_MAX`] pairs of lines are compared. Beyond that, the differing part is shown as
//! one block removed and one block added.

/// Lines of context around a difference.
const AROUND: usize = 3;
/// Bound on the pairs of lines that are compared.
const CELLS_MAX: usize = 4 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Out(&'a str),
    In(&'a str),
}

/// The removed and added lines between two texts; empty if the texts are equal.
pub(super) fn difference(one: &str, other: &str) -> Vec<String> {
    let (one, other): (Vec<&str>, Vec<&str>) = (one.lines().collect(), other.lines().collect());
    let lines = align(&one, &other);
    let is_near = |index: usize| {
        let near = index.saturating_sub(AROUND)..lines.len().min(index + AROUND + 1);
        lines[near]
            .iter()
            .any(|line| !matches!(line, Line::Same(_)))
    };
    let mut shown = Vec::new();
    let mut last = None;
    for (index, line) in lines
        .iter()
        .enumerate()
        .filter(|(index, _)| is_near(*index))
    {
        if last.is_some_and(|last| last + 1 != index) {
            shown.push("  …".to_owned());
        }
        last = Some(index);
        shown.push(match line {
            Line::Same(text) => format!("  {text}"),
            Line::Out(text) => format!("- {text}"),
            Line::In(text) => format!("+ {text}"),
        });
    }
    shown
}

fn align<'a>(one: &[&'a str], other: &[&'a str]) -> Vec<Line<'a>> {
    let head = one
        .iter()
        .zip(other)
        .take_while(|(one, other)| one == other)
        .count();
    let rest = one.len().min(other.len()) - head;
    let tail = one
        .iter()
        .rev()
        .zip(other.iter().rev())
        .take(rest)
        .take_while(|(one, other)| one == other)
        .count();
    let (left, right) = (
        &one[head..one.len() - tail],
        &other[head..other.len() - tail],
    );
    let mut lines: Vec<Line<'a>> = one[..head].iter().map(|text| Line::Same(text)).collect();
    middle(left, right, &mut lines);
    lines.extend(one[one.len() - tail..].iter().map(|text| Line::Same(text)));
    lines
}

/// The longest common subsequence, by a table of lengths of `left` by `right`.
fn middle<'a>(left: &[&'a str], right: &[&'a str], lines: &mut Vec<Line<'a>>) {
    let width = right.len() + 1;
    if (left.len() + 1).saturating_mul(width) > CELLS_MAX {
        lines.extend(left.iter().map(|text| Line::Out(text)));
        lines.extend(right.iter().map(|text| Line::In(text)));
        return;
    }
    let mut common = vec![0_u32; (left.len() + 1) * width];
    for row in (0..left.len()).rev() {
        for column in (0..right.len()).rev() {
            common[row * width + column] = if left[row] == right[column] {
                common[(row + 1) * width + column + 1] + 1
            } else {
                common[(row + 1) * width + column].max(common[row * width + column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    while row < left.len() || column < right.len() {
        if row < left.len() && column < right.len() && left[row] == right[column] {
            lines.push(Line::Same(left[row]));
            (row, column) = (row + 1, column + 1);
        } else if column == right.len()
            || (row < left.len()
                && common[(row + 1) * width + column] >= common[row * width + column + 1])
        {
            lines.push(Line::Out(left[row]));
            row += 1;
        } else {
            lines.push(Line::In(right[column]));
            column += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: &str, other: &str, expect: &[&str]) {
        let split = |text: &str| text.replace(' ', "\n");
        assert_eq!(difference(&split(one), &split(other)), expect);
    }

    #[test]
    fn only_what_differs_is_shown_with_its_neighbours() {
        check("a b c", "a b c", &[]);
        check("", "a", &["+ a"]);
        check("a", "", &["- a"]);
        check("a b c", "a x c", &["  a", "- b", "+ x", "  c"]);
        check("a b c d", "b c x d", &["- a", "  b", "  c", "+ x", "  d"]);
        check(
            "a 1 2 3 4 5 6 7 b",
            "x 1 2 3 4 5 6 7 y",
            &[
                "- a", "+ x", "  1", "  2", "  3", "  …", "  5", "  6", "  7", "- b", "+ y",
            ],
        );
    }

    #[test]
    fn too_much_is_one_block_out_and_one_in() {
        let (one, other) = ("a\n".repeat(3000), "b\n".repeat(3000));
        let shown = difference(&one, &other);
        assert_eq!(
            (shown.len(), shown[2999].as_str(), shown[3000].as_str()),
            (6000, "- a", "+ b")
        );
    }
}
