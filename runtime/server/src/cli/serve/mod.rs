//! `hotstage serve`: bind, load what was served last, apply what is given, say that it is ready,
//! serve, drain.

mod clients;
mod life;
mod load;
mod signals;
mod sockets;
mod stopping;
mod threads;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hotstage_core::limits::ServerLimits;
use hotstage_engine::engine::{Engine, EngineOptions};
use hotstage_engine::spread;
use tokio::runtime::{Builder, Runtime};

use self::life::Life;
use self::load::{First, Prune, ready_line, say};
use self::signals::{Asked, Signals};
use self::sockets::bind;
use self::stopping::Listeners;
use self::threads::{built, cores, runtime, workers};
use super::allow::Bounds;
use super::{Common, Ending, Exit, console};
use crate::admin::{Admin, Tokens};
use crate::app::App;
use crate::board::{Board, Phase};
use crate::cache::Cache;
use crate::control::{Control, Options, Watcher, adapt, watch_rollouts};
use crate::cores::Cores;
use crate::counts::ServerCounts;
use crate::deploy::Deployer;
use crate::experiments::Experiments;
use crate::listen;
use crate::mirror::Mirrors;
use crate::place::{Compute, come_last, step_back};
use crate::store::{Access, Store};
use crate::telemetry::logging;

/// What `--admin` says for no admin API.
const NOWHERE: &str = "none";
/// Threads for changes.
const CHANGE_THREADS: u16 = 2;
/// Threads for the admin API's connections, and for whoever only looks.
const ADMIN_THREADS: u16 = 1;

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
    /// Manifests to apply at the start: files, folders of .yaml files, or - for standard input.
    /// What was served last is served again without them.
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1..)]
    files: Vec<PathBuf>,
    /// Let a version that is served get another digest.
    #[arg(long)]
    replace: bool,
    /// Follow the manifests and the files that they point at: edits and removals are applied while
    /// the server runs.
    #[arg(long, requires = "files")]
    watch: bool,
    /// Bytes of answers that are kept, of pipelines whose manifest says `cache: true`; 0: none.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    response_cache: u64,
    /// Versions of a name that stay loaded after they went out of service, for an instant rollback.
    #[arg(long, value_name = "N", default_value_t = Options::default().keep_versions)]
    keep_versions: usize,
    #[command(flatten)]
    life: Life,
    #[command(flatten)]
    common: Common,
    /// Where to listen for inference: host and port. Port 0 takes any free one; the ready line says
    /// which.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8000",
        env = "HOTSTAGE_HTTP"
    )]
    http: String,
    /// Where the admin API listens; `none`: nowhere.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8002",
        env = "HOTSTAGE_ADMIN"
    )]
    admin: String,
    /// How log lines look. RUST_LOG chooses which are shown.
    #[arg(long, value_enum, default_value_t)]
    log_format: logging::Format,
    /// Threads for connections and short guests [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    io_threads: Option<u16>,
    /// Where they run: each on a core of its own, if there are as many, while nothing long is
    /// computed; the same always; or anywhere.
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
    #[command(flatten)]
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

    fn first(&self) -> First {
        let prune = if self.life.prune {
            Prune::Yes
        } else {
            Prune::No
        };
        First {
            files: self.files.clone(),
            replace: self.replace,
            require_all: self.life.require_all,
            watch: self.watch.then_some(prune),
        }
    }
}

