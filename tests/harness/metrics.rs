//! `/metrics`, parsed strictly: each family is described once, before its samples, and each sample
//! belongs to one family.

use std::collections::BTreeMap;

use super::http::{Connection, Request};

/// The `accept` header for OpenMetrics instead of Prometheus' text format.
pub(crate) const OPEN: &str = "application/openmetrics-text";

/// All samples of one scrape.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metrics {
    /// Keyed by the text before the value, without empty braces: `hotstage_http_requests_total`.
    pub(crate) samples: BTreeMap<String, f64>,
    /// Types by family.
    pub(crate) families: BTreeMap<String, String>,
}

impl Metrics {
    /// Scrapes on an open connection.
    #[track_caller]
    pub(crate) fn of(connection: &mut Connection) -> Self {
        let response = connection
            .ask(&Request::get("/metrics").header("accept", OPEN))
            .ok();
        let text = response.text();
        Self::parse(
            text.strip_suffix("# EOF\n")
                .expect("OpenMetrics ends with its end mark"),
            true,
        )
    }

    /// Parses OpenMetrics text without its end mark, or Prometheus' text format.
    #[track_caller]
    pub(crate) fn parse(text: &str, is_open: bool) -> Self {
        let mut metrics = Self {
            samples: BTreeMap::new(),
            families: BTreeMap::new(),
        };
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                let old = metrics.families.insert(name.to_owned(), kind.to_owned());
                assert_eq!(old, None, "{name} is described twice");
                name.clone_into(&mut family);
            } else if let Some(rest) = line.strip_prefix("# ") {
                let word = rest.split(' ').next().unwrap();
                assert!(word == "HELP" || word == "UNIT" && is_open, "{line}");
            } else {
                metrics.sample(line, &family, is_open);
            }
        }
        metrics
    }

    #[track_caller]
    fn sample(&mut self, line: &str, family: &str, is_open: bool) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let name = series.split('{').next().unwrap();
        let suffix = name
            .strip_prefix(family)
            .unwrap_or_else(|| panic!("`{line}` is in no family"));
        let suffixes: &[&str] = match self.families[family].as_str() {
            "counter" if is_open => &["_total"],
            "counter" | "gauge" => &[""],
            // Triton's names, which are not valid counter names in OpenMetrics.
            "unknown" if is_open => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            other => panic!("{family} is a {other}"),
        };
        assert!(suffixes.contains(&suffix), "{line}");
        let series = series.strip_suffix("{}").unwrap_or(series);
        let old = self
            .samples
            .insert(series.to_owned(), value.parse().unwrap());
        assert_eq!(old, None, "{series} comes twice");
    }

    /// A sample; a missing one counts as 0, as in Prometheus' differences.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.samples.get(series).copied().unwrap_or(0.0)
    }
}
