//! Measures times in alternation, so that disturbances by other processes affect all sides alike.

use std::time::Duration;

use crate::Outcome;

/// How long to measure.
#[derive(Debug)]
pub(crate) struct Effort {
    /// Groups of batches; the best group's median counts.
    pub(crate) groups: usize,
    /// Batches of each side in a group.
    pub(crate) batches: usize,
    /// Rounds of load on each server.
    pub(crate) rounds: usize,
    /// Duration of a round.
    pub(crate) round: Duration,
    /// Duration of the load before the first round.
    pub(crate) warm_up: Duration,
    /// Starts of the server.
    pub(crate) starts: usize,
}

impl Effort {
    pub(crate) const FULL: Self = Self {
        groups: 9,
        batches: 25,
        rounds: 5,
        round: Duration::from_secs(3),
        warm_up: Duration::from_secs(2),
        starts: 7,
    };
    pub(crate) const QUICK: Self = Self {
        groups: 3,
        batches: 15,
        rounds: 3,
        round: Duration::from_secs(1),
        warm_up: Duration::from_millis(500),
        starts: 3,
    };
}

/// Target duration of a batch: long compared with reading the clock, short compared with a burst of
/// other work.
const BATCH: Duration = Duration::from_millis(2);

/// Runs something so many times and returns the duration.
pub(crate) type Side<'a> = Box<dyn FnMut(u32) -> Outcome<Duration> + 'a>;

/// Microseconds of one run on each side, measured in alternation.
pub(crate) fn compare<const N: usize>(
    effort: &Effort,
    mut sides: [Side<'_>; N],
) -> Outcome<[f64; N]> {
    let mut times = [0; N];
    for (side, times) in sides.iter_mut().zip(&mut times) {
        *times = calibrate(side)?;
    }
    let mut best = [f64::INFINITY; N];
    for _ in 0..effort.groups {
        let mut samples: [Vec<f64>; N] =
            std::array::from_fn(|_| Vec::with_capacity(effort.batches));
        for _ in 0..effort.batches {
            for ((side, times), samples) in sides.iter_mut().zip(times).zip(&mut samples) {
                samples.push(side(times)?.as_secs_f64() * 1e6 / f64::from(times));
            }
        }
        for (best, samples) in best.iter_mut().zip(&mut samples) {
            *best = best.min(median(samples));
        }
    }
    Ok(best)
}

/// The number of runs in a batch.
fn calibrate(side: &mut Side<'_>) -> Outcome<u32> {
    // The first calls are cold.
    side(3)?;
    let mut times = 1;
    while side(times)? < BATCH && times < 1 << 20 {
        times *= 2;
    }
    Ok(times)
}

/// The median. Sorts the samples.
pub(crate) fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The percentile. Sorts the samples.
pub(crate) fn percentile<T: Ord + Copy + Default>(samples: &mut [T], percent: usize) -> T {
    samples.sort_unstable();
    let index = (samples.len() * percent / 100).min(samples.len().saturating_sub(1));
    samples.get(index).copied().unwrap_or_default()
}

/// CPU time of a process so far, in user space and in the kernel, in units of 10 ms.
pub(crate) fn cpu(process: &str) -> Outcome<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The program's name, in parentheses, may contain any character.
    let (_, fields) = text.rsplit_once(')').ok_or("no name in /proc/PID/stat")?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Resident memory of a process in bytes.
pub(crate) fn resident(process: &str) -> Outcome<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS in /proc/PID/status")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0)
}
