//! Rows of the table of [`hostile`](super::hostile): a guest's fault and the result of the call.

/// A guest, and the result of the call in which it misbehaves.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// See `tests/harness/wat.rs`.
    pub(super) text: &'static str,
    pub(super) x: &'static [f32],
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) says: &'static str,
    pub(super) then: Then,
}

/// What happens to the instance.
#[derive(PartialEq)]
pub(super) enum Then {
    Ends,
    Stays,
}

pub(super) const fn answers(name: &'static str, text: &'static str) -> Row {
    Row {
        name,
        text,
        x: &[13.],
        status: 200,
        kind: "",
        says: "",
        then: Then::Stays,
    }
}

pub(super) const fn fails(
    name: &'static str,
    kind: &'static str,
    says: &'static str,
    text: &'static str,
) -> Row {
    Row {
        name,
        text,
        x: &[13.],
        status: 500,
        kind,
        says,
        then: Then::Ends,
    }
}

pub(super) const fn traps(name: &'static str, says: &'static str, text: &'static str) -> Row {
    fails(name, "stage_trapped", says, text)
}

/// The host or the component model ends the call; the client gets no details.
pub(super) const fn breaks(name: &'static str, text: &'static str) -> Row {
    traps(
        name,
        "trapped: it broke the rules of the component model",
        text,
    )
}

pub(super) const fn spins(name: &'static str, text: &'static str) -> Row {
    Row {
        status: 504,
        ..fails(name, "stage_timeout", "ran longer than 300ms", text)
    }
}