impl Limits {
    fn resolve(&self) -> ServerLimits {
        ServerLimits {
            body_bytes: self.max_body,
            header_bytes: self.max_headers,
            connections: self
                .max_connections
                .clamp(1, tokio::sync::Semaphore::MAX_PERMITS),
            queue: self.max_queue,
            client_timeout: Duration::from_secs(self.client_timeout),
            idle: Duration::from_secs(self.idle_timeout),
            drain: Duration::from_secs(self.drain_timeout),
            ..ServerLimits::default()
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Exit, Ending> {
    console::speak(args.log_format);
    args.check()?;
    let limits = args.clients.bound(&args.limits.resolve())?;
    let _logging = logging::start(args.log_format, "info");
    let io_cores = args.io_cores.of(args.io_threads);
    let io = workers(args.io_threads, &io_cores)?;
    let compute = runtime(
        Builder::new_multi_thread().on_thread_start(spread::enter),
        "compute",
        args.compute_threads,
    )?;
    let mirrors = built(
        Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_start(come_last),
        "mirror",
    )?;
    let (listener, address) = io.first().block_on(bind(&args.http, "--http"))?;
    // Changes wait for the disk and run golden tests: on threads of their own, so that no request
    // waits for either, and that step back, so that a busy server's requests do not notice.
    let changes = runtime(
        Builder::new_multi_thread().on_thread_start(step_back),
        "change",
        Some(CHANGE_THREADS),
    )?;
    let looks = runtime(
        &mut Builder::new_multi_thread(),
        "admin",
        Some(ADMIN_THREADS),
    )?;
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
        experiments: Experiments::start(deployer.store.root())
            .map_err(|error| Ending::new(Exit::Defect, error))?,
    });
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let serving = io.first().spawn(listen::serve(
        Arc::clone(&app),
        listener,
        Arc::clone(&io),
        told_to(stopped.clone()),
    ));
    let control = control(args, &app, Arc::clone(&deployer))?;
    control.set_inference(address);
    let admin_address = admin.as_ref().map(|(_, address)| *address);
    control.store().say_admin(admin_address)?;
    let administering = match admin {
        Some((listener, address)) => {
            let admin = administration(args, (&app, &control), address, &changes)?;
            Some(looks.spawn(listen::serve_admin(
                Arc::new(admin),
                listener,
                told_to(stopped),
            )))
        }
        None => None,
    };
    let mut signals = io.first().block_on(async { Signals::listen() })?;
    let listeners = Listeners {
        stop,
        serving,
        administering,
    };
    // Nobody is to be disturbed yet. On a thread of its own, so that a signal is heard whatever it
    // reads.
    let loading = compute.spawn(args.first().load(Arc::clone(&control)));
    let (asked, tasks) = match io.first().block_on(loaded(loading, &mut signals))? {
        Loaded::Stopped(asked) => (asked, Vec::new()),
        Loaded::All(watcher) => {
            let mut tasks = vec![changes.spawn(adapt(Arc::clone(&control)))];
            tasks.push(changes.spawn(watch_rollouts(Arc::clone(&control))));
            tasks.extend(watcher.map(|watcher| changes.spawn(watcher.follow(say))));
            deployer.give_way();
            app.board.enter(Phase::Serving);
            console::print(&ready_line(&app, address, admin_address));
            (io.first().block_on(signals.asked_to_stop()), tasks)
        }
    };
    tasks.into_iter().for_each(|task| task.abort());
    let stopping = stopping::stop(&app, &mut signals, asked, args.life.grace(), listeners);
    let exit = io.first().block_on(stopping)?;
    app.experiments.close();
    looks.block_on(control.close());
    control.store().say_admin(None)?;
    [compute, mirrors, changes, looks]
        .into_iter()
        .for_each(Runtime::shutdown_background);
    Ok(exit)
}

/// What became of loading.
enum Loaded {
    All(Option<Box<Watcher>>),
    /// It was asked to stop before.
    Stopped(Asked),
}

async fn loaded(
    mut loading: tokio::task::JoinHandle<Result<Option<Watcher>, Ending>>,
    signals: &mut Signals,
) -> Result<Loaded, Ending> {
    tokio::select! {
        loaded = &mut loading => {
            let lost = |error| Ending::new(Exit::Defect, format!("loading failed: {error}"));
            Ok(Loaded::All(loaded.map_err(lost)??.map(Box::new)))
        }
        asked = signals.asked_to_stop() => {
            loading.abort();
            Ok(Loaded::Stopped(asked))
        }
    }
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
    let intake = args
        .clients
        .admin(&limits, (&args.admin, address), &app.intake);
    Ok(Admin {
        control,
        tokens,
        limits,
        intake,
        changes: changes.handle().clone(),
    })
}

fn deployer(args: &Args, queue: usize) -> Result<Deployer, Ending> {
    let store = Store::open(&args.common.state(), Access::Serve)?;
    let options = EngineOptions {
        instances: args.instances,
        concurrency: args.compute_threads.map_or_else(cores, usize::from),
        ..args.common.engine()
    };
    let engine = Engine::new(&options).map_err(|error| Ending::new(Exit::Defect, error))?;
    let compilers = args.common.compilers();
    let mut deployer = Deployer::new(
        engine,
        Arc::new(store),
        args.common.boxes(),
        queue,
        compilers,
    );
    args.bounds.set(&mut deployer);
    deployer.cache = (args.response_cache > 0).then(|| Arc::new(Cache::new(args.response_cache)));
    Ok(deployer)
}

fn control(args: &Args, app: &Arc<App>, deployer: Arc<Deployer>) -> Result<Arc<Control>, Ending> {
    let options = Options {
        keep_versions: args.keep_versions,
        drain: app.limits.drain,
        allow_damaged: args.life.allow_damaged,
        require_all: args.life.require_all,
    };
    Ok(Arc::new(Control::open(Arc::clone(app), deployer, options)?))
}

/// Done when the server is told to stop.
async fn told_to(mut stop: tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone, which is the end too.
    let _ = stop.wait_for(|stop| *stop).await;
}
