//! Following documents: the step for one document, from its content when it was last applied, its
//! content now, and what is served.
//!
//! A document that did not change requests nothing, whatever happened since to what is served: a
//! promotion, a rollback or a label stays. A document that changed is applied, unless what is
//! served changed as well: then both are kept, and the operator decides.

/// What to do about one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: the document did not change, or is not followed.
    Leave,
    /// Only record that what is served matches the document.
    Adopt,
    /// Only forget the document: it is gone, and so is what it declared.
    Forget,
    /// Apply the document.
    Apply,
    /// Stop serving what the document declared.
    Remove,
    /// The document and what is served both changed: do nothing until the operator decides.
    Conflict,
}

/// The step for one document. `base` is its content when it was last applied or found served,
/// `file` its content now, `served` what is served under its name.
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

/// The same for a document that starts something once, a rollout. `known` is the last one that
/// started.
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

    /// One document and one server, changed by an author and an operator: a random history, checked
    /// against what each of them requested.
    #[test]
    fn no_change_of_either_side_is_lost() {
        let mut random = 1_u64;
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        for _ in 0..20_000 {
            let (mut base, mut file, mut served) = (None, None, None);
            // The operator's last change that has not been in force together with the document.
            let mut operator_change = None;
            for _ in 0..12 {
                let value = [None, Some(next(3))][usize::from(next(4) > 0)];
                match next(3) {
                    0 => file = value,
                    1 => (served, operator_change) = (value, Some(value)),
                    _ => {}
                }
                let before = (base, file, served);
                match step(base.as_ref(), file.as_ref(), served.as_ref()) {
                    Step::Leave | Step::Conflict => {}
                    Step::Adopt => (base, operator_change) = (file, None),
                    Step::Forget => base = None,
                    Step::Apply | Step::Remove => {
                        // The operator's change since the document was last in force is never
                        // undone.
                        assert!(
                            operator_change.is_none_or(|asked| asked == base),
                            "{before:?}"
                        );
                        (served, base, operator_change) = (file, file, None);
                    }
                }
                // One step is enough: a second one finds nothing to do.
                let again = step(base.as_ref(), file.as_ref(), served.as_ref());
                assert!(
                    matches!(again, Step::Leave | Step::Conflict),
                    "{before:?} {again:?}"
                );
            }
        }
    }
}
