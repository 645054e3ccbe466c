//! Adaptive experiments: the weights of requests without a key follow the rewards.
//!
//! Every move is a revision. It passes the same checks as an apply: the route's document with new
//! weights, and a reason that lists the numbers. If another change is made between the evaluation
//! and the move, the move is dropped, and the next one starts from what is then served.
//!
//! Default: each experiment is evaluated every minute (`every`). Bounds: those of the route; moves
//! of less than [`MOVE_MIN`] percent are skipped.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use hotstage_core::digest::Digest;
use hotstage_core::experiment::{Adapt, Evidence, next_weights};
use hotstage_core::journal::ADAPT_ACTOR;
use hotstage_core::manifest::Documents;

use super::prepare::Wanted;
use super::{Cancel, ChangeOptions, Control, ControlError, Removals};
use crate::control::deploy::Quiet;
use crate::serving::experiments::{Known, Trial};
use crate::serving::routing::Routing;
use hotstage_client::Applied;

/// How often the loop checks whether an evaluation is due.
const TICK: Duration = Duration::from_secs(1);
/// Smallest change of a weight, in percent, for which a move is made.
const MOVE_MIN: f64 = 1.0;
/// Moves weights until the future is dropped.
pub async fn adapt(control: Arc<Control>) {
    let mut evaluated: HashMap<String, Instant> = HashMap::new();
    loop {
        tokio::time::sleep(TICK).await;
        let running: Vec<Arc<Routing>> = control
            .snapshot()
            .routings()
            .filter(|routing| is_adaptive(routing))
            .collect();
        evaluated.retain(|name, _| {
            running
                .iter()
                .any(|routing| routing.trial().is_some_and(|trial| trial.name == *name))
        });
        for routing in running {
            let Some((trial, adapt)) = adaptive(&routing) else {
                continue;
            };
            // The first evaluation is due one interval after the experiment began.
            let last = evaluated
                .entry(trial.name.clone())
                .or_insert_with(Instant::now);
            if last.elapsed() < adapt.every {
                continue;
            }
            *last = Instant::now();
            match control.adapt(&routing, trial, adapt).await {
                Ok(None) => {}
                Ok(Some(applied)) => {
                    control
                        .serving
                        .experiments
                        .counts()
                        .moves
                        .fetch_add(1, Relaxed);
                    tracing::info!(target: "experiments", name = trial.name, revision = applied.head, "weights moved");
                }
                Err(error) => {
                    tracing::warn!(target: "experiments", name = trial.name, %error, "weights could not be moved");
                }
            }
        }
    }
}

fn adaptive(routing: &Routing) -> Option<(&Arc<Trial>, &Adapt)> {
    let trial = routing.trial()?;
    Some((trial, trial.plan.adapt.as_ref()?))
}

fn is_adaptive(routing: &Routing) -> bool {
    adaptive(routing).is_some()
}

impl Control {
    async fn adapt(
        &self,
        routing: &Routing,
        trial: &Arc<Trial>,
        adapt: &Adapt,
    ) -> Result<Option<Applied>, ControlError> {
        let ledger = self.ledger.load_full();
        let in_force = ledger
            .state
            .model(&trial.name)
            .and_then(|entry| Some(entry.route.as_ref()?.digest));
        if in_force != Some(routing.digest) {
            // The route was changed in the meantime.
            return Ok(None);
        }
        let known = self.serving.experiments.known(trial).await?;
        let weights = routing.weights_by_chance();
        let Some(next) = next(&weights, &known, adapt, seed(trial, &known)) else {
            return Ok(None);
        };
        let Some(route) = self.stored_route(&routing.digest)?.drawing_by(next.clone()) else {
            return Ok(None);
        };
        let documents = Documents {
            routes: vec![route],
            ..Documents::default()
        };
        let wanted = Wanted {
            documents: &documents,
            sent: None,
            replace: false,
            gone: &Removals::default(),
        };
        let ask = ChangeOptions {
            reason: reason(routing, &known, &next),
            if_revision: Some(ledger.head.number),
            dry_run: false,
        };
        Ok(Some(
            self.apply_documents(ADAPT_ACTOR, &ask, &wanted, &Quiet, &Cancel::default())
                .await?,
        )
        .filter(|applied| applied.revision.is_some()))
    }
}

