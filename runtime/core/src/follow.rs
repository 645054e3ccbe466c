//! Following documents: what must happen to one, by what it was when it was last applied, what it
//! is now, and what is served.
//!
//! Who did not touch a document did not ask for anything, whatever became of what is served since:
//! a promotion, a rollback, a label stay. Who changed one asked for it, unless somebody else
//! changed what is served meanwhile: then both are kept, and a person decides.

/// What must happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: the document was not touched, or is not followed.
    Leave,
    /// Nothing but to remember that what is served is what the document says.
    Adopt,
    /// Nothing but to forget the document: it is gone, and so is what it brought.
    Forget,
    /// It is applied.
    Apply,
    /// What it brought ends.
    Remove,
    /// It was changed here and elsewhere: nothing, until a person has decided.
    Conflict,
}

/// What must happen to one document. `base` is what it was when it was last applied or found
/// served, `file` what it is now, `served` what is served in its place.
pub fn step<D: PartialEq>(base: Option<&D>, file: Option<&D>, served: Option<&D>) -> Step {
    if file == base {
        return Step::Leave;
    }
    match file {
        None if served.is_none() => Step::Forget,
        Some(_) if file == served => Step::Adopt,
        Some(_) if served == base => Step::Apply,
        None if served == base => Step::Remove,
        _ => Step::Conflict,
    }
}

/// The same for what begins once and is not served after: a rollout. `known` is the last one that
/// began.
pub fn step_once<D: PartialEq>(base: Option<&D>, file: Option<&D>, known: Option<&D>) -> Step {
    match file {
        _ if file == base => Step::Leave,
        None => Step::Forget,
        Some(_) if file == known => Step::Adopt,
        Some(_) => Step::Apply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_its_step() {
        for (base, file, served, expect) in [
            (None, None, None, Step::Leave),
            (None, None, Some(1), Step::Leave),
            (None, Some(1), None, Step::Apply),
            (None, Some(1), Some(1), Step::Adopt),
            (None, Some(1), Some(2), Step::Conflict),
            (Some(1), Some(1), None, Step::Leave),
            (Some(1), Some(1), Some(1), Step::Leave),
            (Some(1), Some(1), Some(2), Step::Leave),
            (Some(1), Some(2), None, Step::Conflict),
            (Some(1), Some(2), Some(1), Step::Apply),
            (Some(1), Some(2), Some(2), Step::Adopt),
            (Some(1), Some(2), Some(3), Step::Conflict),
            (Some(1), None, None, Step::Forget),
            (Some(1), None, Some(1), Step::Remove),
            (Some(1), None, Some(2), Step::Conflict),
        ] {
            let step = step(base.as_ref(), file.as_ref(), served.as_ref());
            assert_eq!(step, expect, "{base:?} {file:?} {served:?}");
        }
    }

    #[test]
    fn what_begins_once_is_not_begun_again() {
        for (base, file, known, expect) in [
            (None, Some(1), None, Step::Apply),
            (None, Some(1), Some(1), Step::Adopt),
            (Some(1), Some(1), Some(2), Step::Leave),
            (Some(1), Some(2), Some(3), Step::Apply),
            (Some(1), None, Some(1), Step::Forget),
        ] {
            assert_eq!(
                step_once(base.as_ref(), file.as_ref(), known.as_ref()),
                expect,
                "{base:?} {file:?} {known:?}"
            );
        }
    }

    /// One document, one server, two who change things: a random history against what each of them
    /// asked for.
    #[test]
    fn nobody_loses_what_they_asked_for() {
        let mut random = 1_u64;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..20_000 {
            let (mut base, mut file, mut served) = (None, None, None);
            // What the last of either asked for, while it was not yet in force together with the
            // other's.
            let mut operator_asked = None;
            for _ in 0..12 {
                let value = [None, Some(next(3))][usize::from(next(4) > 0)];
                match next(3) {
                    0 => file = value,
                    1 => (served, operator_asked) = (value, Some(value)),
                    _ => {}
                }
                let before = (base, file, served);
                match step(base.as_ref(), file.as_ref(), served.as_ref()) {
                    Step::Leave | Step::Conflict => {}
                    Step::Adopt => (base, operator_asked) = (file, None),
                    Step::Forget => base = None,
                    Step::Apply | Step::Remove => {
                        // What the operator did since the document was last in force is never
                        // undone.
                        assert!(
                            operator_asked.is_none_or(|asked| asked == base),
                            "{before:?}"
                        );
                        (served, base, operator_asked) = (file, file, None);
                    }
                }
                // One look is enough: a second one finds nothing to do.
                let again = step(base.as_ref(), file.as_ref(), served.as_ref());
                assert!(
                    matches!(again, Step::Leave | Step::Conflict),
                    "{before:?} {again:?}"
                );
            }
        }
    }
}
