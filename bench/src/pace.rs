//! The load at a fixed rate: requests are due at even intervals, whether the server keeps up or
//! not.
//!
//! A due request is sent on a free connection. Its latency counts from the time when it was due,
//! also if no connection was free. The generator sleeps between polls, because it shares the
//! server's cores. Bound on its delay: [`NAP`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::Events;

use crate::Outcome;
use crate::load::{CONNECTIONS, Load, PATIENCE, Round, round};

/// Interval between two polls.
const NAP: Duration = Duration::from_micros(50);

/// Sends `per_second` requests a second for `duration`, and reads the remaining answers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number of requests"
)]
pub(crate) fn run(load: &mut Load<'_>, per_second: f64, duration: Duration) -> Outcome<Round> {
    let began = Instant::now();
    let many = (per_second * duration.as_secs_f64()) as u32;
    let due = |number: u32| began + Duration::from_secs_f64(f64::from(number) / per_second);
    let mut free: VecDeque<usize> = (0..CONNECTIONS).collect();
    let (mut took, mut next, mut answered) = (Vec::with_capacity(1 << 18), 0, 0);
    let mut events = Events::with_capacity(CONNECTIONS);
    let mut last = began;
    while answered < many {
        let now = Instant::now();
        while next < many
            && due(next) <= now
            && let Some(client) = free.pop_front()
        {
            load.ask(client, due(next))?;
            next += 1;
        }
        load.poll(&mut events, Some(Duration::ZERO))?;
        for event in &events {
            if let Some(asked) = load.answered(event.token().0)? {
                took.push(u32::try_from(asked.elapsed().as_nanos()).unwrap_or(u32::MAX));
                free.push_back(event.token().0);
                answered += 1;
                last = Instant::now();
            }
        }
        if last.elapsed() > PATIENCE {
            return Err(format!("no answer for {PATIENCE:?}").into());
        }
        if events.is_empty() {
            #[expect(
                clippy::disallowed_methods,
                reason = "a generator that spins takes a core from the server"
            )]
            std::thread::sleep(NAP);
        }
    }
    round(took, began)
}
