//! Conditions of a rule, and which conditions imply or exclude others: the basis for finding rules
//! that never match.

use super::Pattern;

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A header, in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A parameter of the request.
    Parameter(String),
    /// The first element of an input.
    Input(String),
}

impl Source {
    /// Whether the value can be read from the headers alone, before the body arrives.
    pub const fn is_in_the_head(&self) -> bool {
        matches!(self, Self::Header(_) | Self::Cookie(_))
    }
}

/// The test of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Present, with any value.
    Present,
    /// Not present.
    Absent,
    /// Exactly this.
    Equals(String),
    /// One of these.
    OneOf(Vec<String>),
    /// Starts with this text.
    Prefix(String),
    /// Matches a pattern.
    Matches(Pattern),
}

/// One condition of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The source of the value.
    pub source: Source,
    /// The test of the value.
    pub test: Test,
}

impl Test {
    /// Whether the test holds for a value.
    pub fn holds(&self, value: Option<&[u8]>) -> bool {
        let Some(value) = value else {
            return *self == Self::Absent;
        };
        match self {
            Self::Present => true,
            Self::Absent => false,
            Self::Equals(text) => value == text.as_bytes(),
            Self::OneOf(texts) => texts.iter().any(|text| value == text.as_bytes()),
            Self::Prefix(start) => value.starts_with(start.as_bytes()),
            Self::Matches(pattern) => pattern.fits(value),
        }
    }

    /// The only values for which it holds, if they can be listed.
    fn values(&self) -> Option<&[String]> {
        match self {
            Self::Equals(text) => Some(std::slice::from_ref(text)),
            Self::OneOf(texts) => Some(texts),
            _ => None,
        }
    }

    /// Whether the other test is known to hold wherever this one does.
    pub(super) fn implies(&self, other: &Self) -> bool {
        if let Some(values) = self.values() {
            return values
                .iter()
                .all(|value| other.holds(Some(value.as_bytes())));
        }
        match (self, other) {
            (Self::Absent, _) | (_, Self::Absent) => self == other,
            (_, Self::Present) => true,
            (Self::Prefix(longer), Self::Prefix(start)) => longer.starts_with(start.as_str()),
            (Self::Matches(one), Self::Matches(other)) => one == other,
            _ => false,
        }
    }

    /// Whether it is known that no value passes both tests.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        for (one, other) in [(self, other), (other, self)] {
            if let Some(values) = one.values() {
                return !values
                    .iter()
                    .any(|value| other.holds(Some(value.as_bytes())));
            }
        }
        match (self, other) {
            (Self::Absent, Self::Absent) => false,
            (Self::Absent, _) | (_, Self::Absent) => true,
            (Self::Prefix(one), Self::Prefix(other)) => {
                !one.starts_with(other.as_str()) && !other.starts_with(one.as_str())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn test() -> impl Strategy<Value = Test> {
        let text = || "[ab]{0,3}";
        prop_oneof![
            Just(Test::Present),
            Just(Test::Absent),
            text().prop_map(Test::Equals),
            prop::collection::vec(text(), 1..4).prop_map(Test::OneOf),
            text().prop_map(Test::Prefix),
            prop::sample::select(vec!["a*", "[ab]b", "b.*"])
                .prop_map(|text| Test::Matches(Pattern::new(text).unwrap())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_said_to_follow_does(
            one in test(),
            other in test(),
            value in prop::option::of("[ab]{0,4}"),
        ) {
            let value = value.as_deref().map(str::as_bytes);
            let (holds, also) = (one.holds(value), other.holds(value));
            prop_assert!(!one.implies(&other) || !holds || also, "{:?} implies {:?}", one, other);
            prop_assert!(!(one.excludes(&other) && holds && also), "{:?} excludes {:?}", one, other);
            prop_assert_eq!(one.excludes(&other), other.excludes(&one));
            prop_assert!(one.implies(&one), "{:?}", one);
        }
    }
}
