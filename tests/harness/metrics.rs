//! `/metrics`, parsed strictly: each family is described once, before its samples, and each sample belongs to one.

use std::collections::BTreeMap;

/// The samples of one moment, by their text before the value: `hotstage_http_requests_total`.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) samples: BTreeMap<String, f64>,
    /// Type by family.
    pub(crate) families: BTreeMap<String, String>,
}

impl Metrics {
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("OpenMetrics ends with its end mark");
        let mut metrics = Self { samples: BTreeMap::new(), families: BTreeMap::new() };
        let mut family = String::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                let old = metrics.families.insert(name.to_owned(), kind.to_owned());
                assert_eq!(old, None, "{name} is described twice");
                name.clone_into(&mut family);
            } else if let Some(rest) = line.strip_prefix("# ") {
                let mut words = rest.split(' ');
                assert!(["HELP", "UNIT"].contains(&words.next().unwrap()), "{line}");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
                let name = series.split('{').next().unwrap();
                let suffix = name.strip_prefix(family.as_str()).unwrap_or_else(|| panic!("`{line}` is in no family"));
                let suffixes: &[&str] = match metrics.families[&family].as_str() {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    other => panic!("{family} is a {other}"),
                };
                assert!(suffixes.contains(&suffix), "{line}");
                let old = metrics.samples.insert(series.to_owned(), value.parse().unwrap());
                assert_eq!(old, None, "{series} comes twice");
            }
        }
        metrics
    }

    /// A sample; one that is not there counts as 0, as in the differences that Prometheus makes.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.samples.get(series).copied().unwrap_or(0.0)
    }
}
