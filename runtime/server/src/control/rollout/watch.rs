//! The eye on rollouts: every [`TICK`] the counters of both versions are read, the guards judged, the next turn made.
//!
//! What is read belongs to the new version alone, since the step began: a restart, or another pipeline under its name,
//! begins the step anew. Bounds: readings of as far back as the longest window looks, ten a second.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use hotstage_core::failure::Kind;
use hotstage_core::name::ModelName;
use hotstage_core::rollout::{Guard, Judgement, Measure, Metric, Next, Phase, Plan, Progress, Rolling, Seen};

use super::super::{Ask, Control, locked};
use super::Turn;
use crate::counts::histogram::{Buckets, estimate_ms};
use crate::mirror::Mirror;
use crate::pipeline::Pipeline;

/// How often counters are read.
const TICK: Duration = Duration::from_millis(100);
/// After a turn that could not be made, for a disk that is full.
const AGAIN: Duration = Duration::from_secs(1);
/// Who makes revisions here.
const ACTOR: &str = "rollout";

/// What is known of the rollouts that are under way.
pub(in crate::control) type Watches = HashMap<ModelName, Watch>;

/// One rollout at one step.
pub(in crate::control) struct Watch {
    rolling: Rolling,
    pub(super) plan: Arc<Plan>,
    /// Where its two versions lie.
    places: [usize; 2],
    began: Instant,
    pub(super) step_began: Instant,
    readings: VecDeque<Reading>,
    pub(super) judgements: Vec<Judgement>,
    not_before: Instant,
}

/// Counters at a moment.
#[derive(Clone)]
struct Reading {
    at: Instant,
    to: Figures,
    from: Figures,
    copies: Copies,
    /// How many values a guard's metric had, and their sum: for each guard that has one, in their order.
    metrics: Vec<(u64, f64)>,
}

#[derive(Clone, Copy, Default)]
struct Figures {
    /// That were answered, or failed through no mistake of their client's.
    requests: u64,
    errors: u64,
    durations: Buckets,
}

#[derive(Clone, Copy, Default)]
struct Copies {
    answered: u64,
    disagreed: u64,
}

impl Figures {
    fn of(pipeline: &Pipeline) -> Self {
        let counts = &pipeline.counts;
        let servers = Kind::ALL.iter().zip(&counts.failed).filter(|(kind, _)| kind.status() >= 500);
        let errors = servers.map(|(_, count)| count.load(Relaxed)).sum();
        Self { requests: counts.answered.read() + errors, errors, durations: counts.durations.buckets() }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            errors: self.errors.saturating_sub(before.errors),
            durations: std::array::from_fn(|index| self.durations[index].saturating_sub(before.durations[index])),
        }
    }
}

impl Copies {
    /// A copy without an answer does not agree.
    fn of(mirror: &Mirror) -> Self {
        let failed = mirror.counts.failed.load(Relaxed);
        Self {
            answered: mirror.counts.compared.load(Relaxed) + failed,
            disagreed: mirror.counts.disagreed.load(Relaxed) + failed,
        }
    }
}

/// Looks at rollouts until the server stops.
pub async fn watch_rollouts(control: Arc<Control>) {
    loop {
        tokio::time::sleep(TICK).await;
        if control.app.board.phase() == crate::board::Phase::Serving {
            control.look_at_rollouts().await;
        }
    }
}

impl Control {
    async fn look_at_rollouts(&self) {
        let ledger = self.ledger.load_full();
        let names: Vec<ModelName> = ledger.state.rolling().cloned().collect();
        locked(&self.rollouts).retain(|name, _| names.contains(name));
        for name in names {
            let entry = ledger.state.model(name.as_str());
            let Some(rolling) = entry.and_then(|entry| entry.rollout.as_ref()) else { continue };
            let Some(next) = self.look_at(&name, rolling) else { continue };
            let (turn, reason) = match next {
                Next::Stay => continue,
                Next::Step(step) => (Turn::Step(step), format!("step {} held", rolling.step + 1)),
                Next::Promote => (Turn::Promote, "every step held".to_owned()),
                Next::TakeBack(why) => (Turn::TakeBack(Phase::RolledBack), why),
            };
            let ask = Ask { reason: reason.clone(), ..Ask::default() };
            match self.turn_rollout(ACTOR, &name, &ask, turn, Some(rolling)).await {
                Ok(applied) => {
                    let (pipeline, revision) = (name.as_str(), applied.head);
                    tracing::info!(pipeline, revision, ?turn, reason, "rollout");
                }
                Err(error) => {
                    tracing::error!(pipeline = name.as_str(), ?turn, reason, %error, "a rollout can't go on");
                    if let Some(watch) = locked(&self.rollouts).get_mut(&name) {
                        watch.not_before = Instant::now() + AGAIN;
                    }
                }
            }
        }
    }

