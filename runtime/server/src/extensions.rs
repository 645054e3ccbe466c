//! What protocols prepare for one version of a model when it is deployed: decoders, encoders, the
//! texts of headers.
//!
//! The data plane keeps these values beside the pipeline and looks at none of them, so that another
//! protocol changes nothing here. Bound: one value of each protocol that is registered.

use std::any::{Any, type_name};

use hotstage_core::digest::Digest;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::signature::Signature;

/// A version, as a protocol presents it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// What clients call the model.
    pub name: &'a str,
    /// Of the pipeline that answers.
    pub version: &'a str,
    /// Of the pipeline that answers.
    pub digest: &'a Digest,
    /// What clients send and get.
    pub signature: &'a Signature,
}

/// What is prepared; found again by its type.
pub type Value = Box<dyn Any + Send + Sync>;

/// Prepares one protocol's value.
pub type Prepare = fn(&Subject<'_>) -> Value;

/// One version's values.
pub struct Extensions {
    prepare: &'static [Prepare],
    values: Box<[Value]>,
}

impl Extensions {
    /// Prepares the values of all protocols.
    pub fn new(prepare: &'static [Prepare], subject: &Subject<'_>) -> Self {
        let values = prepare.iter().map(|prepare| prepare(subject)).collect();
        Self { prepare, values }
    }

    /// The same protocols for another subject.
    pub fn another(&self, subject: &Subject<'_>) -> Self {
        Self::new(self.prepare, subject)
    }

    /// The value of this type. A type that no protocol prepared is a defect of the server.
    pub fn get<T: 'static>(&self) -> Result<&T, Failure> {
        let found = self.values.iter().find_map(|value| value.downcast_ref());
        found.ok_or_else(|| missing(type_name::<T>()))
    }
}

#[cold]
fn missing(name: &str) -> Failure {
    Failure::new(Kind::Internal, "the server does not speak this protocol")
        .because(format!("`{name}` is not among the registered extensions"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_type() {
        const PREPARE: &[Prepare] = &[
            |subject| Box::new(subject.name.len()),
            |subject| Box::new(subject.version.to_owned()),
        ];
        let subject = Subject {
            name: "tumor",
            version: "1",
            digest: &Digest::of(b""),
            signature: &Signature::default(),
        };
        let extensions = Extensions::new(PREPARE, &subject);
        assert_eq!(extensions.get::<usize>().unwrap(), &5);
        let other = extensions.another(&Subject {
            version: "2",
            ..subject
        });
        assert_eq!(other.get::<String>().unwrap(), "2");
        assert_eq!(extensions.get::<u8>().unwrap_err().kind, Kind::Internal);
    }
}
