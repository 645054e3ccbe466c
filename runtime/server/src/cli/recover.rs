//! `hotstage recover`: go on with a journal from the revisions before the damage.

use super::{CliError, Common, console};
use crate::control::ControlError;
use crate::state::journal::recover;
use crate::state::store::{Access, Store};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    // As a server opens it: no server may run on it meanwhile.
    let store = Store::open(&args.common.state(), Access::Serve)?;
    let recovered = recover(store.root()).map_err(ControlError::from)?;
    let whole = recovered.whole;
    match (recovered.why, recovered.aside) {
        (Some(why), Some(aside)) => {
            console::note(&format!("what was wrong: {why}"));
            console::note(&format!(
                "the damaged journal is kept as {}",
                aside.display()
            ));
            console::print(&format!("the journal goes on from revision {whole}"));
        }
        _ => console::print(&format!(
            "the journal is whole, up to revision {whole}; nothing was changed"
        )),
    }
    Ok(())
}
