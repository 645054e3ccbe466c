//! `hotstage serve`: binds the listeners, restores what was served before, applies the manifests,
//! prints the ready line, serves, and drains.

mod clients;
mod life;
mod limits;
mod load;
mod signals;
mod sockets;
mod stopping;
mod threads;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotstage_core::limits::ServerLimits;
use hotstage_engine::engine::{Engine, EngineOptions};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use self::life::Life;
use self::limits::Limits;
use self::load::{First, Prune, ready_line, say};
use self::signals::{Asked, Signals};
use self::sockets::bind;
use self::stopping::Listeners;
use self::threads::{Runtimes, cores, workers};
use super::allow::Bounds;
use super::{CliError, Common, Exit, console};
use hotstage_server::control::deploy::Deployer;
use hotstage_server::control::{Control, Options, Watcher, adapt, watch_rollouts};
use hotstage_server::executors::affinity::CoreAffinity;
use hotstage_server::executors::compute::ComputePool;
use hotstage_server::frontends::admin::{Admin, Tokens};
use hotstage_server::frontends::app::App;
use hotstage_server::frontends::listen;
use hotstage_server::protocols;
use hotstage_server::serving::Serving;
use hotstage_server::serving::cache::Cache;
use hotstage_server::serving::counts::ServerCounts;
use hotstage_server::serving::experiments::Experiments;
use hotstage_server::serving::mirror::Mirrors;
use hotstage_server::serving::registry::{Phase, Registry};
use hotstage_server::state::store::{Access, Store};
use hotstage_server::telemetry::logging;

/// The value of `--admin` that disables the admin API.
const NOWHERE: &str = "none";

/// CPU affinity of the I/O threads.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum IoCores {
    #[default]
    Auto,
    Own,
    Any,
}

impl IoCores {
    fn of(self, threads: Option<u16>) -> CoreAffinity {
        let threads = threads.map_or_else(cores, usize::from);
        match self {
            Self::Auto => CoreAffinity::auto(threads),
            Self::Own => CoreAffinity::own(threads),
            Self::Any => CoreAffinity::any(),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Manifests to apply at the start: files, folders of .yaml files, or - for standard input.
    /// Versions that were served before are restored with or without them.
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1..)]
    files: Vec<PathBuf>,
    /// Allow replacing a served version with different content.
    #[arg(long)]
    replace: bool,
    /// Watch the manifests and the files that they refer to, and apply edits and removals while the
    /// server runs.
    #[arg(long, requires = "files")]
    watch: bool,
    /// Size of the response cache in bytes, used by pipelines with `cache: true`; 0 disables it.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    response_cache: u64,
    /// Versions of a name that stay loaded after they leave service, for an instant rollback.
    #[arg(long, value_name = "N", default_value_t = Options::default().keep_versions)]
    keep_versions: usize,
    #[command(flatten)]
    life: Life,
    #[command(flatten)]
    common: Common,
    /// Address of the inference API: host and port. Port 0 picks a free port, which the ready line
    /// shows.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8000",
        env = "HOTSTAGE_HTTP"
    )]
    http: String,
    /// Address of the admin API; `none` disables it.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8002",
        env = "HOTSTAGE_ADMIN"
    )]
    admin: String,
    /// Format of log lines. RUST_LOG selects which are written.
    #[arg(long, value_enum, default_value_t)]
    log_format: logging::Format,
    /// Threads for connections and short guest calls [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    io_threads: Option<u16>,
    /// CPU affinity of I/O threads: `auto` pins each to its own core unless long computations run,
    /// `own` always pins, `any` never does. Pinning needs as many cores as threads.
    #[arg(long, value_enum, value_name = "WHERE", default_value_t)]
    io_cores: IoCores,
    /// Threads for long guest calls [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    compute_threads: Option<u16>,
    /// Maximum number of instances over all stages.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    instances: u32,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    clients: clients::Clients,
}

