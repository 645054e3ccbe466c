//! Regular expressions with bounded cost.
//!
//! A pattern is compiled to a deterministic automaton when the route is read: matching takes one
//! step for each byte of the value, no memory and no lock. A pattern whose automaton would be too
//! large, such as `(a|b)*a(a|b){20}`, is refused. A pattern must match the whole value, as in Envoy
//! and the Gateway API. It matches bytes: `.` is any byte but the end of a line, `\d` an ASCII
//! digit, and `(?i)` ignores the case of ASCII letters.

use std::fmt;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind};
use regex_syntax::hir::{Hir, HirKind, Look};

/// Bytes of a pattern.
pub const PATTERN_BYTES_MAX: usize = 256;
/// Bytes of its automaton, and of the memory to build it.
const AUTOMATON_BYTES_MAX: usize = 256 << 10;

/// A compiled pattern.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    /// The prefix of every value that matches, which rules out most values that do not match.
    start: Box<[u8]>,
    /// Boxed, since it is large compared with the other tests of a condition.
    automaton: Box<dense::DFA<Vec<u32>>>,
}

/// Text that is not a valid pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PatternError {
    #[error("has {0} bytes; a pattern has at most {PATTERN_BYTES_MAX}")]
    Long(usize),
    #[error("is not a valid regular expression: {0}")]
    Syntax(String),
    #[error(
        "would take too much memory to decide quickly; repeat fewer times, or say the same with `prefix`"
    )]
    Explodes,
}

impl Pattern {
    /// Compiles a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::Long(text.len()));
        }
        let config = dense::Config::new()
            .match_kind(MatchKind::All)
            .start_kind(StartKind::Anchored)
            .minimize(false)
            .dfa_size_limit(Some(AUTOMATON_BYTES_MAX))
            .determinize_size_limit(Some(AUTOMATON_BYTES_MAX));
        let syntax = syntax::Config::new()
            .unicode(false)
            .utf8(false)
            .nest_limit(32);
        // Parsed on its own first: inside the parentheses `a)(b` would be valid.
        let whole = syntax::parse_with(text, &syntax)
            .map_err(|error| PatternError::Syntax(last_line(&error)))?;
        let start = start(&whole);
        let whole = Hir::concat(vec![whole, Hir::look(Look::End)]);
        let nfa = regex_automata::nfa::thompson::Compiler::new()
            .configure(
                regex_automata::nfa::thompson::Config::new()
                    .utf8(false)
                    .nfa_size_limit(Some(AUTOMATON_BYTES_MAX)),
            )
            .build_from_hir(&whole)
            .map_err(|_| PatternError::Explodes)?;
        let automaton = dense::Builder::new()
            .configure(config)
            .build_from_nfa(&nfa)
            .map_err(|_| PatternError::Explodes)?;
        Ok(Self {
            text: text.to_owned(),
            start,
            automaton: Box::new(automaton),
        })
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches the whole value.
    pub fn fits(&self, value: &[u8]) -> bool {
        if !value.starts_with(&self.start) {
            return false;
        }
        let input = Input::new(value).anchored(Anchored::Yes).earliest(true);
        matches!(self.automaton.try_search_fwd(&input), Ok(Some(_)))
    }
}

/// The literal prefix of a pattern.
fn start(whole: &Hir) -> Box<[u8]> {
    let first = match whole.kind() {
        HirKind::Concat(parts) => parts.first().map(Hir::kind),
        kind => Some(kind),
    };
    match first {
        Some(HirKind::Literal(literal)) => literal.0.clone(),
        _ => Box::default(),
    }
}

/// The library's message, without its drawing of the position.
fn last_line(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_the_whole_value() {
        for (pattern, fitting, other) in [
            ("pilot-[0-9]+", "pilot-17", "a pilot-17"),
            ("a|b", "b", "bb"),
            ("a*", "", "ab"),
            ("(?i)beta", "BeTa", "beta2"),
            (r"\d{3}", "123", "1234"),
            (".*x", "axbx", "axb"),
        ] {
            let pattern = Pattern::new(pattern).unwrap();
            assert!(pattern.fits(fitting.as_bytes()), "{pattern:?} {fitting}");
            assert!(!pattern.fits(other.as_bytes()), "{pattern:?} {other}");
        }
        assert!(Pattern::new(".").unwrap().fits(&[0xff]));
    }

    #[test]
    fn what_is_none_or_explodes_is_refused() {
        for text in ["(", "a)(b", "[z-a]", "a{3,1}", r"\p{Greek}"] {
            assert!(
                matches!(Pattern::new(text), Err(PatternError::Syntax(why)) if !why.is_empty()),
                "{text}"
            );
        }
        for text in ["(a|b)*a(a|b){20}", "((a{100}){100}){100}"] {
            assert_eq!(Pattern::new(text), Err(PatternError::Explodes), "{text}");
        }
        assert_eq!(Pattern::new(&"a".repeat(300)), Err(PatternError::Long(300)));
    }
}
