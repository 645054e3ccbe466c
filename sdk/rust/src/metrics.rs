//! Numbers for the operator: `metrics::observe("confidence", 0.97)`.
//!
//! The server counts and sums them up for each version and stage, shows them at `/metrics` as
//! `hotstage_stage_metric_values_total` and `hotstage_stage_metric_sum`, and a rollout may judge a
//! version by their mean. Each is a step out of the sandbox: observe once a call, not once an
//! element. Bounds: 16 names for each stage, of 64 lower-case letters, digits and `_`; what is
//! beyond, or not finite, is dropped and counted. Natively they are kept for
//! [`testing::observed`](crate::testing::observed).

/// Notes one value. Never fails.
pub fn observe(name: &str, value: f64) {
    crate::host::observe(name, value);
}
