//! Finds the server and its token.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::super::target::Target;
use super::client::Client;
use super::{Change, CliError, Exit, Remote, actor};
use crate::state_directory;
use hotstage_server::frontends::admin::{OPERATOR_FILE, READER_FILE};
use hotstage_server::state::store::ADMIN_ADDRESS;

/// An example for messages about malformed addresses.
const EXAMPLE: &str = "http://127.0.0.1:8002";

impl Change {
    /// A client for changes, with the actor's name.
    pub(super) fn client(&self, remote: &Remote) -> Result<Client, CliError> {
        remote.client_with(OPERATOR_FILE, self.actor.as_deref())
    }
}

impl Remote {
    /// A client of the selected server. Nothing is sent yet.
    pub(super) fn client(&self) -> Result<Client, CliError> {
        self.client_with(OPERATOR_FILE, None)
    }

    /// A client for read-only requests.
    pub(super) fn reader(&self) -> Result<Client, CliError> {
        self.client_with(READER_FILE, None)
    }

    fn client_with(&self, token_file: &str, actor: Option<&str>) -> Result<Client, CliError> {
        let token = self.token_file.as_deref().map(token).transpose()?;
        let actor = actor.map(str::to_owned).or_else(actor::login);
        if let Some(server) = &self.server {
            return Ok(Client::new(Target::parse(server, EXAMPLE)?, token, actor));
        }
        let state = state_directory(self.state.as_deref());
        let target = local(&state)?;
        let token = match token {
            Some(token) => token,
            None => self::token(&state.join(token_file))?,
        };
        Ok(Client::new(target, Some(token), actor))
    }
}

fn local(state: &Path) -> Result<Target, CliError> {
    let file = state.join(ADMIN_ADDRESS);
    let address = fs::read_to_string(&file)
        .ok()
        .and_then(|text| text.trim().parse::<SocketAddr>().ok());
    let Some(address) = address else {
        let message = format!(
            "no server runs on the state directory {}; `hotstage serve` starts one, --state names another directory, \
             --server gives a server's URL",
            state.display()
        );
        return Err(CliError::new(Exit::Unreachable, message));
    };
    Target::parse(&format!("http://{address}"), EXAMPLE)
}

fn token(file: &Path) -> Result<String, CliError> {
    let shown = file.display();
    let refuse =
        |what: String| CliError::new(Exit::Usage, format!("the token file {shown} {what}"));
    let text =
        fs::read_to_string(file).map_err(|error| refuse(format!("can't be read: {error}")))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refuse(
            "holds no token: one is a line of letters, digits and signs".to_owned(),
        ));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_without_a_server_names_the_flags_to_use() {
        let directory = tempfile::tempdir().unwrap();
        let ending = local(directory.path()).err().unwrap();
        assert_eq!(ending.exit, Exit::Unreachable);
        assert!(
            ending.message.contains("no server runs on") && ending.message.contains("--server")
        );
        fs::write(directory.path().join(ADMIN_ADDRESS), "127.0.0.1:7000\n").unwrap();
        assert!(local(directory.path()).is_ok());
    }

    #[test]
    fn a_token_is_one_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        fs::write(&file, "abc-123\n").unwrap();
        assert_eq!(token(&file).ok().unwrap(), "abc-123");
        for bad in ["", "\n", "a b", "a\nb"] {
            fs::write(&file, bad).unwrap();
            assert_eq!(token(&file).err().unwrap().exit, Exit::Usage, "{bad:?}");
        }
    }
}
