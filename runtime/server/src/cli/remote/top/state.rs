//! What is known, and what the viewer chose: the whole of what is drawn.

use std::time::Duration;

use jiff::Timestamp;

use super::CliError;
use super::ask::{News, RequestedOutput};
use crate::api::{Order, RevisionInfo, Traffic, VersionTraffic};

/// Versions that are asked for, at least and at most.
const LIMIT_MIN: usize = 100;
pub(super) const LIMIT_MAX: usize = 1000;
/// Versions that are asked for below those that are shown.
const AHEAD: usize = 50;

/// Everything that is drawn.
#[derive(Default)]
pub(super) struct State {
    pub(super) traffic: Traffic,
    /// Newest first.
    pub(super) revisions: Vec<RevisionInfo>,
    pub(super) lost: Option<Lost>,
    /// When the last answer came.
    answered: Option<Timestamp>,
    pub(super) order: Order,
    /// Only names that this is a part of.
    pub(super) filter: String,
    pub(super) is_typing: bool,
    pub(super) is_paused: bool,
    pub(super) is_helping: bool,
    /// Rows above the first that is shown.
    pub(super) offset: usize,
    /// Rows that fitted when it was drawn last.
    pub(super) page: usize,
}

/// A server that does not answer.
pub(super) struct Lost {
    /// When it answered last.
    pub(super) since: Timestamp,
    pub(super) why: String,
}

impl State {
    pub(super) fn new(order: Order) -> Self {
        Self {
            order,
            ..Self::default()
        }
    }

    /// What to ask for next, so that so many rows are there.
    pub(super) fn wish(&self, interval: Duration, rows: usize) -> RequestedOutput {
        let limit = (rows + AHEAD).clamp(LIMIT_MIN, LIMIT_MAX);
        RequestedOutput {
            interval,
            order: self.order,
            limit,
            part: self.filter.clone(),
        }
    }

    /// Takes in an answer, or that there is none.
    pub(super) fn learn(&mut self, told: Result<News, CliError>, now: Timestamp) {
        match told {
            Ok(news) => {
                self.traffic = news.traffic;
                self.revisions = news
                    .revisions
                    .unwrap_or_else(|| std::mem::take(&mut self.revisions));
                (self.lost, self.answered) = (None, Some(now));
            }
            Err(ending) => {
                let why = ending.message.lines().next().unwrap_or_default().to_owned();
                self.lost = Some(Lost {
                    since: self.answered.unwrap_or(now),
                    why,
                });
            }
        }
    }

    /// The rows, as far as the server told them. It orders them too; this is for what was chosen
    /// since it answered.
    pub(super) fn rows(&self) -> Vec<&VersionTraffic> {
        let versions = self.traffic.versions.iter();
        let mut rows: Vec<_> = versions
            .filter(|version| version.name.contains(&self.filter))
            .collect();
        rows.sort_by(|a, b| self.order.compare((&a.name, &a.rates), (&b.name, &b.rates)));
        rows
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Exit;
    use super::*;
    use crate::api::{Condition, Rates};

    /// A server with some versions.
    pub(in super::super) fn some(names: &[(&str, f64)]) -> State {
        let version = |&(name, requests_per_second): &(&str, f64)| VersionTraffic {
            name: name.to_owned(),
            version: "1".to_owned(),
            answers: true,
            labels: vec!["stable".to_owned()],
            condition: Condition::Ready,
            instances: 2,
            rates: Rates {
                requests_per_second,
                failed_per_second: 0.5,
                p50_ms: Some(0.512),
                p99_ms: Some(4.096),
            },
        };
        let mut traffic = Traffic {
            total: names.len() as u64,
            interval_ms: 1000.0,
            ..Traffic::default()
        };
        traffic.versions = names.iter().map(version).collect();
        traffic.status.version = "0.1.0".to_owned();
        traffic.status.ready = true;
        traffic.status.head = 12;
        traffic.status.uptime_seconds = 125.0;
        traffic.status.resident_bytes = Some(64 << 20);
        traffic.all.requests_per_second = names.iter().map(|name| name.1).sum();
        State {
            traffic,
            ..State::default()
        }
    }

    #[test]
    fn rows_are_filtered_and_ordered_at_once() {
        let mut state = some(&[("tumor", 9.0), ("iris", 1.0), ("tulip", 4.0)]);
        let names = |state: &State| {
            state
                .rows()
                .iter()
                .map(|row| row.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&state), ["tumor", "tulip", "iris"]);
        (state.order, state.filter) = (Order::Name, "tu".to_owned());
        assert_eq!(names(&state), ["tulip", "tumor"]);
    }

    #[test]
    fn a_wish_reaches_a_little_further_than_the_screen() {
        let state = State::default();
        let limit = |rows| state.wish(Duration::ZERO, rows).limit;
        assert_eq!(
            (limit(0), limit(200), limit(5000)),
            (LIMIT_MIN, 250, LIMIT_MAX)
        );
    }

    #[test]
    fn a_server_is_lost_since_it_answered_last() {
        let mut state = State::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let news = || News {
            traffic: Traffic::default(),
            body: bytes::Bytes::new(),
            revisions: None,
        };
        let gone = || CliError::new(Exit::Unreachable, "can't reach it\nat all");
        state.learn(Ok(news()), at(10));
        state.learn(Err(gone()), at(11));
        state.learn(Err(gone()), at(12));
        let lost = state.lost.as_ref().unwrap();
        assert_eq!((lost.since, lost.why.as_str()), (at(10), "can't reach it"));
        state.learn(Ok(news()), at(13));
        assert!(state.lost.is_none());
    }
}
