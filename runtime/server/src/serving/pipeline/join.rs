//! Runs several calls concurrently on one task.
//!
//! A long call runs in the compute pool ([`compute`](crate::executors::compute)), so each poll here
//! is short. Dropping the future drops every call. Bound: one call for each branch of a node; each
//! wake polls all calls that still run.

use std::pin::Pin;
use std::task::Poll;

use hotstage_core::failure::Failure;

enum Call<T, F> {
    Runs(Pin<Box<F>>),
    Ended(Result<T, Failure>),
}

/// Waits for all calls. Returns at once when a call fails that is not soft.
pub(super) async fn all<T: Unpin, F: Future<Output = Result<T, Failure>>>(
    calls: impl Iterator<Item = F>,
    is_soft: impl Fn(usize) -> bool,
) -> Result<Vec<Result<T, Failure>>, Failure> {
    let mut calls: Vec<Call<T, F>> = calls.map(|call| Call::Runs(Box::pin(call))).collect();
    std::future::poll_fn(|context| {
        let mut waits = false;
        for (index, call) in calls.iter_mut().enumerate() {
            let Call::Runs(future) = call else { continue };
            match future.as_mut().poll(context) {
                Poll::Ready(Err(failure)) if !is_soft(index) => return Poll::Ready(Err(failure)),
                Poll::Ready(ended) => *call = Call::Ended(ended),
                Poll::Pending => waits = true,
            }
        }
        if waits {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    })
    .await?;
    let ended = calls.into_iter().filter_map(|call| match call {
        Call::Ended(ended) => Some(ended),
        Call::Runs(_) => None,
    });
    Ok(ended.collect())
}

#[cfg(test)]
mod tests {
    use hotstage_core::failure::Kind;

    use super::*;

    /// Completes after this many polls.
    async fn after(polls: usize, result: Result<usize, Kind>) -> Result<usize, Failure> {
        for _ in 0..polls {
            tokio::task::yield_now().await;
        }
        result.map_err(|kind| Failure::new(kind, "no"))
    }

    fn run(
        calls: &[(usize, Result<usize, Kind>)],
        is_soft: impl Fn(usize) -> bool,
    ) -> Result<Vec<Result<usize, Kind>>, Kind> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let calls = calls.iter().map(|(polls, result)| after(*polls, *result));
        let ended = runtime
            .block_on(all(calls, is_soft))
            .map_err(|failure| failure.kind)?;
        Ok(ended
            .into_iter()
            .map(|ended| ended.map_err(|failure| failure.kind))
            .collect())
    }

    #[test]
    fn answers_keep_the_order_of_their_calls() {
        assert_eq!(
            run(&[(3, Ok(0)), (0, Ok(1)), (1, Ok(2))], |_| false),
            Ok(vec![Ok(0), Ok(1), Ok(2)])
        );
    }

    #[test]
    fn a_hard_failure_ends_all_calls_and_a_soft_one_none() {
        let calls = [
            (2, Ok(0)),
            (1, Err(Kind::StageTrapped)),
            (usize::MAX, Ok(2)),
        ];
        assert_eq!(run(&calls, |_| false), Err(Kind::StageTrapped));
        let calls = [(2, Ok(0)), (1, Err(Kind::StageTrapped)), (0, Ok(2))];
        assert_eq!(
            run(&calls, |index| index == 1),
            Ok(vec![Ok(0), Err(Kind::StageTrapped), Ok(2)])
        );
    }
}
