//! Where the server is, and the token that it wants.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use super::super::target::Target;
use super::client::Client;
use super::{Ending, Exit, Remote};
use crate::admin::{OPERATOR_FILE, READER_FILE};
use crate::cli::state_directory;
use crate::store::ADMIN_ADDRESS;

/// What an address looks like, for whoever typed something else.
const EXAMPLE: &str = "http://127.0.0.1:8002";

/// Bytes of an actor's name that are sent.
const ACTOR_BYTES_MAX: usize = 64;

impl Remote {
    /// The server that the arguments mean. Nothing is sent yet.
    pub(super) fn client(&self) -> Result<Client, Ending> {
        self.client_with(OPERATOR_FILE)
    }

    /// The same for who only looks.
    pub(super) fn reader(&self) -> Result<Client, Ending> {
        self.client_with(READER_FILE)
    }

    fn client_with(&self, token_file: &str) -> Result<Client, Ending> {
        let token = self.token_file.as_deref().map(token).transpose()?;
        let actor = actor(["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).as_deref());
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

fn local(state: &Path) -> Result<Target, Ending> {
    let file = state.join(ADMIN_ADDRESS);
    let address = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<SocketAddr>().ok());
    let Some(address) = address else {
        let message = format!(
            "no server runs on the state directory {}; `hotstage serve` starts one, --state names another directory, \
             and --server says where a server is",
            state.display()
        );
        return Err(Ending::new(Exit::Unreachable, message));
    };
    Target::parse(&format!("http://{address}"), EXAMPLE)
}

fn token(file: &Path) -> Result<String, Ending> {
    let shown = file.display();
    let refuse = |what: String| Ending::new(Exit::Usage, format!("the token file {shown} {what}"));
    let text = fs::read_to_string(file).map_err(|error| refuse(format!("can't be read: {error}")))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refuse("holds no token: one is a line of letters, digits and signs".to_owned()));
    }
    Ok(token.to_owned())
}

/// Who asks, in characters that any header and any log may hold.
fn actor(user: Option<&str>) -> Option<String> {
    let plain = |character: char| {
        let is_plain = character.is_ascii_alphanumeric() || "._-@+".contains(character);
        if is_plain { character } else { '_' }
    };
    let name: String = user.unwrap_or_default().chars().take(ACTOR_BYTES_MAX).map(plain).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_plain_and_short() {
        assert_eq!(actor(Some("anna.b@host")).unwrap(), "anna.b@host");
        assert_eq!(actor(Some("a b\r\nx: y")).unwrap(), "a_b__x__y");
        assert_eq!(actor(Some(&"é".repeat(100))).unwrap(), "_".repeat(ACTOR_BYTES_MAX));
        assert_eq!(actor(None), None);
    }

    #[test]
    fn a_directory_without_a_server_is_told_with_the_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let ending = local(directory.path()).err().unwrap();
        assert_eq!(ending.exit, Exit::Unreachable);
        assert!(ending.message.contains("no server runs on") && ending.message.contains("--server"));
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
