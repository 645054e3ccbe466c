//! What a server serves first, and what it says about that.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hotstage_core::manifest::Documents;

use super::super::{CliError, console};
use crate::control::{
    ChangeOptions, Control, ControlError, ErrorKind, News, Removals, WatchOptions, Watcher,
};
use crate::frontends::app::App;

/// Pipelines that the ready line names; of more it says how many.
const NAMED_MAX: usize = 20;

/// What is served first.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) files: Vec<PathBuf>,
    pub(super) replace: bool,
    /// Nothing is served when something can't be.
    pub(super) require_all: bool,
    /// Files are followed; with `--prune`.
    pub(super) watch: Option<Prune>,
}

/// Whether what is gone at the start ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prune {
    Yes,
    No,
}

impl First {
    /// Serves what was served last, and then what is given now; answers who follows the files from
    /// then on.
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

    /// What is given. Where some of it is refused, and not all is required, the rest is served.
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

    /// Each document by itself; those that are refused are said. Fails if all are.
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

    /// Each document by itself; what is refused waits until it is mended.
    async fn followed(&self, control: &Arc<Control>, prune: Prune) -> Result<Watcher, CliError> {
        let options = WatchOptions {
            paths: self.files.clone(),
            replace: self.replace,
            prune: prune == Prune::Yes,
        };
        let mut watcher =
            Watcher::new(Arc::clone(control), options, Box::new(console::Steps)).await?;
        // Bytes that are damaged in the store are whole again after that.
        watcher.read().await;
        control.start(&console::Loads::default()).await?;
        watcher.first(&say).await;
        Ok(watcher)
    }
}

/// Documents in the order in which they can name each other.
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

/// What people are told of watched files.
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
                "what is watched changed, and was not applied; what was served goes on:\n{error}"
            ));
        }
        News::Kept(text) => console::error(&format!(
            "of what is watched, this was not applied:\n{text}"
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