/// The next weights, if the difference is worth a move. A variant with weight 0 keeps it.
fn next(weights: &[f64], known: &Known, adapt: &Adapt, seed: u64) -> Option<Vec<f64>> {
    let pairs = || {
        weights
            .iter()
            .zip(&known.evidence)
            .filter(|(weight, _)| **weight > 0.0)
    };
    let evidence: Vec<&Evidence> = pairs().map(|(_, evidence)| evidence).collect();
    // Without new rewards there is nothing to learn.
    if evidence.len() < 2
        || evidence
            .iter()
            .all(|evidence| evidence.sequence.count() == 0)
    {
        return None;
    }
    let mut drawn = next_weights(&evidence, adapt.bounds, seed).into_iter();
    let next: Vec<f64> = weights
        .iter()
        .map(|weight| {
            if *weight > 0.0 {
                drawn.next().unwrap_or(*weight)
            } else {
                0.0
            }
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    let moved = next
        .iter()
        .zip(weights)
        .map(|(next, weight)| (next - weight / sum * 100.0).abs());
    moved.fold(0.0, f64::max).ge(&MOVE_MIN).then_some(next)
}

/// The draw depends only on the experiment and its evidence.
fn seed(trial: &Trial, known: &Known) -> u64 {
    let counts: Vec<u64> = known
        .evidence
        .iter()
        .map(|evidence| evidence.sequence.count())
        .collect();
    let text = format!("{} {:?} {counts:?}", trial.name, trial.plan.reward);
    Digest::of(text.as_bytes())
        .bytes()
        .first_chunk()
        .copied()
        .map_or(0, u64::from_le_bytes)
}

fn reason(routing: &Routing, known: &Known, next: &[f64]) -> String {
    let parts = routing
        .variants()
        .iter()
        .zip(&known.evidence)
        .zip(next)
        .map(|((pipeline, evidence), weight)| {
            let (mean, count) = (
                evidence.sequence.mean().unwrap_or_default(),
                evidence.sequence.count(),
            );
            format!(
                "version {}: {mean:.4} over {count} rewards, now {weight} %",
                pipeline.version
            )
        });
    let mut reason = parts.collect::<Vec<_>>().join("; ");
    // A reason has a length limit, and a hundred variants may have long names.
    let end = reason.floor_char_boundary(hotstage_core::journal::REASON_BYTES_MAX);
    reason.truncate(end);
    reason
}

#[cfg(test)]
mod tests {
    use hotstage_core::experiment::Bounds;

    use super::*;

    fn known(earned: &[(u32, f64)]) -> Known {
        let evidence = |(count, reward): &(u32, f64)| {
            let mut evidence = Evidence::new(0.05, earned.len());
            (0..*count).for_each(|_| evidence.sequence.add(*reward));
            evidence
        };
        Known {
            since_ms: 0,
            evidence: earned.iter().map(evidence).collect(),
        }
    }

    fn plan() -> Adapt {
        Adapt {
            every: Duration::from_secs(1),
            bounds: Bounds {
                least: 10.0,
                most: 80.0,
            },
            drawn: None,
        }
    }

    #[test]
    fn a_move_stays_inside_the_bounds_and_keeps_weights_of_zero() {
        let next =
            |weights: &[f64], earned: &[(u32, f64)]| next(weights, &known(earned), &plan(), 1);
        assert_eq!(
            next(&[50.0, 50.0], &[(1000, 0.1), (1000, 0.5)]),
            Some(vec![20.0, 80.0])
        );
        assert_eq!(
            next(&[1.0, 0.0, 1.0], &[(1000, 0.1), (0, 0.0), (1000, 0.5)]),
            Some(vec![20.0, 0.0, 80.0])
        );
    }

    #[test]
    fn nothing_moves_without_news() {
        assert_eq!(
            next(
                &[20.0, 80.0],
                &known(&[(1000, 0.1), (1000, 0.5)]),
                &plan(),
                1
            ),
            None
        );
        assert_eq!(
            next(&[70.0, 30.0], &known(&[(0, 0.0), (0, 0.0)]), &plan(), 1),
            None
        );
        assert_eq!(
            next(&[1.0, 0.0], &known(&[(10, 0.5), (0, 0.0)]), &plan(), 1),
            None
        );
    }
}
