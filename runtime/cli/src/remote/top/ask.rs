//! Requests of `top`: the traffic, and the newest revisions if there are newer ones.

use std::time::Duration;

use bytes::Bytes;

use super::super::client::{Client, ClientError, Got, quote};
use super::{CliError, Exit, Remote};
use hotstage_client::{History, Order, RevisionInfo, Traffic};

/// Time allowed for an answer beyond the time that it measures.
const PATIENCE: Duration = Duration::from_secs(5);
/// Revisions per request.
const REVISIONS: usize = 20;

/// The next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TrafficQuery {
    pub(super) interval: Duration,
    pub(super) order: Order,
    /// Bound on the versions.
    pub(super) limit: usize,
    /// Only names that contain this text.
    pub(super) part: String,
}

/// An answer.
pub(super) struct News {
    pub(super) traffic: Traffic,
    /// The unchanged JSON.
    pub(super) body: Bytes,
    /// The newest revisions, if there are newer ones than in the last answer.
    pub(super) revisions: Option<Vec<RevisionInfo>>,
}

/// Asks one server, or its replacement after a restart.
pub(super) struct Asker<'a> {
    remote: &'a Remote,
    client: Option<Client>,
    /// The newest revision of the last answer.
    head: Option<u64>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(remote: &'a Remote) -> Self {
        Self {
            remote,
            client: None,
            head: None,
        }
    }

    pub(super) async fn ask(&mut self, request: &TrafficQuery) -> Result<News, CliError> {
        let asking = Box::pin(self.try_ask(request));
        let answer = match tokio::time::timeout(request.interval + PATIENCE, asking).await {
            Ok(answer) => answer,
            Err(_) => Err(CliError::new(
                Exit::Unreachable,
                "the server does not answer in time",
            )),
        };
        if answer.is_err() {
            // A restarted server has another port, and may have another journal.
            (self.client, self.head) = (None, None);
        }
        answer
    }

    async fn try_ask(&mut self, request: &TrafficQuery) -> Result<News, CliError> {
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(self.remote.reader()?),
        };
        let Got {
            value: traffic,
            body,
        } = client.get::<Traffic>(&path(request)).await?;
        let mut revisions = None;
        if self.head != Some(traffic.status.head) {
            revisions = Some(newest(client).await?);
            self.head = Some(traffic.status.head);
        }
        Ok(News {
            traffic,
            body,
            revisions,
        })
    }
}

fn path(request: &TrafficQuery) -> String {
    let TrafficQuery {
        interval,
        order,
        limit,
        part,
    } = request;
    let part = if part.is_empty() {
        String::new()
    } else {
        format!("&name={}", quote(part))
    };
    format!(
        "/v1/traffic?interval_ms={}&order={}&limit={limit}{part}",
        interval.as_millis(),
        order.word()
    )
}

async fn newest(client: &mut Client) -> Result<Vec<RevisionInfo>, ClientError> {
    let got = client
        .get::<History>(&format!("/v1/revisions?limit={REVISIONS}"))
        .await?;
    Ok(got.value.revisions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_query() {
        let mut request = TrafficQuery {
            interval: Duration::from_secs(1),
            order: Order::Rate,
            limit: 100,
            part: String::new(),
        };
        assert_eq!(
            path(&request),
            "/v1/traffic?interval_ms=1000&order=rate&limit=100"
        );
        request.part = "a b".to_owned();
        assert!(path(&request).ends_with("&name=a%20b"));
    }
}
