//! `hotstage serve`: bind, load what was served last, apply what is given, say that it is ready, serve, drain.

mod clients;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hotstage_core::limits::ServerLimits;
use hotstage_core::manifest::Documents;
use hotstage_engine::engine::{Engine, EngineOptions};
use hotstage_engine::spread;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::allow::Bounds;
use super::{Common, Ending, Exit, console};
use crate::admin::{Admin, Tokens};
use crate::api::Applied;
use crate::app::App;
use crate::board::Board;
use crate::cache::Cache;
use crate::control::{Ask, Control, ControlError, Gone, Options, adapt, watch, watch_rollouts};
use crate::cores::Cores;
use crate::counts::ServerCounts;
use crate::deploy::Deployer;
use crate::experiments::Experiments;
use crate::listen;
use crate::mirror::Mirrors;
use crate::place::{Compute, come_last, step_back};
use crate::store::{Access, Store};
use crate::telemetry::logging;
use crate::workers::Workers;

/// What `--admin` says for no admin API.
const NOWHERE: &str = "none";
/// Threads for changes.
const CHANGE_THREADS: u16 = 2;
/// Threads for the admin API's connections, and for whoever only looks.
const ADMIN_THREADS: u16 = 1;
/// Pipelines that the ready line names; of more it says how many.
const NAMED_MAX: usize = 20;

/// Where threads for connections run.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum IoCores {
    #[default]
    Auto,
    Own,
    Any,
}

impl IoCores {
    fn of(self, threads: Option<u16>) -> Cores {
        let threads = threads.map_or_else(cores, usize::from);
        match self {
            Self::Auto => Cores::auto(threads),
            Self::Own => Cores::own(threads),
            Self::Any => Cores::any(),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Manifests to apply at the start: files, folders of .yaml files, or - for standard input. What was served last is
    /// served again without them.
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1..)]
    files: Vec<PathBuf>,
    /// Let a version that is served get another digest.
    #[arg(long)]
    replace: bool,
    /// Follow the manifests and the files that they point at: edits and removals are applied while the server runs.
    #[arg(long, requires = "files")]
    watch: bool,
    /// Bytes of answers that are kept, of pipelines whose manifest says `cache: true`; 0: none.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    response_cache: u64,
    /// Versions of a name that stay loaded after they went out of service, for an instant rollback.
    #[arg(long, value_name = "N", default_value_t = Options::default().keep_versions)]
    keep_versions: usize,
    /// Serve what can be loaded, when something that was served last can't.
    #[arg(long)]
    allow_damaged: bool,
    #[command(flatten)]
    common: Common,
    /// Where to listen for inference: host and port. Port 0 takes any free one; the ready line says which.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000", env = "HOTSTAGE_HTTP")]
    http: String,
    /// Where the admin API listens; `none`: nowhere.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8002", env = "HOTSTAGE_ADMIN")]
    admin: String,
    /// How log lines look. RUST_LOG chooses which are shown.
    #[arg(long, value_enum, default_value_t)]
    log_format: logging::Format,
    /// Threads for connections and short guests [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    io_threads: Option<u16>,
    /// Where they run: each on a core of its own, if there are as many, while nothing long is computed; the same
    /// always; or anywhere.
    #[arg(long, value_enum, value_name = "WHERE", default_value_t)]
    io_cores: IoCores,
    /// Threads for guests that take long [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    compute_threads: Option<u16>,
    /// Instances at once, over all stages.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    instances: u32,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    bounds: Bounds,
    clients: clients::Clients,
}

/// Bounds on what clients may send.
#[derive(Debug, clap::Args)]
struct Limits {
    /// Bytes of a request's body, before and after decompression.
    #[arg(long, value_name = "BYTES", default_value_t = ServerLimits::default().body_bytes)]
    max_body: usize,
    /// Bytes of a request's headers.
    #[arg(long, value_name = "BYTES", default_value_t = ServerLimits::default().header_bytes)]
    max_headers: usize,
    /// Connections at once.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().connections)]
    max_connections: usize,
    /// Requests that may wait for an instance of a pipeline; more get 503.
    #[arg(long, value_name = "N", default_value_t = ServerLimits::default().queue)]
    max_queue: usize,
    /// Seconds that a client's body may pause.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().client_timeout.as_secs())]
    client_timeout: u64,
    /// Seconds that a connection may be silent: between requests, or in a request's headers.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().idle.as_secs(),
          value_parser = clap::value_parser!(u64).range(1..))]
    idle_timeout: u64,
    /// Seconds that requests in flight may take after SIGTERM.
    #[arg(long, value_name = "SECONDS", default_value_t = ServerLimits::default().drain.as_secs())]
    drain_timeout: u64,
}

impl Args {
    fn check(&self) -> Result<(), Ending> {
        if self.watch && self.files.iter().any(|path| path == Path::new("-")) {
            return Err(Ending::new(
                Exit::Usage,
                "--watch follows files and folders; standard input can't be followed",
            ));
        }
        Ok(())
    }
}

