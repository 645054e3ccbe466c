//! The process of a graph: loads it, reports its signature, and computes until the server ends.
//!
//! It is this program, started with a hidden verb. Its standard input is the shared memory, its
//! standard output the end of a pipe that closes with the server, its standard error nothing: it
//! has no other file, and only the environment variables that engines need. It has one thread for
//! each lane. `confine` lists its other restrictions.

use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hotstage_core::tensor::Tensor;

use super::super::errors::{ComputeError, GraphError};
use super::super::library::{CPU, FindLibrary, Library};
use super::super::local::Local;
use super::super::{Bounds, Options, load};
use super::confine::{self, Files};
use super::lane::{self, AREA, Lane, Numbers, Side};
use super::shared::Shared;
use super::wire::{Described, Parcel, Reader, Writer};

/// How long a thread spins for the next question before it sleeps: the time in which a server with
/// a waiting question sends it.
const LOOK: Duration = Duration::from_micros(20);

/// How a load or a computation ended, as it is encoded.
pub(super) mod outcome {
    pub(in super::super) const DONE: u8 = 0;
    pub(in super::super) const INVALID_INPUT: u8 = 1;
    pub(in super::super) const FAILED: u8 = 2;
    pub(in super::super) const TIME: u8 = 3;
    pub(in super::super) const MEMORY: u8 = 4;
    pub(in super::super) const OUTPUT: u8 = 5;
    pub(in super::super) const REFUSED: u8 = 6;
    pub(in super::super) const UNAVAILABLE: u8 = 7;
}

/// The server's order to the process at its start.
pub(super) struct Order {
    pub(super) options: Options,
    pub(super) library: Option<PathBuf>,
    pub(super) lanes: usize,
    pub(super) memory: u64,
    /// Bytes of the file.
    pub(super) file: usize,
}

impl Order {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let library = self
            .library
            .as_ref()
            .map(|path| path.as_os_str().as_encoded_bytes())
            .unwrap_or_default();
        writer
            .options(&self.options)
            .bytes(library)
            .number(self.lanes as u64)
            .number(self.memory);
        writer.number(self.file as u64);
        writer.0
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let options = reader.options()?;
        let library =
            <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(reader.bytes()?);
        let library = (!library.is_empty()).then(|| PathBuf::from(library));
        let (lanes, memory) = (usize::try_from(reader.number()?).ok()?, reader.number()?);
        Some(Self {
            options,
            library,
            lanes,
            memory,
            file: usize::try_from(reader.number()?).ok()?,
        })
    }
}

/// Runs such a process; returns when there is no work, or it can't be done.
pub fn work() -> io::Result<()> {
    let file = io::stdin().as_fd().try_clone_to_owned()?;
    let length = usize::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0);
    if length < lane::length(1, 0) {
        return Err(io::Error::other(
            "its standard input is not the shared memory of a server; only a server starts it",
        ));
    }
    // It ends with the server, however that ends.
    std::thread::Builder::new()
        .name("lifeline".into())
        .spawn(end_with_server)?;
    let shared = Arc::new(Shared::attach(file, length)?);
    let head = usize::try_from(Lane::new(&shared, 0).said(Side::Server).head)
        .unwrap_or(0)
        .min(AREA);
    let order = Order::read(shared.view(Lane::new(&shared, 0).inputs(), head));
    let order = order.ok_or_else(|| io::Error::other("its order is invalid"))?;
    let Some(network) = load(&shared, &order) else {
        return Ok(());
    };
    let files = if order.options.providers.iter().any(|name| name != CPU) {
        Files::Wanted
    } else {
        Files::Opened
    };
    // Weights are laid out anew for each plan, which may need some spare memory.
    let kept = network
        .copies_to_come()
        .saturating_mul(2 * order.file as u64);
    confine::before_work(order.lanes as u64, order.memory, kept, files);
    let network = Arc::new(network);
    let mut threads = Vec::new();
    for number in 0..order.lanes {
        let (shared, network) = (Arc::clone(&shared), Arc::clone(&network));
        let name = format!("lane-{number}");
        threads.push(
            std::thread::Builder::new()
                .name(name)
                .spawn(move || serve(&shared, number, &network))?,
        );
    }
    lane::say_loaded(&shared);
    threads.into_iter().for_each(|thread| drop(thread.join()));
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server is gone: nothing of this process is worth a destructor"
)]
fn end_with_server() {
    // The server never writes: `read` returns when the other end is closed.
    while matches!(
        rustix::io::read(io::stdout(), &mut [0_u8; 1]),
        Err(rustix::io::Errno::INTR)
    ) {}
    std::process::exit(0);
}

/// The library that the server found.
#[derive(Debug)]
struct At(Option<PathBuf>);

impl FindLibrary for At {
    fn find(&self) -> Result<PathBuf, String> {
        self.0
            .clone()
            .ok_or_else(|| "there is no ONNX Runtime".to_owned())
    }

