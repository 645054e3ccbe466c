//! Wire format of the pipes between the server and a compiler process.
//!
//! To the process: the length of a header, the header, the component. Back: the length of a reply,
//! the reply, machine code. Lengths are 32 bits, little-endian; headers and replies are JSON.
//! Bound: [`HEADER_BYTES_MAX`].

use std::io::{self, Read, Write};

use hotstage_core::compile_limits::ComponentLimits;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Maximum bytes of a header. The message of a reply is cut to fit.
pub(super) const HEADER_BYTES_MAX: usize = 64 << 10;

/// The work to do with a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Only check that it fits its role.
    Check,
    /// Check it and compile it to machine code.
    Compile,
}

/// Instructions for the process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) work: Work,
    pub(super) role: String,
    pub(super) component: ComponentLimits,
    /// Memory limit in bytes.
    pub(super) memory: u64,
    /// Processor time limit in seconds.
    pub(super) cpu_seconds: u64,
    pub(super) threads: usize,
    /// Run at idle priority, because requests come first.
    pub(super) idle: bool,
    /// Bytes of the component after the header.
    pub(super) bytes: u64,
}

/// Result of the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) outcome: Outcome,
    /// The error message, if there is no code.
    pub(super) message: String,
    /// Bytes of machine code after the reply.
    pub(super) code_bytes: u64,
    /// Why system calls are not filtered, if they are not.
    pub(super) unconfined: Option<String>,
}

/// Kinds of replies: those of [`hotstage_engine::compile::CompileError`], and success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Done,
    NotAComponent,
    TooLarge,
    Unfit,
    Refused,
}

/// Encodes a header or a reply.
pub(super) fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let text = serde_json::to_vec(value)?;
    let length = u32::try_from(text.len())
        .ok()
        .filter(|_| text.len() <= HEADER_BYTES_MAX);
    let length = length
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the header is too long"))?;
    Ok([&length.to_le_bytes()[..], &text].concat())
}

pub(super) fn write(mut to: impl Write, value: &impl Serialize) -> io::Result<()> {
    to.write_all(&encode(value)?)
}

pub(super) fn read<T: DeserializeOwned>(mut from: impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut text = vec![0; header_length(length)?];
    from.read_exact(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Decodes the length of a header and checks its bound.
pub(super) fn header_length(length: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(length) as usize;
    if length > HEADER_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the header is too long",
        ));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_comes_back_as_it_was_sent() {
        let reply = Reply {
            outcome: Outcome::Unfit,
            message: "\u{1}ä".into(),
            code_bytes: 7,
            unconfined: None,
        };
        let mut bytes = Vec::new();
        write(&mut bytes, &reply).unwrap();
        assert_eq!(read::<Reply>(&bytes[..]).unwrap(), reply);
    }

    #[test]
    fn what_is_too_long_or_cut_off_is_no_reply() {
        assert!(read::<Reply>(&u32::MAX.to_le_bytes()[..]).is_err());
        assert!(read::<Reply>(&[9, 0, 0, 0, b'{'][..]).is_err());
        let reply = Reply {
            outcome: Outcome::Done,
            message: "x".repeat(HEADER_BYTES_MAX),
            code_bytes: 0,
            unconfined: None,
        };
        assert!(encode(&reply).is_err());
    }
}
