//! Traffic that checks every answer: 200, the version's own value, the version's own name.
//!
//! Some connections send at a fixed rate: the latency of a delayed request counts from its
//! scheduled time, so a pause of the server counts in full.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::harness::admin::Admin;
use crate::harness::http::{Connection, Request, Response};
use crate::harness::{PATIENCE, pause};

const CONNECTIONS: u32 = 8;

/// Traffic that runs until it is stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    askers: Vec<JoinHandle<Round>>,
    began: Instant,
}

/// The result of the traffic.
#[derive(Debug, Default)]
pub(crate) struct Round {
    pub(crate) answers: u64,
    /// Wrong answers and missing answers.
    pub(crate) failed: Vec<String>,
    pub(crate) seconds: f64,
    /// Microseconds.
    took: Vec<u32>,
}

impl Load {
    /// Sends requests to a pipeline of [`pipelines`](super::pipelines) at this rate per second;
    /// without a rate, as fast as possible.
    pub(crate) fn begin(address: SocketAddr, path: &str, rate: Option<f64>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let every = rate.map(|rate| Duration::from_secs_f64(f64::from(CONNECTIONS) / rate));
        let askers = (0..CONNECTIONS).map(|index| {
            let (stop, request) = (Arc::clone(&stop), request(path));
            // Their starts are spread over the first interval.
            let first = Instant::now() + every.unwrap_or_default() * index / CONNECTIONS;
            thread::spawn(move || ask_until(&stop, address, &request, first, every))
        });
        Self {
            askers: askers.collect(),
            stop,
            began: Instant::now(),
        }
    }

    /// Runs for this duration.
    pub(crate) fn during(
        address: SocketAddr,
        path: &str,
        rate: Option<f64>,
        duration: Duration,
    ) -> Round {
        let load = Self::begin(address, path, rate);
        pause(duration);
        load.end()
    }

    /// Stops it and returns the sums.
    pub(crate) fn end(mut self) -> Round {
        self.stop.store(true, Relaxed);
        let mut sum = Round::default();
        for asker in self.askers.drain(..) {
            sum.add(asker.join().unwrap());
        }
        sum.seconds = self.began.elapsed().as_secs_f64();
        sum
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // Also when the test ends early, so that the threads end.
        self.stop.store(true, Relaxed);
    }
}

impl Round {
    pub(crate) fn add(&mut self, other: Self) {
        self.answers += other.answers;
        self.seconds += other.seconds;
        self.failed.extend(other.failed);
        self.took.extend(other.took);
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    /// The latency percentile in microseconds.
    pub(crate) fn took(&self, percent: usize) -> f64 {
        let mut sorted = self.took.clone();
        sorted.sort_unstable();
        f64::from(sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)])
    }

    /// Returns itself, after asserting that there was no fault.
    #[track_caller]
    pub(crate) fn faultless(self) -> Self {
        let first = self.failed.first().map_or("", String::as_str);
        assert!(
            self.failed.is_empty(),
            "{} of {} failed: {first}",
            self.failed.len(),
            self.answers
        );
        assert!(self.answers > 0, "no request was sent");
        self
    }
}

/// One request to the admin API; the server may end before it answers.
pub(crate) fn attempt(admin: &Admin, request: Request) -> Result<Response, String> {
    let bearer = format!("Bearer {}", admin.token);
    let mut connection = Connection::try_open(admin.address).map_err(|error| error.to_string())?;
    connection.send(&request.header("authorization", bearer.as_str()).bytes());
    connection
        .try_read(true)?
        .ok_or_else(|| "closed without an answer".to_owned())
}

fn request(path: &str) -> Vec<u8> {
    let body = crate::harness::admin::one(1.0).to_string();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn ask_until(
    stop: &AtomicBool,
    address: SocketAddr,
    request: &[u8],
    mut due: Instant,
    every: Option<Duration>,
) -> Round {
    let mut round = Round::default();
    let mut asker = match Asker::open(address) {
        Ok(asker) => asker,
        Err(error) => {
            round.failed.push(format!("can't connect: {error}"));
            return round;
        }
    };
    while !stop.load(Relaxed) {
        let mut began = Instant::now();
        if let Some(every) = every {
            if let Some(early) = due.checked_duration_since(began) {
                pause(early);
                began = Instant::now();
            } else {
                began = due;
            }
            due += every;
        }
        round.answers += 1;
        match asker.ask(request) {
            Ok(()) => round
                .took
                .push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX)),
            Err(why) => {
                round.failed.push(why);
                // A broken connection answers no more.
                match Asker::open(address) {
                    Ok(other) => asker = other,
                    Err(_) => return round,
                }
            }
        }
    }
    round
}

struct Asker {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Asker {
    fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            buffer: vec![0; 16 << 10],
        })
    }

    /// Sends one request; its answer must be complete, right and of one version.
    fn ask(&mut self, request: &[u8]) -> Result<(), String> {
        self.stream
            .write_all(request)
            .map_err(|error| format!("can't send: {error}"))?;
        let mut filled = 0;
        loop {
            match self.stream.read(&mut self.buffer[filled..]) {
                Ok(0) => return Err("the connection was closed without an answer".to_owned()),
                Ok(length) => filled += length,
                Err(error) => return Err(format!("no answer: {error}")),
            }
            let text =
                std::str::from_utf8(&self.buffer[..filled]).map_err(|error| error.to_string())?;
            if let Some(verdict) = judge(text) {
                return verdict;
            }
        }
    }
}

/// The error of a complete answer, if any.
fn judge(text: &str) -> Option<Result<(), String>> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    if header("content-length")?.parse::<usize>().ok()? > body.len() {
        return None;
    }
    let is_right = || {
        let version: f64 = header("hotstage-version")?.parse().ok()?;
        let (_, data) = body.split_once("\"data\":[")?;
        let value: f64 = data.split_once(']')?.0.parse().ok()?;
        Some(value == 2.0 * version)
    };
    let is_right = head.starts_with("HTTP/1.1 200 ") && is_right() == Some(true);
    Some(if is_right {
        Ok(())
    } else {
        Err(format!("a wrong answer: {head} {body}"))
    })
}

#[test]
fn answers_are_checked_by_value_and_version() {
    let answer = |status: u16, version: &str, value: f64| {
        let body = format!("{{\"outputs\":[{{\"data\":[{value}]}}]}}");
        format!(
            "HTTP/1.1 {status} X\r\nhotstage-version: {version}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let right = answer(200, "7", 14.0);
    assert_eq!(judge(&right), Some(Ok(())));
    assert_eq!(judge(&right[..right.len() - 1]), None);
    for wrong in [
        answer(200, "7", 15.0),
        answer(200, "8", 14.0),
        answer(500, "7", 14.0),
    ] {
        assert!(judge(&wrong).unwrap().is_err(), "{wrong}");
    }
}
