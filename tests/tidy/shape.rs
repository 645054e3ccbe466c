//! The form of a file: its module documentation, its length, its functions, its width, and
//! forbidden content.

use crate::source::{File, Finding, Tree, is_word, line_of};

/// Lines of a file without inline tests. Aim for 150.
const FILE_LINES_MAX: usize = 400;

/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Characters of a line, as in `rustfmt.toml`. Comments must be wrapped; strings need not be.
const COLUMNS_MAX: usize = 100;

/// Files or directories that may contain unsafe code, and why.
const UNSAFE: &[(&str, &str)] = &[
    (
        "runtime/engine/src/load.rs",
        "loads machine code that this program compiled itself",
    ),
    (
        "runtime/onnx/src/registers.rs",
        "clears vector registers by an instruction that not every processor has",
    ),
    (
        "runtime/onnx/src/session.rs",
        "calls ONNX Runtime from many threads, which its binding keeps to one",
    ),
    (
        "runtime/onnx/src/process/shared.rs",
        "maps memory that two processes share, and sleeps on it",
    ),
    (
        "sdk/rust/src/allocator.rs",
        "is an allocator; it runs in the sandbox, where it can harm its component alone",
    ),
    (
        "plugins/onnx-sandboxed/src/kernel",
        "is a kernel, which tract hands pointers; it runs in the sandbox, as above",
    ),
    (
        "tests/guests/examples/",
        "a guest with an invalid ABI is bound by hand; it can harm only itself",
    ),
];

/// Marks of unfinished work. Split, so that this file does not contain them.
const MARKS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
];

pub(crate) fn head(file: &File) -> Option<Finding> {
    let first = file.text.lines().next().unwrap_or_default();
    let says = first
        .strip_prefix("//!")
        .is_some_and(|head| !head.trim().is_empty());
    (!says).then(|| file.finding(1, "has no head; start with `//!` and what this file is for"))
}

pub(crate) fn file_length(file: &File) -> Option<Finding> {
    let lines = file.lines_before_tests();
    let what = format!(
        "has {lines} lines before its tests, {FILE_LINES_MAX} at most; move a part to its own module"
    );
    (lines > FILE_LINES_MAX).then(|| file.finding(1, what))
}

/// Code after the tests would escape the rules for production code.
pub(crate) fn tests_last(file: &File) -> Option<Finding> {
    let tests = file.tests();
    let open = tests.find('{')?;
    let end = block_end(tests, open);
    let after = tests[end..].trim_start();
    let line = line_of(&file.code, file.code.len() - after.len());
    (!after.is_empty()).then(|| {
        file.finding(
            line,
            "stands after the tests; the `#[cfg(test)]` module comes last",
        )
    })
}

pub(crate) fn function_lengths(file: &File) -> Vec<Finding> {
    let code = &file.code;
    let long = words(code, "fn").filter_map(|at| {
        let rest = &code[at + 2..];
        let name: String = rest
            .trim_start()
            .chars()
            .take_while(|c| is_word(*c))
            .collect();
        let body = at + 2 + body_start(rest).filter(|_| !name.is_empty())?;
        let from = line_of(code, at);
        let lines = line_of(code, block_end(code, body)) - from + 1;
        let what =
            format!("`{name}` has {lines} lines, {FUNCTION_LINES_MAX} at most; name its parts");
        (lines > FUNCTION_LINES_MAX).then(|| file.finding(from, what))
    });
    long.collect()
}

pub(crate) fn widths(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().zip(file.code.lines());
    let mut findings = Vec::new();
    for (number, (text, code)) in (1..).zip(lines) {
        let columns = text.chars().count();
        if columns > COLUMNS_MAX && !is_wide_for_a_string(text, code) {
            let what = format!("is {columns} columns wide, {COLUMNS_MAX} at most; break it");
            findings.push(file.finding(number, what));
        }
    }
    findings
}

/// Whether a line would fit without the contents of its string literals, which are not wrapped.
fn is_wide_for_a_string(text: &str, code: &str) -> bool {
    let after_code = text.get(code.trim_end().len()..).unwrap_or_default();
    if after_code.trim_start().starts_with("//") {
        return false;
    }
    let indent = text.len() - text.trim_start().len();
    let words: usize = code.split_whitespace().map(|word| word.len() + 1).sum();
    indent + words <= COLUMNS_MAX
}

pub(crate) fn unsafe_rust(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree.rust().flat_map(unsafe_in).collect();
    for (path, why) in UNSAFE {
        let is_used = tree
            .rust()
            .any(|file| file.path.starts_with(path) && !unsafe_at(file).is_empty());
        if !is_used {
            let list = File::new("tests/tidy/shape.rs", "");
            findings.push(list.finding(
                1,
                format!("UNSAFE has {path} ({why}), which holds none; take it out"),
            ));
        }
    }
    findings
}

