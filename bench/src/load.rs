//! The load: some connections, each with one request in flight, from one thread.
//!
//! The generator shares the cores with the server, so it does little: the request's bytes are
//! prepared, and of an answer it checks the status, the length and that the body equals the first
//! answer's. The first answer's content is checked fully.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Outcome;
use crate::measure::percentile;
use crate::question::{Answer, Question};

/// Number of connections.
pub(crate) const CONNECTIONS: usize = 16;
/// More than any answer has.
const ANSWER_BYTES: usize = 8 << 10;
/// Time without an answer after which the server counts as dead.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Open connections to one server.
pub(crate) struct Load<'a> {
    question: &'a Question,
    poll: Poll,
    clients: Vec<Client>,
    /// The first answer's body.
    body: Vec<u8>,
}

struct Client {
    stream: TcpStream,
    buffer: Box<[u8; ANSWER_BYTES]>,
    filled: usize,
    asked: Instant,
}

/// The result of one round.
pub(crate) struct Round {
    pub(crate) answers: u32,
    pub(crate) per_second: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl<'a> Load<'a> {
    pub(crate) fn open(address: SocketAddr, question: &'a Question) -> Outcome<Self> {
        let poll = Poll::new()?;
        let mut clients = Vec::new();
        for index in 0..CONNECTIONS {
            let stream = std::net::TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(index), Interest::READABLE)?;
            let buffer = Box::new([0; ANSWER_BYTES]);
            clients.push(Client {
                stream,
                buffer,
                filled: 0,
                asked: Instant::now(),
            });
        }
        Ok(Self {
            question,
            poll,
            clients,
            body: Vec::new(),
        })
    }

    /// Keeps every connection busy for `duration`, and then reads the remaining answers.
    pub(crate) fn run(&mut self, duration: Duration) -> Outcome<Round> {
        let began = Instant::now();
        let end = began + duration;
        let mut took: Vec<u32> = Vec::with_capacity(1 << 18);
        for client in 0..CONNECTIONS {
            self.ask(client, began)?;
        }
        let mut asked = CONNECTIONS;
        let mut events = Events::with_capacity(CONNECTIONS);
        while asked > 0 {
            self.poll(&mut events, Some(PATIENCE))?;
            if events.is_empty() {
                return Err(format!("no answer for {PATIENCE:?}").into());
            }
            for event in &events {
                let client = event.token().0;
                let Some(sent) = self.answered(client)? else {
                    continue;
                };
                let now = Instant::now();
                took.push(u32::try_from((now - sent).as_nanos()).unwrap_or(u32::MAX));
                if now < end {
                    self.ask(client, now)?;
                } else {
                    asked -= 1;
                }
            }
        }
        round(took, began)
    }

    /// Sends the request on a connection. Its latency counts from `since`.
    pub(crate) fn ask(&mut self, client: usize, since: Instant) -> Outcome {
        self.clients[client].ask(&self.question.bytes, since)
    }

    /// Reads from a connection; returns the time of the request if its answer is complete.
    pub(crate) fn answered(&mut self, client: usize) -> Outcome<Option<Instant>> {
        let client = &mut self.clients[client];
        Ok(client
            .listen(self.question, &mut self.body)?
            .then_some(client.asked))
    }

    /// Waits for answers.
    pub(crate) fn poll(&mut self, events: &mut Events, patience: Option<Duration>) -> Outcome {
        Ok(self.poll.poll(events, patience)?)
    }
}

/// Summarises latencies in nanoseconds.
pub(crate) fn round(mut took: Vec<u32>, began: Instant) -> Outcome<Round> {
    let answers = u32::try_from(took.len())?;
    let per_second = f64::from(answers) / began.elapsed().as_secs_f64();
    let mut at = |percent| f64::from(percentile(&mut took, percent)) / 1e3;
    Ok(Round {
        answers,
        per_second,
        p50: at(50),
        p99: at(99),
    })
}

impl Client {
    fn ask(&mut self, request: &[u8], now: Instant) -> Outcome {
        self.asked = now;
        let written = self.stream.write(request)?;
        // A socket's buffer holds many requests, and only one is in flight.
        if written == request.len() {
            Ok(())
        } else {
            Err("a request did not fit the socket's buffer".into())
        }
    }

    /// Reads what arrived. Returns whether the answer is complete.
    fn listen(&mut self, question: &Question, expected: &mut Vec<u8>) -> Outcome<bool> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(length) => self.filled += length,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
        let Some(answer) = Answer::read(&self.buffer[..self.filled])? else {
            return Ok(false);
        };
        if answer.status != b"200" {
            return Err(format!(
                "an answer of status {}",
                String::from_utf8_lossy(answer.status)
            )
            .into());
        }
        if expected.is_empty() {
            question.check(&answer)?;
            expected.extend_from_slice(answer.body);
        } else if answer.body != expected.as_slice() {
            return Err(format!(
                "an answer that differs from the first: {}",
                String::from_utf8_lossy(answer.body)
            )
            .into());
        }
        self.filled = 0;
        Ok(true)
    }
}
