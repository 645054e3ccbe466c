//! The load: some connections, each with one request under way, from one thread.
//!
//! The generator runs on the cores of the server that it measures, so it does as little as it can:
//! the request's bytes are ready, an answer is looked at for its status, its length and its body,
//! which must be the first answer's. The first answer is checked for what it says.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::Outcome;
use crate::measure::percentile;
use crate::question::{Answer, Question};

/// Connections.
pub(crate) const CONNECTIONS: usize = 16;
/// More than any answer has.
const ANSWER_BYTES: usize = 8 << 10;
/// After that the server is taken for dead.
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

/// What one round brought.
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

    /// Keeps every connection busy for so long, and then takes what is still to come.
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

    /// Sends the question on a connection. Its latency counts from `since`.
    pub(crate) fn ask(&mut self, client: usize, since: Instant) -> Outcome {
        self.clients[client].ask(&self.question.bytes, since)
    }

    /// Takes what came on a connection; when the question was asked, if that is its answer now.
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

/// What latencies in nanoseconds add up to.
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
        // A socket's buffer holds many requests, and only one is under way.
        if written == request.len() {
            Ok(())
        } else {
            Err("a request did not fit the socket's buffer".into())
        }
    }

    /// Takes what came. Says whether that is an answer now.
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
                "an answer unlike the first: {}",
                String::from_utf8_lossy(answer.body)
            )
            .into());
        }
        self.filled = 0;
        Ok(true)
    }
}
