//! Binds the listeners, and explains why an address can't be used.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::super::{CliError, Exit};
use hotstage_server::frontends::listen;

pub(super) async fn bind(address: &str, flag: &str) -> Result<(TcpListener, SocketAddr), CliError> {
    let bound = async {
        listen::bind(address)
            .await
            .and_then(|listener| Ok((listener.local_addr()?, listener)))
    };
    let (address, listener) = bound
        .await
        .map_err(|error| cannot_bind(address, flag, &error))?;
    Ok((listener, address))
}

fn cannot_bind(address: &str, flag: &str, error: &std::io::Error) -> CliError {
    let message = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!("{address} is in use; stop what listens there, or choose another with {flag}")
        }
        std::io::ErrorKind::PermissionDenied => {
            format!(
                "{address} needs rights that this user lacks; choose a port above 1023 with {flag}"
            )
        }
        _ => format!("can't listen on {address}: {error}"),
    };
    CliError::new(Exit::Address, message)
}
