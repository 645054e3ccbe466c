//! Reports the state of the server: readiness, what is in service, what can't be, why, and how to
//! fix it.

use std::sync::atomic::Ordering::Relaxed;

use hotstage_core::name::{ModelName, Version};

use super::look::{absence, absent_from};
use super::{Control, ControlError, locked};
use crate::serving::registry::{Phase, Why, newer};
use hotstage_client::{Condition, OutOfService, Status};

/// Maximum number of failures reported with their reasons.
const FAILURES_MAX: usize = 100;

impl Control {
    /// The state of the server at this moment.
    pub fn status(&self) -> Status {
        let ledger = self.ledger.load();
        let (kept, draining) = self.out_of_service();
        let snapshot = self.serving.registry.read();
        let served = snapshot.pipelines().count();
        let counts = &self.serving.counts;
        let mut failed = self.failed();
        let many = failed.len();
        failed.truncate(FAILURES_MAX);
        let loading = snapshot
            .absent()
            .filter(|(_, absent)| absent.why == Why::Loading)
            .count();
        let readiness = self.serving.registry.readiness();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: readiness.is_ok(),
            why: readiness.err().map(|why| why.to_string()),
            head: ledger.head.number,
            uptime_seconds: self.began.elapsed().as_secs_f64(),
            pipelines: served as u64,
            loading: loading as u64,
            failed: many as u64,
            out_of_service: failed,
            not_applied: locked(&self.not_applied)
                .iter()
                .take(FAILURES_MAX)
                .cloned()
                .collect(),
            kept: kept as u64,
            draining: draining as u64,
            requests: counts.requests.read(),
            in_flight: counts.in_flight(),
            connections: counts.connections.load(Relaxed),
            resident_bytes: resident_bytes(),
            inference: self
                .inference
                .get()
                .map(|address| format!("http://{address}"))
                .unwrap_or_default(),
        }
    }

    /// Everything that should be in service and can't be, by name.
    fn failed(&self) -> Vec<OutOfService> {
        let snapshot = self.serving.registry.read();
        let versions = snapshot.absent().filter_map(|(name, absent)| {
            let Why::Failed(why) = &absent.why else { return None };
            let version = &absent.version;
            let remedy = format!(
                "`hotstage apply -f FILE` with the manifest that {name}/{version} came from puts back what it needs; \
                 `hotstage delete {name} --version {version}` gives it up"
            );
            let (name, version, why) = (name.to_owned(), Some(version.clone()), why.to_string());
            Some(OutOfService { name, version, why, remedy })
        });
        let mut failed: Vec<OutOfService> = versions.collect();
        failed.extend(self.failed_routes());
        failed.sort_by(|one, other| {
            let version = |it: &OutOfService| it.version.clone().unwrap_or_default();
            one.name
                .cmp(&other.name)
                .then_with(|| newer(&version(one), &version(other)))
        });
        failed
    }

    /// Routes that stay closed although nothing is loading any more.
    fn failed_routes(&self) -> Vec<OutOfService> {
        let (ledger, snapshot) = (self.ledger.load(), self.serving.registry.read());
        if self.serving.registry.phase() == Phase::Starting {
            return Vec::new();
        }
        let closed = ledger.state.routes().filter_map(|(name, routed)| {
            let model = snapshot.model(name.as_str())?;
            if model.routing().is_some() || model.versions().is_empty() {
                return None;
            }
            let why = match self.stored_route(&routed.digest) {
                Ok(_) => "the versions that it needs are not in service".to_owned(),
                Err(error) => error.to_string(),
            };
            let remedy =
                format!("`hotstage apply -f FILE` with another route; `hotstage delete {name} --route` ends it");
            Some(OutOfService { name: name.to_string(), version: None, why, remedy })
        });
        closed.collect()
    }

    /// Number of kept and of draining versions.
    fn out_of_service(&self) -> (usize, usize) {
        let retired = locked(&self.retired);
        (
            retired.kept.len(),
            retired
                .draining
                .iter()
                .filter(|gone| gone.strong_count() > 0)
                .count(),
        )
    }

    /// Every version of every name and whether it is ready, for the repository API.
    pub async fn index(&self) -> Result<Vec<(String, String, bool, String)>, ControlError> {
        let unloaded = self.last_entries().await?;
        let ledger = self.ledger.load();
        let snapshot = self.serving.registry.read();
        let mut rows = Vec::new();
        for (name, version, digest) in ledger.state.pipelines() {
            let model = snapshot.model(name.as_str());
            let versions = model.map_or(&[][..], |model| model.versions());
            let ready = versions.iter().any(|pipeline| pipeline.digest == digest);
            let reason = match absence(absent_from(model, &digest)) {
                _ if ready => String::new(),
                (Condition::Failed, Some(why)) => format!("can't be opened: {why}"),
                _ => "loading".to_owned(),
            };
            rows.push((name.to_string(), version.to_string(), ready, reason));
        }
        for (name, entry) in unloaded {
            let name: ModelName = name;
            let gone = |version: &Version| {
                (
                    name.to_string(),
                    version.to_string(),
                    false,
                    "unloaded".to_owned(),
                )
            };
            rows.extend(entry.versions.keys().map(gone));
        }
        rows.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| newer(&a.1, &b.1)));
        Ok(rows)
    }
}

/// Resident memory of the process in bytes, as reported by the system.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
