//! One process of a graph as the server sees it: start, questions and answers, kill, exit.
//!
//! A question takes a free lane. The caller waits for the answer in slices of [`SLICE`], and yields
//! its thread after each: a longer computation continues where long calls do. If a question is not
//! answered [`GRACE`] after its deadline, the process is killed, since nothing else stops an
//! operator in the middle. Every error of the process, deliberate or not, is an error value here.

use std::io::{self, PipeWriter};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hotstage_core::signature::Port;
use hotstage_core::tensor::Tensor;

use super::super::errors::ComputeError;
use super::super::local::GiveUpThread;
use super::super::policy::Launch;
use super::super::{Bounds, locked};
use super::keeper::Keeper;
use super::lane::{AREA, KEPT, Lane, Numbers, Side};
use super::shared::Shared;
use super::wire::{Described, Parcel, Reader, Writer};
use super::worker::outcome;
use hotstage_core::sharded;

/// How long a caller waits before it yields its thread: the same limit as a guest's.
const SLICE: Duration = Duration::from_millis(1);
/// How late an answer may be. Engines read the clock between operators, or every 20 ms.
const GRACE: Duration = Duration::from_millis(50);
/// How long a caller spins for an answer before it sleeps, if answers are quick.
const LOOK: Duration = Duration::from_micros(20);
/// The longest answer that counts as quick.
const QUICK: Duration = Duration::from_micros(50);

/// A process that has loaded its graph, or is loading it.
pub(super) struct Worker {
    pub(super) shared: Shared,
    lanes: Vec<Held>,
    child: Mutex<Child>,
    /// Set once the process is known to have ended.
    gone: AtomicBool,
    /// Set before it is killed for a late answer.
    late: AtomicBool,
    ended: Mutex<Option<ExitStatus>>,
    /// The time of an answer, as a moving average in nanoseconds.
    pace: AtomicU64,
    began: Instant,
    /// Closed with the server, whereupon the process ends by itself.
    _lifeline: PipeWriter,
}

/// The server's state of a lane.
#[derive(Default)]
struct Held {
    busy: AtomicBool,
    /// The number of the last question.
    number: AtomicU32,
    /// Whether the caller left before the answer.
    left: AtomicBool,
    /// The deadline of the answer, in nanoseconds since the process was started; 0: no question.
    ends: AtomicU64,
}

/// The result of a question.
pub(super) enum Asked {
    Answered(Result<Vec<Tensor>, ComputeError>),
    /// The process was killed for another question: the caller may retry.
    Again,
}

