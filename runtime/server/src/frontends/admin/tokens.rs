//! Tokens of the admin API: one for operators and one for readers, each in a file in the state
//! directory.
//!
//! Default: both are created at the first start from 256 random bits, in files that only their
//! owner can read. To replace a token, write the file and restart.

use std::path::Path;

use hotstage_core::digest::Digest;
use http::{HeaderMap, header};

use super::refusal::Refusal;
use crate::state::store::{self, StoreError};

/// File of the operators' token, in the state directory.
pub const OPERATOR_FILE: &str = "admin-token";
/// File of the readers' token, in the state directory.
pub const READER_FILE: &str = "reader-token";
/// Header that names the actor, for clients that share a token.
const ACTOR: &str = "hotstage-actor";
/// Maximum characters of an actor's name.
const ACTOR_CHARS_MAX: usize = 256;

/// What a token permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read-only requests.
    Reader,
    /// Read-only requests and changes.
    Operator,
}

impl Role {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
        }
    }
}

/// The accepted tokens.
pub struct Tokens {
    /// Hex digests of the tokens, so that the time of a comparison reveals nothing about a token.
    known: [(Role, String); 2],
}

impl Tokens {
    /// Reads the tokens, or creates them if they do not exist.
    pub fn open(state_directory: &Path) -> Result<Self, StoreError> {
        let operator = store::secret(state_directory, OPERATOR_FILE)?;
        let reader = store::secret(state_directory, READER_FILE)?;
        if operator == reader {
            // Otherwise every reader would be an operator.
            let path = state_directory.join(READER_FILE);
            return Err(StoreError::Secret {
                path,
                why: "it holds the operators' token; write another one",
            });
        }
        Ok(Self {
            known: [
                (Role::Operator, hidden(&operator)),
                (Role::Reader, hidden(&reader)),
            ],
        })
    }

    /// The role of these headers' token. A refusal does not say why.
    pub(super) fn role(&self, headers: &HeaderMap) -> Result<Role, Refusal> {
        let sent = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = sent
            .and_then(|sent| sent.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let digits = hidden(token.map_or("", |(_, token)| token.trim()));
        // All tokens are compared, so that the time is always the same.
        let found = self.known.iter().fold(None, |found, (role, known)| {
            if same(known, &digits) {
                Some(*role)
            } else {
                found
            }
        });
        found.ok_or_else(Refusal::unauthorized)
    }
}

fn hidden(token: &str) -> String {
    Digest::of(token.as_bytes()).hex()
}

/// Constant-time comparison of the digits.
fn same(a: &str, b: &str) -> bool {
    let differ = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |differ, (a, b)| std::hint::black_box(differ | (a ^ b)));
    a.len() == b.len() && differ == 0
}

/// The actor in the journal: the role, and the name that was sent.
pub(super) fn actor(role: Role, headers: &HeaderMap) -> Result<String, Refusal> {
    let mut names = headers.get_all(ACTOR).iter();
    let Some(name) = names.next() else {
        return Ok(role.word().to_owned());
    };
    let name = std::str::from_utf8(name.as_bytes()).unwrap_or_default();
    let is_printable = |c: char| c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation();
    let is_sound = !name.is_empty()
        && name.chars().count() <= ACTOR_CHARS_MAX
        && name.chars().all(is_printable);
    if !is_sound || names.next().is_some() {
        let message = format!(
            "{ACTOR} must be a name of 1 to {ACTOR_CHARS_MAX} letters, digits, spaces or punctuation"
        );
        return Err(Refusal::invalid(message));
    }
    Ok(format!("{} {name}", role.word()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use http::{HeaderName, HeaderValue, StatusCode};

    use super::*;
    use crate::state::store::{Access, Store};

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        Store::open(directory.path(), Access::Share).unwrap();
        directory
    }

    fn sent(name: &'static str, value: &str) -> HeaderMap {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        HeaderMap::from_iter([(HeaderName::from_static(name), value)])
    }

    #[test]
    fn each_token_has_its_role_and_stays() {
        let directory = directory();
        let tokens = Tokens::open(directory.path()).unwrap();
        for (file, role) in [(OPERATOR_FILE, Role::Operator), (READER_FILE, Role::Reader)] {
            let path = directory.path().join(file);
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
            let token = fs::read_to_string(&path).unwrap();
            assert_eq!(token.trim().len(), 64);
            for scheme in ["Bearer", "bearer"] {
                let headers = sent("authorization", &format!("{scheme} {}", token.trim()));
                assert_eq!(tokens.role(&headers).unwrap(), role);
                assert_eq!(
                    Tokens::open(directory.path())
                        .unwrap()
                        .role(&headers)
                        .unwrap(),
                    role
                );
            }
            for wrong in [
                format!("Basic {}", token.trim()),
                token.trim().to_owned(),
                format!("Bearer {}", &token[..63]),
            ] {
                assert!(tokens.role(&sent("authorization", &wrong)).is_err());
            }
        }
    }

    #[test]
    fn without_a_token_nothing_is_said() {
        let directory = directory();
        let tokens = Tokens::open(directory.path()).unwrap();
        for headers in [
            HeaderMap::new(),
            sent("authorization", "Bearer"),
            sent("authorization", "Bearer "),
        ] {
            let refusal = tokens.role(&headers).unwrap_err();
            assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
            assert_eq!(refusal.headers[0].1, "Bearer");
        }
    }

    #[test]
    fn a_file_that_is_no_secret_is_refused() {
        let long = "x".repeat(257);
        for text in [
            "",
            "\n",
            "short",
            "has spaces in it, and is long enough otherwise",
            &long,
        ] {
            let directory = directory();
            Tokens::open(directory.path()).unwrap();
            fs::write(directory.path().join(OPERATOR_FILE), text).unwrap();
            let error = Tokens::open(directory.path()).err().unwrap();
            assert!(matches!(error, StoreError::Secret { .. }), "{error}");
        }
        let directory = directory();
        Tokens::open(directory.path()).unwrap();
        let path = directory.path().join(READER_FILE);
        fs::copy(directory.path().join(OPERATOR_FILE), &path).unwrap();
        assert!(Tokens::open(directory.path()).is_err());
        fs::write(&path, "a-reader's-own-token".repeat(2).replace('\'', "_")).unwrap();
        assert!(Tokens::open(directory.path()).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(
            Tokens::open(directory.path())
                .err()
                .unwrap()
                .to_string()
                .contains("chmod 600")
        );
    }

    #[test]
    fn an_actor_has_a_role_and_perhaps_a_name() {
        assert_eq!(actor(Role::Reader, &HeaderMap::new()).unwrap(), "reader");
        for name in ["ci", "Zoë Müller <z@example.org>", &"n".repeat(256)] {
            assert_eq!(
                actor(Role::Operator, &sent(ACTOR, name)).unwrap(),
                format!("operator {name}")
            );
        }
        for name in ["", "a\tb", "\u{202e}x", &"n".repeat(257)] {
            assert_eq!(
                actor(Role::Operator, &sent(ACTOR, name))
                    .unwrap_err()
                    .status,
                StatusCode::BAD_REQUEST
            );
        }
    }
}