impl Args {
    fn check(&self) -> Result<(), CliError> {
        if self.watch && self.files.iter().any(|path| path == Path::new("-")) {
            return Err(CliError::new(
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

pub(super) fn run(args: &Args) -> Result<Exit, CliError> {
    console::speak(args.log_format);
    args.check()?;
    let limits = args.clients.bound(&args.limits.resolve())?;
    let _logging = logging::start(args.log_format, "info");
    let io_cores = args.io_cores.of(args.io_threads);
    let io = workers(args.io_threads, &io_cores)?;
    let runtimes = Runtimes::start(args.compute_threads)?;
    let (listener, address) = io.first().block_on(bind(&args.http, "--http"))?;
    let admin = match args.admin.as_str() {
        NOWHERE => None,
        admin => Some(runtimes.admin.block_on(bind(admin, "--admin"))?),
    };
    let deployer = Arc::new(deployer(args, limits.queue)?);
    let app = Arc::new(app(args, limits, address, &runtimes, io_cores, &deployer)?);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let serving = io.first().spawn(listen::serve(
        Arc::clone(&app),
        listener,
        Arc::clone(&io),
        until_stopped(stopped.clone()),
    ));
    let control = control(args, &app, Arc::clone(&deployer))?;
    control.set_inference(address);
    let admin_address = admin.as_ref().map(|(_, address)| *address);
    control.store().say_admin(admin_address)?;
    let administering = match admin {
        Some((listener, address)) => {
            let admin = administration(args, (&app, &control), address, &runtimes.changes)?;
            let serving = listen::serve_admin(Arc::new(admin), listener, until_stopped(stopped));
            Some(runtimes.admin.spawn(serving))
        }
        None => None,
    };
    let mut signals = io.first().block_on(async { Signals::listen() })?;
    let listeners = Listeners {
        stop,
        serving,
        administering,
    };
    // No request can wait for it yet. It runs on a thread of its own, so that signals are handled
    // whatever it reads.
    let loading = runtimes
        .compute
        .spawn(args.first().load(Arc::clone(&control)));
    let asked = match io.first().block_on(loaded(loading, &mut signals))? {
        Loaded::Stopped(asked) => asked,
        Loaded::All(watcher) => {
            let tasks = background(&runtimes.changes, &control, watcher);
            deployer.give_way();
            app.serving.registry.enter(Phase::Serving);
            console::print(&ready_line(&app, address, admin_address));
            let asked = io.first().block_on(signals.asked_to_stop());
            tasks.iter().for_each(JoinHandle::abort);
            asked
        }
    };
    let stopping = stopping::stop(&app, &mut signals, asked, args.life.grace(), listeners);
    let exit = io.first().block_on(stopping)?;
    app.serving.experiments.close();
    runtimes.admin.block_on(control.close());
    control.store().say_admin(None)?;
    runtimes.shut_down();
    Ok(exit)
}

/// The state that all requests share.
fn app(
    args: &Args,
    limits: ServerLimits,
    address: SocketAddr,
    runtimes: &Runtimes,
    io_cores: CoreAffinity,
    deployer: &Deployer,
) -> Result<App, CliError> {
    let serving = Serving {
        registry: Registry::default(),
        compute: ComputePool::new(runtimes.compute.handle().clone()).beside(io_cores),
        mirrors: Mirrors::new(runtimes.mirrors.handle().clone()),
        experiments: Experiments::start(deployer.store.root())
            .map_err(|error| CliError::new(Exit::Defect, error))?,
        counts: ServerCounts::default(),
    };
    Ok(App {
        serving: Arc::new(serving),
        intake: args.clients.intake(&limits, (&args.http, address)),
        limits,
    })
}

/// How loading ended.
enum Loaded {
    All(Option<Box<Watcher>>),
    /// A signal came first.
    Stopped(Asked),
}

async fn loaded(
    mut loading: JoinHandle<Result<Option<Watcher>, CliError>>,
    signals: &mut Signals,
) -> Result<Loaded, CliError> {
    tokio::select! {
        loaded = &mut loading => {
            let lost = |error| CliError::new(Exit::Defect, format!("loading failed: {error}"));
            Ok(Loaded::All(loaded.map_err(lost)??.map(Box::new)))
        }
        asked = signals.asked_to_stop() => {
            loading.abort();
            Ok(Loaded::Stopped(asked))
        }
    }
}

/// Starts the background tasks that change what is served.
fn background(
    changes: &Runtime,
    control: &Arc<Control>,
    watcher: Option<Box<Watcher>>,
) -> Vec<JoinHandle<()>> {
    let mut tasks = vec![
        changes.spawn(adapt(Arc::clone(control))),
        changes.spawn(watch_rollouts(Arc::clone(control))),
    ];
    tasks.extend(watcher.map(|watcher| changes.spawn(watcher.follow(say))));
    tasks
}

/// Serves the admin API on that address.
fn administration(
    args: &Args,
    (app, control): (&App, &Arc<Control>),
    address: SocketAddr,
    changes: &Runtime,
) -> Result<Admin, CliError> {
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

fn deployer(args: &Args, queue: usize) -> Result<Deployer, CliError> {
    let store = Store::open(&args.common.state(), Access::Serve)?;
    let options = EngineOptions {
        instances: args.instances,
        concurrency: args.compute_threads.map_or_else(cores, usize::from),
        ..args.common.engine()
    };
    let engine = Engine::new(&options).map_err(|error| CliError::new(Exit::Defect, error))?;
    let compilers = args.common.compilers();
    let mut deployer = Deployer::new(
        engine,
        Arc::new(store),
        args.common.component_dirs(),
        queue,
        compilers,
        protocols::ALL,
    );
    args.bounds.set(&mut deployer);
    deployer.cache = (args.response_cache > 0).then(|| Arc::new(Cache::new(args.response_cache)));
    Ok(deployer)
}

fn control(args: &Args, app: &Arc<App>, deployer: Arc<Deployer>) -> Result<Arc<Control>, CliError> {
    let options = Options {
        keep_versions: args.keep_versions,
        drain: app.limits.drain,
        allow_damaged: args.life.allow_damaged,
        require_all: args.life.require_all,
    };
    Ok(Arc::new(Control::open(
        Arc::clone(&app.serving),
        deployer,
        options,
    )?))
}

/// Completes when the server is to stop.
async fn until_stopped(mut stop: tokio::sync::watch::Receiver<bool>) {
    // An error means that the sender is gone, which ends the server too.
    let _ = stop.wait_for(|stop| *stop).await;
}
