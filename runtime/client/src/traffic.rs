//! Current traffic: request rate, failure rate and durations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::look::{Condition, Status};

/// Traffic of one measuring interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// State of the server at the end of the interval.
    pub status: Status,
    /// Length of the interval in milliseconds.
    pub interval_ms: f64,
    /// All requests, including those that reached no version; their durations are those of all
    /// versions.
    pub all: Rates,
    /// Number of versions whose name matches.
    pub total: u64,
    /// The first of them, in the requested order.
    pub versions: Vec<VersionTraffic>,
}

/// Traffic of one version.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct VersionTraffic {
    /// The model name that clients use.
    pub name: String,
    /// The version.
    pub version: String,
    /// Whether it answers calls without a version.
    pub answers: bool,
    /// Labels that point to it.
    pub labels: Vec<String>,
    /// Its condition.
    pub condition: Condition,
    /// Number of instances of all stages.
    pub instances: u64,
    /// Its request rates.
    pub rates: Rates,
}

/// Rates over one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rates {
    /// Requests per second.
    pub requests_per_second: f64,
    /// Failed requests per second.
    pub failed_per_second: f64,
    /// Median duration in milliseconds; absent where none was measured.
    pub p50_ms: Option<f64>,
    /// 99th percentile of the duration in milliseconds.
    pub p99_ms: Option<f64>,
}

/// Sort order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Highest request rate first.
    #[default]
    Rate,
    /// By name.
    Name,
    /// Longest durations first.
    P99,
    /// Most failures first.
    Errors,
}

impl Order {
    /// All orders.
    pub const ALL: [Self; 4] = [Self::Rate, Self::Name, Self::P99, Self::Errors];

    /// The word in queries.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Name => "name",
            Self::P99 => "p99",
            Self::Errors => "errors",
        }
    }

    /// The order with this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.word() == word)
    }

    /// Compares two versions. Ties are ordered by name.
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
    fn the_highest_value_comes_first_and_ties_are_ordered_by_name() {
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
