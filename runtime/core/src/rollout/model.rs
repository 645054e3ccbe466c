//! Checks rollouts against a model that only counts: whatever operators do, whatever fails, and
//! whenever the process dies, no version is promoted before its time, with another rollout's
//! requests, or after a breach.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// An event.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A rollout of one of two plans begins, if none is under way.
    Start(usize),
    Pause(bool),
    Promote,
    Abort,
    /// Requests to the new version, and how many of them fail.
    Traffic(u64, u64),
    /// Milliseconds pass without a reading.
    Pass(u64),
    /// The counters are read, and the result is recorded.
    Read,
    /// The counters are read, and the result can't be recorded.
    ReadInVain,
    /// The process dies: only the journal is left, and counters restart at zero.
    Crash,
}

/// The plan under way, as the model sees it.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// When the step began, or the process if that was later.
    began: u64,
    requests: u64,
    failed: u64,
    /// Whether a reading has found so many failures that there is no doubt.
    is_lost: bool,
}

/// The server's rollouts, and the model beside them.
struct World {
    plans: [Arc<Plan>; 2],
    /// The journal: the newest revision, and the state of the rollout.
    revision: u64,
    rolling: Option<Rolling>,
    plan: usize,
    bake: Option<Bake>,
    now: u64,
    counts: Counts,
    step: Step,
}

impl World {
    fn new() -> Self {
        let guard = |limit, min_samples, window| Guard {
            name: "errors".to_owned(),
            measure: Measure::Errors,
            limit,
            min_samples,
            window: Duration::from_secs(window),
            tolerance: None,
        };
        let step = |percent, bake| super::Step {
            percent,
            bake: Duration::from_millis(bake),
        };
        let plan = |steps, guards| {
            let to = "2".parse().unwrap();
            Arc::new(Plan {
                to,
                from: None,
                steps,
                guards,
                labels: Vec::new(),
                timeout: None,
            })
        };
        let plans = [
            plan(vec![step(10.0, 2000)], vec![guard(0.1, 20, 1)]),
            plan(
                vec![step(10.0, 300), step(50.0, 1000)],
                vec![guard(0.2, 10, 60)],
            ),
        ];
        let step = Step {
            began: 0,
            requests: 0,
            failed: 0,
            is_lost: false,
        };
        let (counts, bake, rolling) = (Counts::default(), None, None);
        Self {
            plans,
            revision: 0,
            rolling,
            plan: 0,
            bake,
            now: 5,
            counts,
            step,
        }
    }

    fn is_under_way(&self) -> bool {
        self.rolling
            .as_ref()
            .is_some_and(|rolling| rolling.phase.is_under_way())
    }

    fn begin_step(&mut self) {
        self.step = Step {
            began: self.now,
            requests: 0,
            failed: 0,
            is_lost: false,
        };
    }

    fn apply(&mut self, transition: Transition) {
        let rolling = self
            .rolling
            .as_ref()
            .filter(|rolling| rolling.phase.is_under_way());
        let Some(next) = rolling.map(|rolling| rolling.after(transition)) else {
            return;
        };
        // As the journal has it.
        self.rolling = Some(serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap());
        self.revision += 1;
        if let Transition::Step(_) = transition {
            self.begin_step();
        }
    }