fn unsafe_in(file: &File) -> Vec<Finding> {
    if UNSAFE.iter().any(|(path, _)| file.path.starts_with(path)) {
        return Vec::new();
    }
    let what = "holds unsafe code; find another way, or have the file reviewed and listed in tests/tidy/shape.rs";
    unsafe_at(file)
        .into_iter()
        .map(|line| file.finding(line, what))
        .collect()
}

/// Lines that use unsafe code, or that silence the lint against it.
fn unsafe_at(file: &File) -> Vec<usize> {
    let places = words(&file.code, "unsafe").chain(words(&file.code, "unsafe_code"));
    places.map(|at| line_of(&file.code, at)).collect()
}

pub(crate) fn unfinished(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        for mark in MARKS
            .iter()
            .filter(|mark| words(line, mark).next().is_some())
        {
            findings.push(file.finding(
                number,
                format!("says {mark}; finish it, or say in prose what is not done"),
            ));
        }
    }
    findings
}

/// The positions of a whole word.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> {
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            let before = text[..*at].chars().next_back();
            let after = text[*at + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

/// The start of a function's body, counted from after `fn`. `None` without a body.
fn body_start(rest: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, c) in rest.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at),
            ';' if depth == 0 => return None,
            // The end of an item that contains a function type instead of a function.
            _ if depth < 0 => return None,
            _ => {}
        }
    }
    None
}

/// The position after the brace that closes the one at `open`.
fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rust(text: &str) -> File {
        File::new("a/b.rs", text)
    }

    #[test]
    fn module_documentation_has_text() {
        assert_eq!(head(&rust("//! Why.\n")), None);
        for text in ["", "use a;", "//!\n", "// Why.", "\n//! Late."] {
            assert!(head(&rust(text)).is_some(), "{text:?}");
        }
    }

    #[test]
    fn tests_do_not_count_towards_a_files_length() {
        let lines = "x;\n".repeat(FILE_LINES_MAX);
        assert_eq!(
            file_length(&rust(&format!(
                "{lines}#[cfg(test)]\nmod tests {{\n{lines}}}\n"
            ))),
            None
        );
        assert!(file_length(&rust(&format!("{lines}y;\n"))).is_some());
    }

    #[test]
    fn code_after_the_tests_is_found() {
        assert_eq!(
            tests_last(&rust(
                "fn f() {}\n#[cfg(test)]\nmod tests { fn a() {} }\n// done\n"
            )),
            None
        );
        let late = tests_last(&rust("#[cfg(test)]\nmod tests { fn a() {} }\nfn f() {}\n"));
        assert_eq!(late.map(|finding| finding.line), Some(3));
    }

    #[test]
    fn a_function_ends_where_its_brace_closes() {
        let body = |lines| {
            format!(
                "fn f(a: [u8; 2]) -> u8 {{\n{}}}\nfn g();\n",
                "\"}\";\n".repeat(lines)
            )
        };
        assert_eq!(function_lengths(&rust(&body(FUNCTION_LINES_MAX - 2))), []);
        let long = function_lengths(&rust(&body(FUNCTION_LINES_MAX - 1)));
        assert_eq!(long.len(), 1);
        assert!(long[0].what.starts_with("`f` has 71 lines"), "{}", long[0]);
        assert_eq!(
            function_lengths(&rust(&format!(
                "type F = fn(u8);\nmod a {{\n{}}}",
                "x;\n".repeat(99)
            ))),
            []
        );
    }

    #[test]
    fn width_is_counted_in_characters() {
        assert_eq!(widths(&rust(&"é".repeat(COLUMNS_MAX))), []);
        assert_eq!(
            widths(&rust(&format!("\n{}", "é".repeat(COLUMNS_MAX + 1)))).len(),
            1
        );
        let string = format!("f(\"{}\");", "a".repeat(COLUMNS_MAX));
        assert_eq!(widths(&rust(&string)), []);
        let comment = format!("f(); // {}", "a".repeat(COLUMNS_MAX));
        assert_eq!(widths(&rust(&comment)).len(), 1);
    }

    #[test]
    fn unsafe_is_found_in_code_only() {
        assert_eq!(unsafe_in(&rust("// unsafe\nlet a = \"unsafe\";")), []);
        assert_eq!(unsafe_in(&rust("\nunsafe { f() }"))[0].line, 2);
        assert_eq!(unsafe_in(&rust("#![expect(unsafe_code)]")).len(), 1);
        assert_eq!(unsafe_in(&File::new(UNSAFE[0].0, "unsafe { f() }")), []);
    }

    #[test]
    fn marks_are_found_in_prose_and_code() {
        for mark in MARKS {
            assert_eq!(unfinished(&rust(&format!("// {mark}: later"))).len(), 1);
            assert_eq!(unfinished(&rust(&format!("let {mark}S = 1;"))), []);
        }
    }
}
