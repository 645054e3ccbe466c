//! The summary of a test run, computed from libtest's closing lines.

/// Numbers of tests by result.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    /// Skipped by a filter or by `--skip`.
    pub(crate) filtered: u64,
}

impl Report {
    /// Adds one line of cargo's output if it has the form `test result: ok. 5 passed; 0 failed; 1
    /// ignored; 0 measured; 2 filtered out; finished in 0.01s`.
    pub(crate) fn read(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ") else {
            return;
        };
        // The verdict before the first full stop may be coloured; the counts never are.
        let counts = counts.split_once(". ").map_or(counts, |(_, counts)| counts);
        for part in counts.split(';') {
            let mut words = part.split_whitespace();
            let (Some(count), Some(what)) = (
                words.next().and_then(|count| count.parse::<u64>().ok()),
                words.next(),
            ) else {
                continue;
            };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                "filtered" => self.filtered += count,
                _ => {}
            }
        }
    }

    /// The summary. Tests that the user filtered out are not counted as skipped.
    pub(crate) fn summary(&self, person_filtered: bool) -> String {
        let skipped = self.ignored + if person_filtered { 0 } else { self.filtered };
        format!(
            "{} passed, {} failed, {skipped} skipped",
            self.passed, self.failed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_up_over_binaries() {
        let mut report = Report::default();
        for line in [
            "running 6 tests",
            "test tensor::tests::shape ... ok",
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s",
            "test result: \u{1b}[31mFAILED\u{1b}(B\u{1b}[m. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            report.read(line);
        }
        assert_eq!(
            report,
            Report {
                passed: 6,
                failed: 2,
                ignored: 1,
                filtered: 2
            }
        );
        assert_eq!(report.summary(false), "6 passed, 2 failed, 3 skipped");
        assert_eq!(report.summary(true), "6 passed, 2 failed, 1 skipped");
    }
}
