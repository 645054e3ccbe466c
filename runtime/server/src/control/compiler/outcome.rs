//! Error messages for the ways in which a compiler process can end.

use std::any::Any;
use std::borrow::Cow;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use hotstage_core::compile_limits::CompileLimits;
use hotstage_core::limits::FAILURE_TEXT_BYTES_MAX;
use hotstage_core::printable;
use hotstage_engine::compile::CompileError;

use super::wire::{Outcome, Reply};

/// Bytes of a dying process's output that are kept in the error.
const DYING_WORDS: usize = 200;
/// SIGXCPU (signal(7)): the processor time limit was reached.
const TIME_IS_OVER: i32 = 24;
const KILLED: i32 = 9;
const SEGMENTATION_FAULT: i32 = 11;

/// The error of a reply without code.
pub(super) fn error(reply: Reply) -> Option<CompileError> {
    let message = || readable(reply.message);
    Some(match reply.outcome {
        Outcome::Done => return None,
        Outcome::NotAComponent => CompileError::NotAComponent(message()),
        Outcome::TooLarge => CompileError::TooLarge(message()),
        Outcome::Unfit => CompileError::Unfit(message()),
        Outcome::Refused => CompileError::Refused(message()),
    })
}

/// Decoder errors quote names from the component, which may contain any character and be of any
/// length. Line breaks are kept: link errors span several lines.
fn readable(message: String) -> String {
    // Cut first: escaping lengthens the text, and text that is cut off should cost nothing.
    let cut = printable::cut(message, FAILURE_TEXT_BYTES_MAX);
    printable::cut(printable::lines(&cut).into_owned(), FAILURE_TEXT_BYTES_MAX)
}

/// Error for a process that ended without a reply.
pub(super) fn died(status: ExitStatus, said: &[u8], limits: &CompileLimits) -> CompileError {
    let said = String::from_utf8_lossy(said);
    let why =
        if said.contains("memory allocation of") || said.contains("out of memory") {
            let mib = limits.memory >> 20;
            format!("that takes more than {mib} MiB of memory (--compile-memory)")
        } else if said.contains("has overflowed its stack") {
            "its parts are nested too deep: the compiler's stack is full".to_owned()
        } else {
            match status.signal() {
            Some(TIME_IS_OVER) => time(limits.cpu, "processor time", "--compile-cpu-time"),
            Some(SEGMENTATION_FAULT) => {
                "the compiler crashed on it (signal 11), as it does when it has too little memory \
                                         (--compile-memory) or parts are nested too deep"
                    .to_owned()
            }
            Some(KILLED) => "the compiler was killed; the machine may be out of memory".to_owned(),
            Some(signal) => format!("the compiler crashed on it (signal {signal}){}", words(&said)),
            None => format!("the compiler failed on it{}", words(&said)),
        }
        };
    CompileError::Refused(why)
}

/// Error for a process that was killed because it took too long.
pub(super) fn late(limits: &CompileLimits) -> CompileError {
    CompileError::Refused(time(limits.wall, "time", "--compile-timeout"))
}

fn time(most: Duration, what: &str, flag: &str) -> String {
    format!(
        "that takes more than {} s of {what} ({flag})",
        most.as_secs()
    )
}

fn words(said: &str) -> String {
    let line = said
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    let line: String = line
        .chars()
        .filter(|character| !character.is_control())
        .collect();
    if line.is_empty() {
        String::new()
    } else {
        format!(": {}", cut(&line, DYING_WORDS))
    }
}

/// The message of a panic.
pub(super) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    words(text.unwrap_or("a panic without a message"))
        .trim_start_matches(": ")
        .to_owned()
}

/// At most this many bytes of a text, without splitting a character.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    let end = text.floor_char_boundary(most);
    format!("{} … ({} bytes more)", &text[..end], text.len() - end).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: i32, said: &str, expected: &str) {
        let error = died(
            ExitStatus::from_raw(status),
            said.as_bytes(),
            &CompileLimits::default(),
        );
        assert_eq!(
            error.to_string(),
            format!("the component can't be compiled: {expected}")
        );
    }

    #[test]
    fn each_end_has_its_reason_and_its_flag() {
        check(
            6,
            "memory allocation of 64 bytes failed",
            "that takes more than 2048 MiB of memory (--compile-memory)",
        );
        check(
            6,
            "\nthread 'main' has overflowed its stack\nfatal runtime error",
            "its parts are nested too deep: the compiler's stack is full",
        );
        check(
            24,
            "",
            "that takes more than 120 s of processor time (--compile-cpu-time)",
        );
        check(
            9,
            "",
            "the compiler was killed; the machine may be out of memory",
        );
        check(
            11,
            "",
            "the compiler crashed on it (signal 11), as it does when it has too little memory (--compile-memory) or \
             parts are nested too deep",
        );
        check(
            6,
            "first\x1b[31m\nsecond",
            "the compiler crashed on it (signal 6): first[31m",
        );
        check(256, "", "the compiler failed on it");
    }

    #[test]
    fn a_components_names_in_an_error_drive_no_terminal_and_are_bounded() {
        let shown = |message: &str| {
            let reply = Reply {
                outcome: Outcome::NotAComponent,
                message: message.to_owned(),
                code_bytes: 0,
                unconfined: None,
            };
            error(reply)
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert_eq!(
            shown("name `\u{1b}[31m`\n  is not"),
            "name `\\u001b[31m`\n  is not"
        );
        assert!(shown(&"\u{1b}".repeat(1 << 20)).len() < FAILURE_TEXT_BYTES_MAX + 64);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("ää", 4), "ää");
        assert_eq!(cut("äää", 3), "ä … (4 bytes more)");
    }
}