    /// Reads the counters of one rollout and says what comes next. None: not all of it is there.
    fn look_at(&self, name: &ModelName, rolling: &Rolling) -> Option<Next> {
        let mut watches = locked(&self.rollouts);
        let known = watches.get(name).filter(|watch| watch.rolling.digest == rolling.digest);
        let plan = match known {
            Some(watch) => Arc::clone(&watch.plan),
            None => Arc::new(self.stored_rollout(&rolling.digest).ok()?.plan().clone()),
        };
        let snapshot = self.app.board.read();
        let model = snapshot.model(name.as_str())?;
        let find = |version: &str| model.versions().iter().find(|pipeline| pipeline.version == version);
        let (to, from) = (find(plan.to.as_str())?, find(rolling.from.as_str())?);
        let mirrors = model.routing().map_or(&[][..], |routing| routing.mirrors());
        let mirror = mirrors.iter().find(|mirror| Arc::ptr_eq(&mirror.pipeline, to));
        let now = Instant::now();
        let reading = Reading {
            at: now,
            to: Figures::of(to),
            from: Figures::of(from),
            copies: mirror.map(|mirror| Copies::of(mirror)).unwrap_or_default(),
            metrics: metrics(&plan).map(|metric| observed(to, metric)).collect(),
        };
        let places = [to, from].map(|pipeline| Arc::as_ptr(pipeline).addr());
        let is_same = known.is_some_and(|watch| watch.rolling.step == rolling.step && watch.places == places);
        let began = known.map_or(now, |watch| watch.began);
        if !is_same {
            let watch = Watch {
                rolling: rolling.clone(),
                plan: Arc::clone(&plan),
                places,
                began,
                step_began: now,
                readings: VecDeque::from([reading.clone()]),
                judgements: Vec::new(),
                not_before: now,
            };
            watches.insert(name.clone(), watch);
        }
        let watch = watches.get_mut(name)?;
        watch.add(reading);
        watch.judgements = plan.guards.iter().map(|guard| guard.judge(watch.seen(guard))).collect();
        let progress = Progress {
            baked: now.saturating_duration_since(watch.step_began),
            elapsed: now.saturating_duration_since(watch.began),
            judgements: &watch.judgements,
        };
        let next = plan.next(rolling.step as usize, rolling.phase, &progress);
        Some(if now < watch.not_before { Next::Stay } else { next })
    }
}

impl Watch {
    /// Adds a reading; those that no window reaches go.
    fn add(&mut self, reading: Reading) {
        let longest = self.plan.guards.iter().map(|guard| guard.window).max().unwrap_or_default();
        // The one before the window's begin stays: differences are to it.
        while self.readings.get(1).is_some_and(|second| reading.at.saturating_duration_since(second.at) >= longest) {
            self.readings.pop_front();
        }
        self.readings.push_back(reading);
    }

    /// What a guard sees of its window.
    fn seen(&self, guard: &Guard) -> Seen {
        let Some(last) = self.readings.back() else { return Seen::default() };
        let reaches = |reading: &&Reading| last.at.saturating_duration_since(reading.at) >= guard.window;
        let first = self.readings.iter().rfind(reaches).or(self.readings.front()).unwrap_or(last);
        let (to, from) = (last.to.since(&first.to), last.from.since(&first.from));
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let p99 = |figures: &Figures| estimate_ms(&figures.durations, 0.99);
        match &guard.measure {
            Measure::Errors => Seen { samples: to.requests, value: share(to.errors, to.requests) },
            Measure::P99 => Seen { samples: to.requests, value: p99(&to) },
            Measure::P99Ratio => {
                // As many of the other's are needed, or its p99 says nothing.
                let samples = to.requests.min(from.requests);
                let ratio = p99(&to).zip(p99(&from)).filter(|(_, from)| *from > 0.0);
                Seen { samples, value: ratio.map(|(to, from)| to / from) }
            }
            Measure::Disagreement => {
                let answered = last.copies.answered.saturating_sub(first.copies.answered);
                let disagreed = last.copies.disagreed.saturating_sub(first.copies.disagreed);
                Seen { samples: answered, value: share(disagreed, answered) }
            }
            Measure::Metric(metric) => {
                let place = metrics(&self.plan).position(|known| known == metric).unwrap_or(usize::MAX);
                let Some((now, before)) = last.metrics.get(place).zip(first.metrics.get(place)) else {
                    return Seen::default();
                };
                let samples = now.0.saturating_sub(before.0);
                Seen { samples, value: (samples > 0).then(|| (now.1 - before.1) / samples as f64) }
            }
        }
    }
}

/// The metrics that guards look at.
fn metrics(plan: &Plan) -> impl Iterator<Item = &Metric> {
    plan.guards.iter().filter_map(|guard| match &guard.measure {
        Measure::Metric(metric) => Some(metric),
        _ => None,
    })
}

/// How many values a stage observed, and their sum.
fn observed(pipeline: &Pipeline, metric: &Metric) -> (u64, f64) {
    let step = pipeline.steps().iter().find(|step| step.name == metric.stage);
    let seen = step.and_then(|step| step.stage.observed().0.into_iter().find(|seen| seen.name == metric.name));
    seen.map_or((0, 0.0), |seen| (seen.count, seen.sum))
}
