//! What is asked of the server: its traffic, and its newest revisions when there are newer ones.

use std::time::Duration;

use bytes::Bytes;

use super::super::client::{Client, ClientError, Got, quote};
use super::{CliError, Exit, Remote};
use crate::api::{History, Order, RevisionInfo, Traffic};

/// How long an answer may take beyond what it measures.
const PATIENCE: Duration = Duration::from_secs(5);
/// Revisions that are asked for.
const REVISIONS: usize = 20;

/// What is wanted next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RequestedOutput {
    pub(super) interval: Duration,
    pub(super) order: Order,
    /// Versions.
    pub(super) limit: usize,
    /// Of names that this is a part of.
    pub(super) part: String,
}

/// What was answered.
pub(super) struct News {
    pub(super) traffic: Traffic,
    /// Word by word.
    pub(super) body: Bytes,
    /// The newest revisions, if there are newer ones than before.
    pub(super) revisions: Option<Vec<RevisionInfo>>,
}

/// Asks one server, or the one that takes its place.
pub(super) struct Asker<'a> {
    remote: &'a Remote,
    client: Option<Client>,
    /// The newest revision that was told.
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

    pub(super) async fn ask(&mut self, wish: &RequestedOutput) -> Result<News, CliError> {
        let asking = Box::pin(self.try_ask(wish));
        let told = match tokio::time::timeout(wish.interval + PATIENCE, asking).await {
            Ok(told) => told,
            Err(_) => Err(CliError::new(
                Exit::Unreachable,
                "the server does not answer in time",
            )),
        };
        if told.is_err() {
            // A server that starts again has another port, and may have another journal.
            (self.client, self.head) = (None, None);
        }
        told
    }

    async fn try_ask(&mut self, wish: &RequestedOutput) -> Result<News, CliError> {
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(self.remote.reader()?),
        };
        let Got {
            value: traffic,
            body,
        } = client.get::<Traffic>(&path(wish)).await?;
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

fn path(wish: &RequestedOutput) -> String {
    let RequestedOutput {
        interval,
        order,
        limit,
        part,
    } = wish;
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
    fn a_wish_is_a_query() {
        let mut wish = RequestedOutput {
            interval: Duration::from_secs(1),
            order: Order::Rate,
            limit: 100,
            part: String::new(),
        };
        assert_eq!(
            path(&wish),
            "/v1/traffic?interval_ms=1000&order=rate&limit=100"
        );
        wish.part = "a b".to_owned();
        assert!(path(&wish).ends_with("&name=a%20b"));
    }
}