    fn happens(&mut self, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Start(plan) if !self.is_under_way() => {
                self.revision += 1;
                self.plan = plan;
                let digest = Digest::of(&[u8::try_from(plan).unwrap_or(0)]);
                let (from, started) = ("1".parse().unwrap(), Some(self.revision));
                self.rolling = Some(Rolling {
                    digest,
                    from,
                    before: None,
                    step: 0,
                    phase: Phase::Running,
                    started,
                });
                self.begin_step();
            }
            Event::Start(_) => {}
            Event::Pause(pause) => self.apply(Transition::Pause(pause)),
            Event::Promote => self.apply(Transition::Promote),
            Event::Abort => self.apply(Transition::TakeBack(Phase::Aborted)),
            Event::Traffic(requests, failed) => {
                let failed = failed.min(requests);
                self.counts.to.requests += requests;
                self.counts.to.errors += failed;
                self.step.requests += requests;
                self.step.failed += failed;
            }
            Event::Pass(ms) => self.now += ms,
            Event::Read => self.read(true)?,
            Event::ReadInVain => self.read(false)?,
            Event::Crash => {
                // Another process has another clock and other counters.
                (self.bake, self.counts, self.now) = (None, Counts::default(), self.now + 1);
                self.begin_step();
            }
        }
        Ok(())
    }

    fn read(&mut self, can_record: bool) -> Result<(), TestCaseError> {
        let Some(rolling) = self
            .rolling
            .clone()
            .filter(|rolling| rolling.phase.is_under_way())
        else {
            return Ok(());
        };
        let (plan, now) = (
            Arc::clone(&self.plans[self.plan]),
            Duration::from_millis(self.now),
        );
        let mut bake = Bake::of(self.bake.take(), &rolling, &plan, now, &self.counts);
        let next = bake.look(rolling.phase, now, &self.counts);
        let seen = bake.judgements()[0].whole.samples;
        self.bake = Some(bake);
        prop_assert!(
            seen <= self.step.requests,
            "{seen} samples of {} requests in the step",
            self.step.requests
        );
        let (guard, step) = (&plan.guards[0], &plan.steps[rolling.step as usize]);
        let all_failed = seen >= guard.min_samples && self.step.failed == self.step.requests;
        self.step.is_lost |= all_failed;
        match &next {
            Next::Stay => prop_assert!(!self.step.is_lost, "all {seen} failed, and it stays"),
            Next::TakeBack(_) => prop_assert!(self.step.failed > 0, "taken back without a failure"),
            Next::Step(_) | Next::Promote => {
                prop_assert_eq!(rolling.phase, Phase::Running);
                prop_assert!(!self.step.is_lost, "it goes on after a breach");
                let baked = self.now - self.step.began;
                prop_assert!(
                    u128::from(baked) >= step.bake.as_millis(),
                    "it baked for {baked} ms"
                );
                prop_assert!(
                    self.step.requests >= guard.min_samples,
                    "{} requests",
                    self.step.requests
                );
            }
        }
        if can_record {
            match next {
                Next::Stay => {}
                Next::Step(step) => self.apply(Transition::Step(step)),
                Next::Promote => self.apply(Transition::Promote),
                Next::TakeBack(_) => self.apply(Transition::TakeBack(Phase::RolledBack)),
            }
        }
        Ok(())
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => (0..2_usize).prop_map(Event::Start),
        1 => any::<bool>().prop_map(Event::Pause),
        1 => Just(Event::Promote),
        2 => Just(Event::Abort),
        3 => (1..60_u64).prop_map(|requests| Event::Traffic(requests, 0)),
        2 => (1..60_u64, 0..60_u64).prop_map(|(requests, failed)| Event::Traffic(requests, failed)),
        5 => (1..900_u64).prop_map(Event::Pass),
        9 => Just(Event::Read),
        1 => Just(Event::ReadInVain),
        1 => Just(Event::Crash),
    ];
    prop::collection::vec(event, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_rollout_never_goes_on_early_nor_with_the_requests_of_another_nor_after_a_breach(
        events in events(),
    ) {
        let mut world = World::new();
        for event in events {
            world.happens(event)?;
        }
    }

    #[test]
    fn a_good_version_is_promoted_in_the_end_whatever_was_before(
        events in events(),
        plan in 0..2_usize,
    ) {
        let mut world = World::new();
        for event in events {
            world.happens(event)?;
        }
        world.happens(Event::Abort)?;
        world.happens(Event::Start(plan))?;
        for _ in 0..40 {
            for event in [Event::Read, Event::Traffic(20, 0), Event::Pass(100)] {
                world.happens(event)?;
            }
        }
        prop_assert_eq!(world.rolling.map(|rolling| rolling.phase), Some(Phase::Promoted));
    }

    #[test]
    fn a_version_that_always_fails_is_taken_back_in_the_end(
        events in events(),
        plan in 0..2_usize,
    ) {
        let mut world = World::new();
        for event in events {
            world.happens(event)?;
        }
        world.happens(Event::Abort)?;
        world.happens(Event::Start(plan))?;
        for _ in 0..20 {
            for event in [Event::Read, Event::Traffic(5, 5), Event::Pass(100)] {
                world.happens(event)?;
            }
        }
        prop_assert_eq!(world.rolling.map(|rolling| rolling.phase), Some(Phase::RolledBack));
    }
}
