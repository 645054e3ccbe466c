//! One guard at one step: the moments from which it counts, and the verdict from the counts.
//!
//! It counts from the beginning of the step, and from moments an eighth of its window apart, each
//! for a window's time: the first finds what was bad from the beginning, the others what became bad
//! later. Each has a part of the guard's chance of a false alarm: the step as a whole has half of
//! it, and the parts of the others add up to the other half however long the step lasts. Bound: ten
//! moments at a time.

use std::collections::VecDeque;
use std::time::Duration;

use super::counts::Counts;
use super::guard::{Guard, Judgement, Seen, Verdict};

/// Moments in a window.
const PARTS: u32 = 8;

/// One guard's moments.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    whole: Moment,
    /// Oldest first.
    recent: VecDeque<Moment>,
    /// The number of moments so far.
    begun: u64,
    /// The guard's chance of a false alarm in this step.
    alpha: f64,
    /// Its last verdict, and the moment that decided: `None` is the step's, else an index of
    /// `recent`.
    said: (Verdict, Option<usize>),
}

/// A moment from which samples are counted.
#[derive(Clone, Debug)]
struct Moment {
    began: Duration,
    before: Counts,
    alpha: f64,
}

impl Moment {
    fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.began)
    }

    fn counted(&self, counts: &Counts) -> Counts {
        counts.since(&self.before)
    }

    /// What it shows, without bounds.
    fn glance(&self, guard: &Guard, place: usize, now: Duration, counts: &Counts) -> Seen {
        let counted = self.counted(counts);
        let (samples, value) = (guard.samples(&counted, place), guard.value(&counted, place));
        Seen {
            samples,
            value,
            back: self.age(now),
            ..Seen::default()
        }
    }

    /// The same with bounds, which take a hundred times the work.
    fn seen(&self, guard: &Guard, place: usize, now: Duration, counts: &Counts) -> Seen {
        let seen = self.glance(guard, place, now, counts);
        let (low, high) = guard.bounds(&self.counted(counts), place, self.alpha);
        Seen { low, high, ..seen }
    }
}

impl Watch {
    pub(super) fn new(now: Duration, counts: &Counts, alpha: f64) -> Self {
        let whole = Moment {
            began: now,
            before: counts.clone(),
            alpha: alpha / 2.0,
        };
        Self {
            whole,
            recent: VecDeque::new(),
            begun: 0,
            alpha,
            said: (Verdict::Waits, None),
        }
    }

    /// Judges the counts so far. The judgement has no bounds, which [`Self::explain`] adds.
    pub(super) fn judge(
        &mut self,
        guard: &Guard,
        place: usize,
        now: Duration,
        counts: &Counts,
    ) -> Judgement {
        self.move_on(guard.window, now, counts);
        self.said = self.verdict(guard, place, now, counts);
        let (verdict, decisive) = self.said;
        let glance = |moment: &Moment| moment.glance(guard, place, now, counts);
        Judgement {
            verdict,
            seen: glance(self.moment(decisive)),
            whole: glance(&self.whole),
        }
    }

    /// The last judgement with bounds; for the same moment and the same counts.
    pub(super) fn explain(
        &self,
        guard: &Guard,
        place: usize,
        now: Duration,
        counts: &Counts,
    ) -> Judgement {
        let (verdict, decisive) = self.said;
        let seen = |moment: &Moment| moment.seen(guard, place, now, counts);
        Judgement {
            verdict,
            seen: seen(self.moment(decisive)),
            whole: seen(&self.whole),
        }
    }

    fn moment(&self, place: Option<usize>) -> &Moment {
        place
            .and_then(|place| self.recent.get(place))
            .unwrap_or(&self.whole)
    }

    fn verdict(
        &self,
        guard: &Guard,
        place: usize,
        now: Duration,
        counts: &Counts,
    ) -> (Verdict, Option<usize>) {
        let mut moments = std::iter::once(None).chain((0..self.recent.len()).map(Some));
        let breached = moments.find(|at| {
            let moment = self.moment(*at);
            guard.is_breached(&moment.counted(counts), place, moment.alpha)
        });
        if let Some(at) = breached {
            return (Verdict::Breached, at);
        }
        let window = self
            .recent
            .front()
            .is_some_and(|oldest| oldest.age(now) >= guard.window)
            .then_some(0);
        let seen = self.moment(window).glance(guard, place, now, counts);
        if seen.samples < guard.min_samples || seen.value.is_none() {
            return (Verdict::Waits, window);
        }
        let doubtful = [window, None].into_iter().find(|at| {
            let seen = self.moment(*at).glance(guard, place, now, counts);
            seen.value.is_none_or(|value| guard.is_beyond(value))
        });
        doubtful.map_or((Verdict::Holds, window), |at| (Verdict::Doubts, at))
    }

    /// Drops moments that are older than the window, except one, and begins a new one when it is
    /// time.
    fn move_on(&mut self, window: Duration, now: Duration, counts: &Counts) {
        while self
            .recent
            .get(1)
            .is_some_and(|second| second.age(now) >= window)
        {
            self.recent.pop_front();
        }
        let newest = self.recent.back().unwrap_or(&self.whole);
        if newest.age(now) >= window / PARTS && now > newest.began {
            self.begun += 1;
            let nth = self.begun as f64;
            // One divided by 1·2, 2·3, 3·4, … adds up to one.
            let alpha = self.alpha / 2.0 / (nth * (nth + 1.0));
            self.recent.push_back(Moment {
                began: now,
                before: counts.clone(),
                alpha,
            });
        }
    }
}
