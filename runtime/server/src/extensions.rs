//! Values that protocols prepare for one version of a model when it is deployed: decoders,
//! encoders, header values.
//!
//! The data plane keeps these values beside the pipeline without using them, so a new protocol does
//! not change the data plane. Bound: one value for each registered protocol.

use std::any::{Any, type_name};

use hotstage_core::digest::Digest;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::signature::Signature;

/// A version, as protocols present it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The model name that clients use.
    pub name: &'a str,
    /// The version of the pipeline that answers.
    pub version: &'a str,
    /// The digest of the pipeline that answers.
    pub digest: &'a Digest,
    /// The inputs and outputs that clients send and get.
    pub signature: &'a Signature,
}

/// A prepared value, found by its type.
pub type Value = Box<dyn Any + Send + Sync>;

/// Prepares one protocol's value.
pub type Prepare = fn(&Subject<'_>) -> Value;

/// The prepared values of one version.
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

    /// Prepares the values of the same protocols for another subject.
    pub fn another(&self, subject: &Subject<'_>) -> Self {
        Self::new(self.prepare, subject)
    }

    /// The value of this type. A missing type is a defect of the server.
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
