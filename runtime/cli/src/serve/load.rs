//! Loads what a server serves at its start: first the state of the journal, then the manifests of
//! `--file`. Prints what was refused, and the ready line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hotstage_core::manifest::Documents;

use super::super::{CliError, console};
use hotstage_server::control::{
    ChangeOptions, Control, ControlError, ErrorKind, News, Removals, WatchOptions, Watcher,
};
use hotstage_server::frontends::app::App;

/// Bound on the pipelines that the ready line names; above it, the line gives their number.
const NAMED_MAX: usize = 20;

/// What to load at the start.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) files: Vec<PathBuf>,
    pub(super) replace: bool,
    /// Refuse to start if any part can't be served.
    pub(super) require_all: bool,
    /// Set if the files are watched; holds the choice of `--prune`.
    pub(super) watch: Option<Prune>,
}

/// Whether to stop serving what the watched files no longer describe at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prune {
    Yes,
    No,
}

impl First {
    /// Restores what was served before, then applies the manifests. Returns the watcher of the
    /// files, if they are watched.
    pub(super) async fn load(self, control: Arc<Control>) -> Result<Option<Watcher>, CliError> {
        let watcher = match self.watch {
            None => {
                self.given(&control).await?;
                None
            }
            Some(prune) => Some(self.followed(&control, prune).await?),
        };
        let snapshot = control.snapshot();
        for pipeline in snapshot.pipelines() {
            tracing::info!(
                pipeline = pipeline.name,
                version = pipeline.version,
                digest = %pipeline.digest,
                "serving"
            );
        }
        Ok(watcher)
    }

    /// Applies the manifests. If some are refused and `require_all` is off, the others are applied.
    async fn given(&self, control: &Control) -> Result<(), CliError> {
        let documents = if self.files.is_empty() {
            Documents::default()
        } else {
            control.read(&self.files)?
        };
        control.start(&console::Loads::default()).await?;
        if !documents.is_empty() {
            match self.apply(control, &documents).await {
                Err(error) if error.kind == ErrorKind::Refused && !self.require_all => {
                    self.apply_what_can_be(control, documents, error).await?;
                }
                applied => applied?,
            }
        }
        Ok(())
    }

    async fn apply(&self, control: &Control, documents: &Documents) -> Result<(), ControlError> {
        let ask = ChangeOptions {
            reason: "given at the start".to_owned(),
            ..ChangeOptions::default()
        };
        let (gone, steps) = (Removals::default(), console::Steps);
        control
            .apply_local("serve", &ask, documents, self.replace, &gone, &steps)
            .await
            .map(|_| ())
    }

    /// Applies each document by itself and prints those that are refused. Fails if all are refused.
    async fn apply_what_can_be(
        &self,
        control: &Control,
        documents: Documents,
        error: ControlError,
    ) -> Result<(), CliError> {
        let singles = one_by_one(documents);
        let (all, mut refused) = (singles.len(), Vec::new());
        for single in &singles {
            match self.apply(control, single).await {
                Ok(()) => {}
                Err(error) if error.kind == ErrorKind::Refused => refused.push(error),
                Err(error) => return Err(error.into()),
            }
        }
        if refused.len() == all {
            return Err(error.into());
        }
        refused
            .iter()
            .for_each(|error| console::error(&format!("not served:\n{error}")));
        Ok(())
    }

    /// Applies each document by itself, and watches the files. A refused document is applied once
    /// it is corrected.
    async fn followed(&self, control: &Arc<Control>, prune: Prune) -> Result<Watcher, CliError> {
        let options = WatchOptions {
            paths: self.files.clone(),
            replace: self.replace,
            prune: prune == Prune::Yes,
        };
        let mut watcher =
            Watcher::new(Arc::clone(control), options, Box::new(console::Steps)).await?;
        // This also replaces damaged bytes in the store.
        watcher.read().await;
        control.start(&console::Loads::default()).await?;
        watcher.first(&say).await;
        Ok(watcher)
    }
}

/// One document each, in an order in which each follows those that it refers to.
fn one_by_one(documents: Documents) -> Vec<Documents> {
    let Documents {
        pipelines,
        graphs,
        routes,
        rollouts,
    } = documents;
    let pipelines = pipelines.into_iter().map(|one| Documents {
        pipelines: vec![one],
        ..Documents::default()
    });
    let graphs = graphs.into_iter().map(|one| Documents {
        graphs: vec![one],
        ..Documents::default()
    });
    let routes = routes.into_iter().map(|one| Documents {
        routes: vec![one],
        ..Documents::default()
    });
    let rollouts = rollouts.into_iter().map(|one| Documents {
        rollouts: vec![one],
        ..Documents::default()
    });
    pipelines
        .chain(graphs)
        .chain(routes)
        .chain(rollouts)
        .collect()
}

/// Prints news about watched files.
pub(super) fn say(news: News<'_>) {
    match news {
        News::Applied(applied) => {
            let changes: Vec<String> = applied.changes.iter().map(ToString::to_string).collect();
            let (revision, took) = (applied.head, applied.took_ms);
            console::note(&format!(
                "revision {revision}: {} ({took} ms)",
                changes.join(", ")
            ));
        }
        News::Refused(error) => {
            console::error(&format!(
                "the watched files changed and were not applied; the earlier state stays in service:\n{error}"
            ));
        }
        News::Kept(text) => console::error(&format!(
            "these watched documents were not applied:\n{text}"
        )),
    }
}

pub(super) fn ready_line(app: &App, address: SocketAddr, admin: Option<SocketAddr>) -> String {
    let snapshot = app.serving.registry.read();
    let pipelines: Vec<String> = snapshot
        .pipelines()
        .map(|pipeline| format!("{}/{}", pipeline.name, pipeline.version))
        .collect();
    let serving = match pipelines.len() {
        0 => "nothing yet".to_owned(),
        1..=NAMED_MAX => pipelines.join(", "),
        many => format!("{many} pipelines"),
    };
    let admin = admin
        .map(|admin| format!("; admin on http://{admin}"))
        .unwrap_or_default();
    match app.serving.registry.readiness() {
        Ok(()) => format!("hotstage is ready on http://{address} serving {serving}{admin}"),
        Err(why) => {
            format!("hotstage is not ready on http://{address} serving {serving}{admin}: {why}")
        }
    }
}