impl Worker {
    /// Starts it. Its order has been written already.
    pub(super) fn start(
        keeper: &Keeper,
        launch: &Launch,
        shared: Shared,
        lanes: usize,
    ) -> io::Result<Self> {
        let (reader, lifeline) = io::pipe()?;
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.arguments)
            .env_clear()
            .envs(launch.environment.iter().cloned());
        // Memory that its allocator reserves counts as used only when it is.
        command.env("MIMALLOC_ARENA_EAGER_COMMIT", "0");
        command
            .stdin(shared.file()?)
            .stdout(reader)
            .stderr(Stdio::null())
            .current_dir("/");
        let child = Mutex::new(keeper.spawn(command)?);
        Ok(Self {
            shared,
            lanes: (0..lanes).map(|_| Held::default()).collect(),
            child,
            gone: AtomicBool::new(false),
            late: AtomicBool::new(false),
            ended: Mutex::new(None),
            pace: AtomicU64::new(0),
            began: Instant::now(),
            _lifeline: lifeline,
        })
    }

    /// Whether it has ended. Costs a system call.
    pub(super) fn is_gone(&self) -> bool {
        if self.gone.load(SeqCst) {
            return true;
        }
        let Ok(mut child) = self.child.try_lock() else {
            return false;
        };
        match child.try_wait() {
            Ok(None) => false,
            ended => {
                *locked(&self.ended) = ended.ok().flatten();
                self.gone.store(true, SeqCst);
                true
            }
        }
    }

    /// Whether it is already known to have ended.
    pub(super) fn is_known_gone(&self) -> bool {
        self.gone.load(SeqCst)
    }

    /// How it ended, for messages: `signal 9`.
    pub(super) fn how(&self) -> String {
        let ended = locked(&self.ended).map(|status| status.to_string());
        ended.unwrap_or_else(|| "for an unknown reason".to_owned())
    }

    /// Kills it.
    pub(super) fn kill(&self) {
        // It may have ended by itself, which has the same effect.
        let _ = locked(&self.child).kill();
    }

    /// Kills it if an answer is too late.
    pub(super) fn look(&self) {
        let late = |(number, held): (usize, &Held)| {
            let ends = held.ends.load(SeqCst);
            let is_late = ends != 0 && Duration::from_nanos(ends) + GRACE < self.began.elapsed();
            // A lane whose caller left may have its answer.
            is_late
                && Lane::new(&self.shared, number).number_of(Side::Process)
                    != held.number.load(SeqCst)
        };
        if !self.is_gone() && self.lanes.iter().enumerate().any(late) {
            self.late.store(true, SeqCst);
            self.kill();
        }
    }

    /// Requests one computation.
    pub(super) async fn ask(&self, inputs: &[Tensor], bounds: &Bounds, outputs: &[Port]) -> Asked {
        let Some(parcel) = Parcel::of(Writer::default(), inputs, AREA) else {
            let reason =
                format!("its inputs take more than the {AREA} bytes that cross to its process");
            return Asked::Answered(Err(ComputeError::InvalidInput(reason)));
        };
        let Some(number) = self.free(bounds.deadline).await else {
            return if self.is_known_gone() {
                Asked::Again
            } else {
                Asked::Answered(Err(ComputeError::Time))
            };
        };
        let lane = Lane::new(&self.shared, number);
        for (place, tensor) in parcel.places.iter().zip(inputs) {
            self.shared.put(lane.inputs() + place, tensor.data());
        }
        self.shared.put(lane.inputs(), &parcel.head);
        let began = Instant::now();
        let left = bounds.deadline.saturating_duration_since(began);
        let time = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        let Bounds { memory, output, .. } = *bounds;
        lane.say(
            Side::Server,
            Numbers {
                head: parcel.head.len() as u64,
                time,
                memory,
                output,
            },
        );
        let question = Question {
            worker: self,
            number,
            asked: self.note(number, left),
        };
        lane.hand_over(Side::Server, question.asked);
        let spin = if self.is_quick() {
            LOOK
        } else {
            Duration::ZERO
        };
        if !self.answered(&lane, question.asked, spin).await {
            return question.lost(bounds);
        }
        self.learn(began.elapsed());
        let answer = read(&lane, bounds, outputs);
        question.answered(parcel.length, lane.said(Side::Process).output);
        Asked::Answered(answer)
    }

    /// Waits until the question is answered. False when the process ended instead.
    async fn answered(&self, lane: &Lane<'_>, asked: u32, spin: Duration) -> bool {
        let before = asked.wrapping_sub(1);
        let mut spin = spin;
        loop {
            if lane.await_other(Side::Process, before, spin, Some(SLICE)) == asked {
                return true;
            }
            // An answer may have come before the end.
            if self.is_gone() {
                return lane.number_of(Side::Process) == asked;
            }
            spin = Duration::ZERO;
            GiveUpThread::default().await;
        }
    }

    /// A free lane, as soon as there is one. `None` when the deadline is over or the process has
    /// ended.
    async fn free(&self, deadline: Instant) -> Option<usize> {
        let first = sharded::first_of(self.lanes.len());
        loop {
            let all = (first..self.lanes.len()).chain(0..first);
            if let Some(number) = { all }.find(|&number| self.takes(number)) {
                return Some(number);
            }
            if Instant::now() >= deadline || self.is_gone() {
                return None;
            }
            // The first lane's next answer, as likely as any.
            Lane::new(&self.shared, first).nap(Side::Process, SLICE);
            GiveUpThread::default().await;
        }
    }

    fn takes(&self, number: usize) -> bool {
        let held = &self.lanes[number];
        if !held.busy.swap(true, SeqCst) {
            return true;
        }
        // The answer came after the caller had left: the lane is free once that mark is removed.
        let answered =
            || Lane::new(&self.shared, number).number_of(Side::Process) == held.number.load(SeqCst);
        held.left.load(SeqCst) && answered() && held.left.swap(false, SeqCst)
    }

    fn note(&self, number: usize, left: Duration) -> u32 {
        let held = &self.lanes[number];
        let ends = u64::try_from((self.began.elapsed() + left).as_nanos()).unwrap_or(u64::MAX);
        held.ends.store(ends.max(1), SeqCst);
        let asked = held.number.load(SeqCst).wrapping_add(1);
        held.number.store(asked, SeqCst);
        asked
    }

    fn is_quick(&self) -> bool {
        u128::from(self.pace.load(Relaxed)) < QUICK.as_nanos()
    }

    /// A lost update of two at once does no harm to an average.
    fn learn(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let average = self.pace.load(Relaxed);
        self.pace
            .store(average - (average >> 3) + (took >> 3), Relaxed);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut child = locked(&self.child);
        // It may have ended by itself. Nothing is left of it then either.
        let _ = child.kill().and_then(|()| child.wait());
    }
}

