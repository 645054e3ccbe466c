//! From a model name to the pipeline version that answers.

use std::sync::Arc;

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::suggest;

use crate::serving::registry::{DefaultTarget, Model, Snapshot, Why};
use crate::serving::routing::{RoutedRequest, Routing};

/// How many names are compared with an unknown one, so that the hint stays cheap for any number of
/// models.
const NAMES: usize = 1000;

/// Routes a request: to the version asked for; else to the variant that `choose` takes from the
/// name's route; else to the newest version. A known version that is not in service fails as not
/// ready, an unknown one as not found.
pub fn route(
    snapshot: &Snapshot,
    name: &str,
    version: Option<&str>,
    choose: impl FnOnce(&Arc<Routing>) -> Result<RoutedRequest, Failure>,
) -> Result<RoutedRequest, Failure> {
    let model = find(snapshot, name)?;
    let found = match (version, model.default_target()) {
        (Some(version), _) => model.version(version),
        (None, DefaultTarget::Route(routing)) => return choose(routing),
        (None, DefaultTarget::Newest) => model.newest(),
        (None, DefaultTarget::Closed) => None,
    };
    found
        .map(|found| RoutedRequest::to(Arc::clone(found)))
        .ok_or_else(|| missing(model, name, version))
}

/// Why no version answers.
fn missing(model: &Model, name: &str, version: Option<&str>) -> Failure {
    let Some(version) = version else {
        let message = match model.default_target() {
            DefaultTarget::Closed => format!(
                "the versions that the route of model `{name}` needs are not in service; request a version in \
                 service with /versions/"
            ),
            _ => format!("no version of model `{name}` is in service"),
        };
        return Failure::new(Kind::NotReady, message);
    };
    if let Some(absent) = model.absent_version(version) {
        let because = match absent.why {
            Why::Loading => "it is being loaded",
            Why::Failed(_) => "it could not be opened; the server's operator can see why",
        };
        let message = format!(
            "version `{}` of model `{name}` is not in service: {because}",
            absent.version
        );
        return Failure::new(Kind::NotReady, message);
    }
    let versions: Vec<&str> = model
        .versions()
        .iter()
        .map(|pipeline| pipeline.version.as_str())
        .collect();
    let asked = suggest::shown(version);
    let message = format!(
        "model `{name}` has no version `{asked}`; it has {}",
        versions.join(", ")
    );
    Failure::new(Kind::NotFound, message)
}

/// The model of a name.
pub fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Model, Failure> {
    snapshot.model(name).ok_or_else(|| {
        let names: Vec<&str> = snapshot.some_names(NAMES).collect();
        let hint = suggest::hint(name, names.iter().copied());
        let message = format!("there is no model `{}`; {hint}", suggest::shown(name));
        Failure::new(Kind::NotFound, message)
    })
}
