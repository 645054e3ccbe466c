//! What a guest of [`hostile`](super::hostile) does, and what becomes of the call: rows of its
//! table.

/// A guest, and what becomes of the call in which it misbehaves.
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

/// What becomes of the instance.
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

/// The host or the component model ends it, and says no more to the client.
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
