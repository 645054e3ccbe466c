//! Reports the state of experiments.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hotstage_core::experiment::{Evidence, Interval, Verdict, verdict};
use hotstage_core::failure::{Failure, Kind};

use super::{Control, ControlError, ErrorKind};
use crate::serving::counts::histogram::quantile_ms;
use crate::serving::experiments::{Known, Trial};
use crate::serving::pipeline::Pipeline;
use crate::serving::routing::Routing;
use hotstage_client::{ExperimentInfo, IntervalInfo, VariantInfo, VerdictWord};

impl Control {
    /// An experiment at this moment.
    pub async fn experiment(&self, name: &str) -> Result<ExperimentInfo, ControlError> {
        let (routing, trial) = self.trial(name)?;
        let known = self.serving.experiments.known(&trial).await?;
        Ok(about(&routing, &trial, &known))
    }

    /// The experiment of a name, and its route.
    fn trial(&self, name: &str) -> Result<(Arc<Routing>, Arc<Trial>), ControlError> {
        let snapshot = self.serving.registry.read();
        let model = snapshot.model(name).ok_or_else(|| self.no_pipeline(name))?;
        let routing = model.routing();
        let found =
            routing.and_then(|routing| Some((Arc::clone(routing), Arc::clone(routing.trial()?))));
        found.ok_or_else(|| {
            let message =
                format!("`{name}` has no experiment; the key `experiment` of its route starts one");
            ControlError::new(ErrorKind::NotFound, message)
        })
    }
}

/// The compared variants: those that get requests, or have got some.
pub(super) fn compared<'a>(routing: &Routing, known: &'a Known) -> Vec<Option<&'a Evidence>> {
    let is_in = |(weight, evidence): (f64, &'a Evidence)| {
        (weight > 0.0 || evidence.sequence.count() > 0).then_some(evidence)
    };
    routing
        .weights_by_chance()
        .into_iter()
        .zip(&known.evidence)
        .map(is_in)
        .collect()
}

fn about(routing: &Routing, trial: &Trial, known: &Known) -> ExperimentInfo {
    let plan = &trial.plan;
    let verdict = verdict(&compared(routing, known), plan.worth);
    let weights = routing.weights_by_chance();
    let sum: f64 = weights.iter().sum();
    let first = known.evidence.first().map(|evidence| &evidence.sequence);
    let variants = routing
        .variants()
        .iter()
        .zip(&known.evidence)
        .zip(weights)
        .enumerate();
    let variants = variants.map(|(place, ((pipeline, evidence), weight))| VariantInfo {
        percent: weight / sum * 100.0,
        difference: first
            .filter(|_| place > 0)
            .map(|first| interval_info(&evidence.sequence.minus(first))),
        ..variant(pipeline, evidence)
    });
    let variants: Vec<VariantInfo> = variants.collect();
    let better = match verdict {
        Verdict::Better(place) => variants.get(place).map(|variant| variant.version.clone()),
        _ => None,
    };
    let (verdict, says) = match (verdict, &better) {
        (Verdict::Better(_), Some(version)) => {
            (VerdictWord::Better, format!("version {version} is better"))
        }
        (Verdict::NoDifference, _) => (
            VerdictWord::NoDifference,
            "no difference worth having".to_owned(),
        ),
        _ => (VerdictWord::KeepGoing, keep_going(&variants)),
    };
    ExperimentInfo {
        name: trial.name.clone(),
        reward: plan.reward.clone(),
        strategy: if plan.adapt.is_some() {
            "adaptive"
        } else {
            "fixed"
        }
        .to_owned(),
        alpha: plan.alpha,
        worth: plan.worth,
        keep_seconds: plan.keep.as_secs(),
        since: super::history::shown(known.since_ms),
        verdict,
        better,
        says,
        variants,
    }
}

fn keep_going(variants: &[VariantInfo]) -> String {
    let drifting: Vec<&str> = variants
        .iter()
        .filter(|variant| variant.drifts)
        .map(|variant| variant.version.as_str())
        .collect();
    if drifting.is_empty() {
        return "keep going".to_owned();
    }
    format!(
        "keep going: the rewards of {} have moved over time, and nothing can be compared",
        drifting.join(", ")
    )
}

fn variant(pipeline: &Pipeline, evidence: &Evidence) -> VariantInfo {
    let (counts, sequence) = (&pipeline.counts, &evidence.sequence);
    let failed = Kind::ALL
        .iter()
        .zip(&counts.failed)
        .map(|(kind, count)| (kind.code().to_owned(), count.load(Relaxed)));
    let failed: std::collections::BTreeMap<String, u64> =
        failed.filter(|(_, count)| *count > 0).collect();
    let durations = counts.durations.buckets();
    VariantInfo {
        version: pipeline.version.clone(),
        digest: pipeline.digest.to_string(),
        percent: 0.0,
        requests: counts.answered.read() + failed.values().sum::<u64>(),
        failed,
        p50_ms: quantile_ms(&durations, 0.5),
        p99_ms: quantile_ms(&durations, 0.99),
        answers: evidence.answers,
        rewards: sequence.count(),
        mean: sequence.mean(),
        interval: interval_info(&sequence.interval()),
        drifts: sequence.drifts(),
        difference: None,
    }
}

const fn interval_info(interval: &Interval) -> IntervalInfo {
    IntervalInfo {
        low: interval.low,
        high: interval.high,
    }
}

impl From<Failure> for ControlError {
    /// The experiment database can't be read, or its queue is full.
    fn from(failure: Failure) -> Self {
        let kind = if failure.kind.is_retryable() {
            ErrorKind::Conflict
        } else {
            ErrorKind::Defect
        };
        Self::new(kind, failure.message)
    }
}
