//! A file that a manifest gives to a stage: its bytes, or what fetches them when they are needed.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;

use crate::digest::Digest;

/// A file of a stage.
#[derive(Clone, Debug)]
pub struct File {
    /// Its digest in the blob store.
    pub digest: Digest,
    /// Its content.
    pub content: Content,
}

/// The bytes of a file, or the source that has them.
#[derive(Clone, Debug)]
pub enum Content {
    /// The bytes.
    Held(Bytes),
    /// They are fetched when they are needed.
    Kept(Arc<dyn Keeper>),
}

/// A source of the bytes of files.
pub trait Keeper: Debug + Send + Sync {
    /// The bytes of this digest, the same memory for all users at one time; the error is for the
    /// log.
    fn fetch(&self, digest: &Digest) -> Result<Bytes, String>;
}

impl File {
    /// The bytes.
    pub fn bytes(&self) -> Result<Bytes, String> {
        match &self.content {
            Content::Held(bytes) => Ok(bytes.clone()),
            Content::Kept(keeper) => keeper.fetch(&self.digest),
        }
    }
}