    fn is_named(&self) -> bool {
        false
    }
}

/// Loads the graph and writes the result to the outputs of the first lane.
fn load(shared: &Arc<Shared>, order: &Order) -> Option<Local> {
    confine::before_load(order.file as u64);
    let at = lane::file_at(order.lanes);
    let library = Library::new(Arc::new(At(order.library.clone())));
    let bytes = Bytes::from_owner(View {
        shared: Arc::clone(shared),
        at,
        length: order.file,
    });
    let loaded = load::load(&library, &bytes, &order.options);
    drop(bytes);
    shared.give_back(at, order.file);
    let mut answer = Writer::default();
    let network = match loaded {
        Ok(load::Loaded {
            network,
            engine,
            changes_with_values,
        }) => {
            answer
                .byte(outcome::DONE)
                .bytes(engine.as_bytes())
                .signature(network.signature());
            Some(Local::new(network, changes_with_values))
        }
        Err(GraphError::Refused(text)) => {
            answer.byte(outcome::REFUSED).bytes(text.as_bytes());
            None
        }
        Err(GraphError::Unavailable(text)) => {
            answer.byte(outcome::UNAVAILABLE).bytes(text.as_bytes());
            None
        }
    };
    let lane = Lane::new(shared, 0);
    shared.put(lane.outputs(), &answer.0);
    lane.say(
        Side::Process,
        Numbers {
            head: answer.0.len() as u64,
            ..Numbers::default()
        },
    );
    if network.is_none() {
        lane::say_loaded(shared);
    }
    // The library stays: what it loaded is in use.
    std::mem::forget(library);
    network
}

/// Bytes where the server put them.
struct View {
    shared: Arc<Shared>,
    at: usize,
    length: usize,
}

impl AsRef<[u8]> for View {
    fn as_ref(&self) -> &[u8] {
        self.shared.view(self.at, self.length)
    }
}

/// Answers the questions of one lane, forever.
fn serve(shared: &Arc<Shared>, lane: usize, network: &Local) {
    let lane = Lane::new(shared, lane);
    let mut seen = 0;
    loop {
        let number = lane.await_other(Side::Server, seen, LOOK, None);
        if number == seen {
            continue;
        }
        seen = number;
        answer(shared, &lane, network);
        lane.hand_over(Side::Process, number);
    }
}

fn answer(shared: &Arc<Shared>, lane: &Lane<'_>, network: &Local) {
    let Numbers {
        head,
        time,
        memory,
        output,
    } = lane.said(Side::Server);
    let bounds = Bounds {
        deadline: Instant::now() + Duration::from_nanos(time),
        memory,
        output,
    };
    let computed = inputs(shared, lane, head)
        .ok_or_else(|| ComputeError::Failed("the question is invalid".to_owned()))
        .and_then(|inputs| network.now(&inputs, &bounds));
    let outputs = computed.and_then(|outputs| {
        let mut head = Writer::default();
        head.byte(outcome::DONE);
        Parcel::of(head, &outputs, AREA)
            .map(|parcel| (parcel, outputs))
            .ok_or(ComputeError::Output)
    });
    let (head, used) = match outputs {
        Ok((
            Parcel {
                head,
                places,
                length,
            },
            outputs,
        )) => {
            for (place, tensor) in places.into_iter().zip(&outputs) {
                lane.shared.put(lane.outputs() + place, tensor.data());
            }
            (head, length)
        }
        Err(error) => (failure(&error), 0),
    };
    lane.shared.put(lane.outputs(), &head);
    lane.say(
        Side::Process,
        Numbers {
            head: head.len() as u64,
            output: used as u64,
            ..Numbers::default()
        },
    );
}

/// The inputs in place: the server does not change them until it has the answer.
fn inputs(shared: &Arc<Shared>, lane: &Lane<'_>, head: u64) -> Option<Vec<Tensor>> {
    let head = usize::try_from(head).ok().filter(|&head| head <= AREA)?;
    let described = Reader(shared.view(lane.inputs(), head)).tensors(AREA)?;
    let tensor = |Described {
                      datatype,
                      shape,
                      place,
                      length,
                  }| {
        let view = View {
            shared: Arc::clone(shared),
            at: lane.inputs() + place,
            length,
        };
        Tensor::new(datatype, shape, Bytes::from_owner(view)).ok()
    };
    described.into_iter().map(tensor).collect()
}

fn failure(error: &ComputeError) -> Vec<u8> {
    let (outcome, text) = match error {
        ComputeError::InvalidInput(text) => (outcome::INVALID_INPUT, text.as_str()),
        ComputeError::Failed(text) => (outcome::FAILED, text.as_str()),
        ComputeError::Memory(text) => (outcome::MEMORY, text.as_str()),
        ComputeError::Time => (outcome::TIME, ""),
        ComputeError::Output => (outcome::OUTPUT, ""),
    };
    let mut writer = Writer::default();
    writer.byte(outcome).bytes(text.as_bytes());
    writer.0
}
