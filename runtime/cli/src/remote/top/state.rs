//! The state of `top`: the last answer and the viewer's choices. It determines what is drawn.

use std::time::Duration;

use jiff::Timestamp;

use super::CliError;
use super::ask::{News, TrafficQuery};
use hotstage_client::{Order, RevisionInfo, Traffic, VersionTraffic};

/// Bounds on the versions of one request.
const LIMIT_MIN: usize = 100;
pub(super) const LIMIT_MAX: usize = 1000;
/// Versions that are requested beyond those that are shown.
const AHEAD: usize = 50;

/// The state of `top`.
#[derive(Default)]
pub(super) struct State {
    pub(super) traffic: Traffic,
    /// Newest first.
    pub(super) revisions: Vec<RevisionInfo>,
    pub(super) lost: Option<Lost>,
    /// Time of the last answer.
    answered: Option<Timestamp>,
    pub(super) order: Order,
    /// Only names that contain this text are shown.
    pub(super) filter: String,
    pub(super) is_typing: bool,
    pub(super) is_paused: bool,
    pub(super) is_helping: bool,
    /// Index of the first row that is shown.
    pub(super) offset: usize,
    /// Rows that fitted when the screen was last drawn.
    pub(super) page: usize,
}

/// A server that does not answer.
pub(super) struct Lost {
    /// When it last answered.
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

    /// The next request, for at least so many rows.
    pub(super) fn request(&self, interval: Duration, rows: usize) -> TrafficQuery {
        let limit = (rows + AHEAD).clamp(LIMIT_MIN, LIMIT_MAX);
        TrafficQuery {
            interval,
            order: self.order,
            limit,
            part: self.filter.clone(),
        }
    }

    /// Updates the state after an answer or a failure.
    pub(super) fn learn(&mut self, answer: Result<News, CliError>, now: Timestamp) {
        match answer {
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

    /// The rows of the last answer, filtered and sorted. The server sorts too; this applies choices
    /// made since its answer.
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
    use hotstage_client::{Condition, Rates};

    /// A state with some versions.
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
    fn a_request_covers_more_rows_than_the_screen() {
        let state = State::default();
        let limit = |rows| state.request(Duration::ZERO, rows).limit;
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
