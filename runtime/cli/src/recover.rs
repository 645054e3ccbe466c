//! `hotstage recover`: truncates a damaged journal to the revisions before the damage. The damaged
//! journal is kept beside it.

use super::{CliError, Common, console};
use hotstage_server::control::ControlError;
use hotstage_server::state::journal::recover;
use hotstage_server::state::store::{Access, Store};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    // Opens the store as a server does, so that no server can use it meanwhile.
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
            console::print(&format!("the journal continues from revision {whole}"));
        }
        _ => console::print(&format!(
            "the journal is whole, up to revision {whole}; nothing was changed"
        )),
    }
    Ok(())
}