impl Limits {
    fn resolve(&self) -> ServerLimits {
        ServerLimits {
            body_bytes: self.max_body,
            header_bytes: self.max_headers,
            connections: self.max_connections.clamp(1, tokio::sync::Semaphore::MAX_PERMITS),
            queue: self.max_queue,
            client_timeout: Duration::from_secs(self.client_timeout),
            idle: Duration::from_secs(self.idle_timeout),
            drain: Duration::from_secs(self.drain_timeout),
            ..ServerLimits::default()
        }
    }
}

pub(super) fn run(args: &Args) -> Result<(), Ending> {
    console::speak(args.log_format);
    args.check()?;
    let limits = args.clients.bound(&args.limits.resolve())?;
    let _logging = logging::start(args.log_format, "info");
    let io_cores = args.io_cores.of(args.io_threads);
    let io = workers(args.io_threads, &io_cores)?;
    let compute = runtime(Builder::new_multi_thread().on_thread_start(spread::enter), "compute", args.compute_threads)?;
    let mirrors = built(Builder::new_multi_thread().worker_threads(1).on_thread_start(come_last), "mirror")?;
    let (listener, address) = io.first().block_on(bind(&args.http, "--http"))?;
    // Changes wait for the disk and run golden tests: on threads of their own, so that no request waits for either, and
    // that step back, so that a busy server's requests do not notice.
    let changes = runtime(Builder::new_multi_thread().on_thread_start(step_back), "change", Some(CHANGE_THREADS))?;
    let looks = runtime(&mut Builder::new_multi_thread(), "admin", Some(ADMIN_THREADS))?;
    let admin = match args.admin.as_str() {
        NOWHERE => None,
        admin => Some(looks.block_on(bind(admin, "--admin"))?),
    };
    let deployer = Arc::new(deployer(args, limits.queue)?);
    let app = Arc::new(App {
        board: Board::default(),
        compute: Compute::new(compute.handle().clone()).beside(io_cores),
        mirrors: Mirrors::new(mirrors.handle().clone()),
        intake: args.clients.intake(&limits, (&args.http, address)),
        limits,
        counts: ServerCounts::default(),
        experiments: Experiments::start(deployer.store.root()).map_err(|error| Ending::new(Exit::Defect, error))?,
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let serving =
        io.first().spawn(listen::serve(Arc::clone(&app), listener, Arc::clone(&io), told_to(stopped.clone())));
    let control = control(args, &app, Arc::clone(&deployer))?;
    control.set_inference(address);
    let admin_address = admin.as_ref().map(|(_, address)| *address);
    control.store().say_admin(admin_address)?;
    let administering = match admin {
        Some((listener, address)) => {
            let admin = administration(args, (&app, &control), address, &changes)?;
            Some(looks.spawn(listen::serve_admin(Arc::new(admin), listener, told_to(stopped))))
        }
        None => None,
    };
    // Nobody is to be disturbed yet.
    compute.block_on(load(args, &control))?;
    let adapting = changes.spawn(adapt(Arc::clone(&control)));
    let watching = args.watch.then(|| changes.spawn(watch(Arc::clone(&control), args.files.clone(), say)));
    let rolling = changes.spawn(watch_rollouts(Arc::clone(&control)));
    // Before anybody is told that it serves: a signal from then on drains.
    let mut signals = io.first().block_on(async { Signals::listen() })?;
    deployer.give_way();
    app.board.set_ready(true);
    console::print(&ready_line(&app, address, admin_address));
    io.first().block_on(signals.asked_to_stop());
    app.board.set_ready(false);
    [Some(adapting), Some(rolling), watching].into_iter().flatten().for_each(|task| task.abort());
    tracing::info!("draining");
    stop.send_replace(true);
    let mut drained = io.first().block_on(serving).map_err(|error| Ending::new(Exit::Defect, error))?;
    if let Some(administering) = administering {
        drained &= looks.block_on(administering).map_err(|error| Ending::new(Exit::Defect, error))?;
    }
    app.experiments.close();
    looks.block_on(control.close());
    control.store().say_admin(None)?;
    if !drained {
        tracing::warn!(after = ?app.limits.drain, "requests in flight were cut off");
    }
    [compute, mirrors, changes, looks].into_iter().for_each(Runtime::shutdown_background);
    Ok(())
}

/// The admin API, which listens on that address.
fn administration(
    args: &Args,
    (app, control): (&App, &Arc<Control>),
    address: SocketAddr,
    changes: &Runtime,
) -> Result<Admin, Ending> {
    let tokens = Tokens::open(control.store().root())?;
    let (control, limits) = (Arc::clone(control), app.limits.clone());
    let intake = args.clients.admin(&limits, (&args.admin, address), &app.intake);
    Ok(Admin { control, tokens, limits, intake, changes: changes.handle().clone() })
}

fn deployer(args: &Args, queue: usize) -> Result<Deployer, Ending> {
    let store = Store::open(&args.common.state(), Access::Serve)?;
    let options = EngineOptions {
        instances: args.instances,
        onnxruntime: args.common.onnxruntime(),
        concurrency: args.compute_threads.map_or_else(cores, usize::from),
    };
    let engine = Engine::new(&options).map_err(|error| Ending::new(Exit::Defect, error))?;
    let compilers = args.common.compilers();
    let mut deployer = Deployer::new(engine, Arc::new(store), args.common.boxes(), queue, compilers);
    args.bounds.set(&mut deployer);
    deployer.cache = (args.response_cache > 0).then(|| Arc::new(Cache::new(args.response_cache)));
    Ok(deployer)
}

/// As many threads as a runtime has unless it is told.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn control(args: &Args, app: &Arc<App>, deployer: Arc<Deployer>) -> Result<Arc<Control>, Ending> {
    let options =
        Options { keep_versions: args.keep_versions, drain: app.limits.drain, allow_damaged: args.allow_damaged };
    Ok(Arc::new(Control::open(Arc::clone(app), deployer, options)?))
}

/// Serves what was served last, and then what is given now.
async fn load(args: &Args, control: &Control) -> Result<(), Ending> {
    let steps = console::Steps;
    let documents = if args.files.is_empty() { Documents::default() } else { control.read(&args.files)? };
    control.start(&console::Loads::default()).await?;
    if !documents.is_empty() {
        let ask = Ask { reason: "given at the start".to_owned(), ..Ask::default() };
        control.apply_local("serve", &ask, &documents, args.replace, &Gone::default(), &steps).await?;
    }
    let snapshot = control.snapshot();
    for pipeline in snapshot.pipelines() {
        tracing::info!(pipeline = pipeline.name, version = pipeline.version, digest = %pipeline.digest, "serving");
    }
    Ok(())
}

/// One line for every change that a watched file brought.
fn say(changed: Result<&Applied, &ControlError>) {
    match changed {
        Ok(applied) => {
            let changes: Vec<String> = applied.changes.iter().map(ToString::to_string).collect();
            let (revision, took) = (applied.head, applied.took_ms);
            console::note(&format!("revision {revision}: {} ({took} ms)", changes.join(", ")));
        }
        Err(error) => {
            console::error(&format!("what is watched changed, and was not applied; what was served goes on:\n{error}"));
        }
    }
}

fn ready_line(app: &App, address: SocketAddr, admin: Option<SocketAddr>) -> String {
    let snapshot = app.board.read();
    let pipelines: Vec<String> =
        snapshot.pipelines().map(|pipeline| format!("{}/{}", pipeline.name, pipeline.version)).collect();
    let serving = match pipelines.len() {
        0 => "nothing yet".to_owned(),
        1..=NAMED_MAX => pipelines.join(", "),
        many => format!("{many} pipelines"),
    };
    let admin = admin.map(|admin| format!("; admin on http://{admin}")).unwrap_or_default();
    format!("hotstage is ready on http://{address} serving {serving}{admin}")
}

/// The signals that ask the server to stop. While it loads they end it at once, as nothing has to be drained.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Ending> {
        let broken = |error| Ending::new(Exit::Defect, format!("can't listen for signals: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(broken)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
        Ok(Self { terminate, interrupt })
    }

    async fn asked_to_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Threads for connections: the first ones that answer requests, so that each writes to places of its own.
fn workers(threads: Option<u16>, cores: &Cores) -> Result<Arc<Workers>, Ending> {
    let entered = cores.clone();
    let enter = move || {
        spread::enter();
        entered.enter();
    };
    let threads = threads.map_or_else(self::cores, usize::from);
    let workers = Workers::start("io", threads, enter).map_err(|error| no_threads(&error))?;
    workers.first().spawn(cores.clone().look());
    Ok(Arc::new(workers))
}

fn runtime(builder: &mut Builder, name: &str, threads: Option<u16>) -> Result<Runtime, Ending> {
    if let Some(threads) = threads {
        builder.worker_threads(threads.into());
    }
    built(builder, name)
}

fn built(builder: &mut Builder, name: &str) -> Result<Runtime, Ending> {
    builder.thread_name(name).enable_all().build().map_err(|error| no_threads(&error))
}

fn no_threads(error: &std::io::Error) -> Ending {
    Ending::new(Exit::Defect, format!("can't start threads: {error}"))
}

async fn bind(address: &str, flag: &str) -> Result<(TcpListener, SocketAddr), Ending> {
    let bound = async { listen::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener))) };
    let (address, listener) = bound.await.map_err(|error| cannot_bind(address, flag, &error))?;
    Ok((listener, address))
}

/// Done when the server is told to stop.
async fn told_to(mut stop: tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end too.
    let _ = stop.wait_for(|stop| *stop).await;
}

fn cannot_bind(address: &str, flag: &str, error: &std::io::Error) -> Ending {
    let message = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("{address} is in use; stop what listens there, or choose another with {flag}")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!("{address} needs rights that this user lacks; choose a port above 1023 with {flag}")
        }
        _ => format!("can't listen on {address}: {error}"),
    };
    Ending::new(Exit::Address, message)
}