/// A pending question. If it is dropped before its answer, the process keeps the lane until the
/// answer.
struct Question<'a> {
    worker: &'a Worker,
    number: usize,
    asked: u32,
}

impl Question<'_> {
    /// Frees the lane, and the memory of large tensors.
    fn answered(self, inputs: usize, outputs: u64) {
        let Self { worker, number, .. } = &self;
        let lane = Lane::new(&worker.shared, *number);
        let outputs = usize::try_from(outputs).unwrap_or(AREA).min(AREA);
        for (at, used) in [(lane.inputs(), inputs), (lane.outputs(), outputs)] {
            worker
                .shared
                .give_back(at + KEPT, used.saturating_sub(KEPT));
        }
        let held = &worker.lanes[*number];
        held.ends.store(0, SeqCst);
        held.busy.store(false, SeqCst);
        std::mem::forget(self);
    }

    /// The error when the process ended.
    fn lost(self, bounds: &Bounds) -> Asked {
        let worker = self.worker;
        std::mem::forget(self);
        if Instant::now() >= bounds.deadline {
            return Asked::Answered(Err(ComputeError::Time));
        }
        if worker.late.load(SeqCst) {
            return Asked::Again;
        }
        let how = worker.how();
        let reason = format!("the process of its engine ended while it computed ({how})");
        Asked::Answered(Err(if is_for_memory(&locked(&worker.ended)) {
            ComputeError::Memory(reason)
        } else {
            ComputeError::Failed(reason)
        }))
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.worker.lanes[self.number].left.store(true, SeqCst);
    }
}

/// A refused allocation that nothing catches ends in an abort, and the kernel kills when memory is
/// exhausted.
fn is_for_memory(ended: &Option<ExitStatus>) -> bool {
    let signal = ended
        .as_ref()
        .and_then(std::os::unix::process::ExitStatusExt::signal);
    signal.is_some_and(|signal| [libc::SIGABRT, libc::SIGKILL].contains(&signal))
}

/// Reads an answer. The process is untrusted and may have written anything.
fn read(lane: &Lane<'_>, bounds: &Bounds, ports: &[Port]) -> Result<Vec<Tensor>, ComputeError> {
    let senseless =
        || ComputeError::Failed("the process of its engine sent an invalid answer".to_owned());
    let head = lane.said(Side::Process).head;
    let head = usize::try_from(head)
        .ok()
        .filter(|&head| head <= AREA)
        .ok_or_else(senseless)?;
    let head = lane.shared.copy(lane.outputs(), head);
    let mut reader = Reader(&head);
    let outcome = reader.byte().ok_or_else(senseless)?;
    if outcome != outcome::DONE {
        let text = reader.text().unwrap_or_default();
        return Err(match outcome {
            outcome::INVALID_INPUT => ComputeError::InvalidInput(text),
            outcome::TIME => ComputeError::Time,
            outcome::MEMORY => ComputeError::Memory(text),
            outcome::OUTPUT => ComputeError::Output,
            _ => ComputeError::Failed(text),
        });
    }
    let described = reader.tensors(AREA).ok_or_else(senseless)?;
    bounds.answers(described.iter().map(|it| it.length as u64))?;
    if described.len() != ports.len() {
        return Err(senseless());
    }
    let tensor = |Described {
                      datatype,
                      shape,
                      place,
                      length,
                  }| {
        let data = Bytes::from(lane.shared.copy(lane.outputs() + place, length));
        Tensor::new(datatype, shape, data).map_err(|_| senseless())
    };
    described.into_iter().map(tensor).collect()
}
