//! The actor: the name that a revision records beside the token's role.
//!
//! Default: the login name from `USER` or `LOGNAME`, else the system's name for the user. It is not
//! proven: a client with the token may send any name. Bound: [`CHARS_MAX`].

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// Bound on the characters of a name; the server has the same.
const CHARS_MAX: usize = 256;
/// Bound on the characters of a login name.
const LOGIN_CHARS_MAX: usize = 64;

/// Parses a given name, and refuses one that the server would refuse.
pub(super) fn parse(text: &str) -> Result<String, String> {
    let name = text.trim();
    let is_printable = |c: char| c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation();
    let chars = name.chars().count();
    if chars == 0 {
        return Err("is empty; leave it out to send the login name".to_owned());
    }
    if chars > CHARS_MAX {
        return Err(format!(
            "has {chars} characters; at most {CHARS_MAX} are taken"
        ));
    }
    match name.chars().find(|c| !is_printable(*c)) {
        None => Ok(name.to_owned()),
        Some(c) => Err(format!(
            "holds {}; a name is letters, digits, spaces and ASCII punctuation",
            c.escape_default()
        )),
    }
}

/// The login name, reduced to characters that are valid in any header and log.
pub(super) fn login() -> Option<String> {
    let named = || {
        ["USER", "LOGNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()))
    };
    // A process belongs to its user, so its files under /proc do too.
    let known = || {
        user(
            &fs::read_to_string("/etc/passwd").ok()?,
            fs::metadata("/proc/self").ok()?.uid(),
        )
    };
    plain(&named().or_else(known)?)
}

/// The name of the user with this number in a text like `/etc/passwd`.
fn user(passwd: &str, id: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

fn plain(name: &str) -> Option<String> {
    let plain = |character: char| {
        let is_plain = character.is_ascii_alphanumeric() || "._-@+".contains(character);
        if is_plain { character } else { '_' }
    };
    let name: String = name.chars().take(LOGIN_CHARS_MAX).map(plain).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_name_is_plain_and_short() {
        assert_eq!(plain("anna.b@host").unwrap(), "anna.b@host");
        assert_eq!(plain("a b\r\nx: y").unwrap(), "a_b__x__y");
        assert_eq!(
            plain(&"é".repeat(100)).unwrap(),
            "_".repeat(LOGIN_CHARS_MAX)
        );
        assert_eq!(plain(""), None);
    }

    #[test]
    fn a_user_is_found_by_number() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nanna:x:1000:1000::/home/anna:/bin/sh\n";
        assert_eq!(user(passwd, 1000).as_deref(), Some("anna"));
        assert_eq!(user(passwd, 7), None);
    }

    #[test]
    fn a_name_that_the_server_would_refuse_is_refused_here() {
        assert_eq!(
            parse(" Zoë Müller <z@example.org> ").unwrap(),
            "Zoë Müller <z@example.org>"
        );
        for (name, part) in [
            ("", "empty"),
            ("  ", "empty"),
            ("a\tb", "\\t"),
            ("a\u{202e}b", "\\u{202e}"),
            ("a\u{1b}[31m", "\\u{1b}"),
            (&"n".repeat(257), "257 characters"),
        ] {
            assert!(
                parse(name).unwrap_err().contains(part),
                "{name:?}: {}",
                parse(name).unwrap_err()
            );
        }
    }
}
