//! What happens right now: how many requests, how many of them fail, how long they take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::look::{Condition, Status};

/// What happened while the server was watched for a moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// The server, at the end of that moment.
    pub status: Status,
    /// How long the moment was, in milliseconds.
    pub interval_ms: f64,
    /// Requests of any kind, also those that reached no version; their durations are those of all
    /// versions.
    pub all: Rates,
    /// Versions that there are, of the names that were asked for.
    pub total: u64,
    /// The first of them, in the order that was asked for.
    pub versions: Vec<VersionTraffic>,
}

/// What happened to one version.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct VersionTraffic {
    /// What clients call.
    pub name: String,
    /// The version.
    pub version: String,
    /// Whether it answers when no version is asked for.
    pub answers: bool,
    /// The labels that point at it.
    pub labels: Vec<String>,
    /// Whether it can answer.
    pub condition: Condition,
    /// Instances that exist, over its stages.
    pub instances: u64,
    /// Its requests.
    pub rates: Rates,
}

/// Requests that ended within a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rates {
    /// For each second.
    pub requests_per_second: f64,
    /// Those that failed.
    pub failed_per_second: f64,
    /// The duration in milliseconds that half of them stayed under; absent where none was measured.
    pub p50_ms: Option<f64>,
    /// The same for 99 of 100.
    pub p99_ms: Option<f64>,
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The most requests.
    #[default]
    Rate,
    /// The name.
    Name,
    /// The longest durations.
    P99,
    /// The most failures.
    Errors,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rate, Self::Name, Self::P99, Self::Errors];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Name => "name",
            Self::P99 => "p99",
            Self::Errors => "errors",
        }
    }

    /// The one that has this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.word() == word)
    }

    /// Which of two comes first. What is alike is told apart by its name.
    pub fn compare(self, a: (&str, &Rates), b: (&str, &Rates)) -> std::cmp::Ordering {
        let figure = |rates: &Rates| match self {
            Self::Rate => rates.requests_per_second,
            Self::Name => 0.0,
            Self::P99 => rates.p99_ms.unwrap_or(-1.0),
            Self::Errors => rates.failed_per_second,
        };
        figure(b.1)
            .total_cmp(&figure(a.1))
            .then_with(|| a.0.cmp(b.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_most_comes_first_and_the_name_tells_the_rest_apart() {
        let rates = |requests_per_second, failed_per_second, p99_ms| Rates {
            requests_per_second,
            failed_per_second,
            p99_ms,
            ..Rates::default()
        };
        let rows = [
            ("d", rates(0.0, 0.0, None)),
            ("c", rates(9.0, 1.0, Some(1.0))),
            ("b", rates(5.0, 3.0, Some(8.0))),
            ("a", rates(0.0, 0.0, None)),
        ];
        for (order, expect) in [
            (Order::Rate, "cbad"),
            (Order::Name, "abcd"),
            (Order::P99, "bcad"),
            (Order::Errors, "bcad"),
        ] {
            let mut sorted = rows;
            sorted.sort_by(|a, b| order.compare((a.0, &a.1), (b.0, &b.1)));
            assert_eq!(sorted.map(|row| row.0).concat(), expect, "{order:?}");
            assert_eq!(Order::parse(order.word()), Some(order));
        }
        assert_eq!(Order::parse("speed"), None);
    }
}
