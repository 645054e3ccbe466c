//! Custom metrics of a stage: `metrics::observe("confidence", 0.97)`.
//!
//! The server counts and sums the values for each version and stage. It exports them at `/metrics`
//! as `hotstage_stage_metric_values_total` and `hotstage_stage_metric_sum`, and a rollout may guard
//! on their mean. Each observation is a host call: observe once per call, not once per element.
//! Bounds: 16 names per stage, each of at most 64 lower-case letters, digits and `_`; values beyond
//! these bounds and values that are not finite are dropped and counted. Natively the values are
//! kept for [`testing::observed`](crate::testing::observed).

/// Records one value. Never fails.
pub fn observe(name: &str, value: f64) {
    crate::host::observe(name, value);
}
