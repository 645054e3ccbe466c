//! From a name in a URL to the pipeline version that answers.

use std::sync::Arc;

use hotstage_core::failure::{Failure, Kind};
use hotstage_core::suggest;

use crate::board::{Door, Model, Snapshot};
use crate::routing::{Routing, Way};

/// Names that are compared with one that is not there: a wrong name must stay cheap beside any number of models.
const NAMES: usize = 1000;

/// The way to who answers: the version asked for; else the variant that `choose` finds behind the name's route; else
/// the newest.
pub fn route(
    snapshot: &Snapshot,
    name: &str,
    version: Option<&str>,
    choose: impl FnOnce(&Arc<Routing>) -> Result<Way, Failure>,
) -> Result<Way, Failure> {
    let model = find(snapshot, name)?;
    let found = match (version, model.door()) {
        (Some(version), _) => model.version(version),
        (None, Door::Route(routing)) => return choose(routing),
        (None, Door::Newest) => model.newest(),
        (None, Door::Closed) => {
            let message = format!("not all versions behind the route `{name}` can answer; ask for one by /versions/");
            return Err(Failure::new(Kind::NotReady, message));
        }
    };
    found.map(|found| Way::to(Arc::clone(found))).ok_or_else(|| {
        let versions: Vec<&str> = model.versions().iter().map(|pipeline| pipeline.version.as_str()).collect();
        let asked = suggest::shown(version.unwrap_or_default());
        let message = format!("model `{name}` has no version `{asked}`; it has {}", versions.join(", "));
        Failure::new(Kind::NotFound, message)
    })
}

/// All versions of a name.
pub fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a Model, Failure> {
    snapshot.model(name).ok_or_else(|| {
        let names: Vec<&str> = snapshot.some_names(NAMES).collect();
        let hint = suggest::hint(name, names.iter().copied());
        let message = format!("there is no model `{}`; {hint}", suggest::shown(name));
        Failure::new(Kind::NotFound, message)
    })
}
