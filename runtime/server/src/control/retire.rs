//! Versions out of service: kept for a while, then drained, then freed.
//!
//! Kept are the last [`keep_versions`](super::Options) of each name, [`KEPT_MAX`] over all names,
//! and no graphs. Other versions drain: requests in flight may finish within `drain`. The last
//! reference frees the version.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use hotstage_core::digest::Digest;

use super::{Control, locked};
use crate::executors::compute::yield_to_requests;
use crate::serving::pipeline::Pipeline;
use crate::serving::registry::Snapshot;
use hotstage_client::ChangeMade;

/// Maximum number of kept versions over all names.
const KEPT_MAX: usize = 1000;
/// Poll interval while a version drains.
const POLL: Duration = Duration::from_millis(20);

/// Versions out of service, oldest first.
#[derive(Default)]
pub(super) struct Retired {
    pub(super) kept: VecDeque<Arc<Pipeline>>,
    pub(super) draining: Vec<Weak<Pipeline>>,
}

impl Retired {
    /// A version that is still loaded.
    pub(super) fn find(&self, digest: &Digest) -> Option<Arc<Pipeline>> {
        self.kept
            .iter()
            .find(|pipeline| pipeline.digest == *digest)
            .cloned()
    }

    /// Keeps a version; returns those that exceed the limits.
    fn keep(&mut self, pipeline: Arc<Pipeline>, keep_versions: usize) -> Vec<Arc<Pipeline>> {
        let name = pipeline.name.clone();
        self.kept.push_back(pipeline);
        let mut given_up = Vec::new();
        while self.kept.iter().filter(|kept| kept.name == name).count() > keep_versions {
            let oldest = self.kept.iter().position(|kept| kept.name == name);
            given_up.extend(oldest.and_then(|index| self.kept.remove(index)));
        }
        while self.kept.len() > KEPT_MAX {
            given_up.extend(self.kept.pop_front());
        }
        given_up
    }
}

impl Control {
    /// Records the versions that a swap took out of service or brought back.
    pub(super) fn retire(&self, before: &Snapshot, changes: &[ChangeMade]) {
        let after = self.serving.registry.read();
        let mut given_up = Vec::new();
        {
            let mut retired = locked(&self.retired);
            let names: std::collections::BTreeSet<&str> = changes
                .iter()
                .map(|change| change.pipeline.as_str())
                .collect();
            for name in names {
                let serves = |digest: &Digest| {
                    let versions = after.model(name).map_or(&[][..], |model| model.versions());
                    versions.iter().any(|pipeline| pipeline.digest == *digest)
                };
                retired
                    .kept
                    .retain(|kept| kept.name != name || !serves(&kept.digest));
                for pipeline in before.model(name).map_or(&[][..], |model| model.versions()) {
                    if serves(&pipeline.digest) {
                        continue;
                    }
                    // A graph is rebuilt quickly, and a kept graph would keep its members from
                    // draining.
                    if pipeline.graph().is_some() {
                        given_up.push(Arc::clone(pipeline));
                    } else {
                        given_up
                            .extend(retired.keep(Arc::clone(pipeline), self.options.keep_versions));
                    }
                }
            }
            // A graph drains before its members.
            given_up.sort_by_key(|pipeline| std::cmp::Reverse(pipeline.depth()));
            retired
                .draining
                .retain(|draining| draining.strong_count() > 0);
            retired.draining.extend(given_up.iter().map(Arc::downgrade));
        }
        if !given_up.is_empty() {
            let (app, deployer, bound) = (
                Arc::clone(&self.serving),
                Arc::clone(&self.deployer),
                self.options.drain,
            );
            tokio::spawn(async move {
                // A reader other than a request may still hold the replaced snapshot.
                let swaps = &app.counts.swaps;
                for pipeline in given_up {
                    yield_to_requests();
                    let overdue = drain(pipeline, bound, &swaps.drained).await;
                    swaps.overdue.fetch_add(u64::from(overdue), Relaxed);
                    swaps.freed.fetch_add(1, Relaxed);
                }
                swaps.freed_bytes.fetch_add(deployer.sweep(), Relaxed);
            });
        }
    }
}

/// Waits until this is the last reference, and drops it. Returns whether that exceeded the bound;
/// the last request then frees the pipeline.
async fn drain(
    pipeline: Arc<Pipeline>,
    bound: Duration,
    drained: &std::sync::atomic::AtomicU64,
) -> bool {
    let began = Instant::now();
    drained.fetch_add((Arc::strong_count(&pipeline) - 1) as u64, Relaxed);
    while Arc::strong_count(&pipeline) > 1 {
        if began.elapsed() > bound {
            let version = &pipeline.version;
            tracing::warn!(
                pipeline = pipeline.name,
                version,
                "still answers a request after the bound on draining"
            );
            return true;
        }
        tokio::time::sleep(POLL).await;
    }
    false
}
