//! `hotstage:serving/tensors`: bytes that stay with the host.

use bytes::Bytes;
use wasmtime::component::Resource;

use super::Guest;
use crate::bindings::tensors::{BufferError, Host, HostBuffer};

#[expect(unreachable_pub, reason = "the generated bindings name it in a public place of a private module")]
/// Immutable bytes behind a guest's handle.
pub struct Buffer(pub(crate) Bytes);

impl Guest {
    /// Gives the guest a handle.
    pub(crate) fn hold(&mut self, bytes: Bytes) -> wasmtime::Result<Resource<Buffer>> {
        self.buffers.take(1)?;
        Ok(self.table.push(Buffer(bytes))?)
    }

    /// Takes a handle back with its bytes.
    pub(crate) fn release(&mut self, handle: Resource<Buffer>) -> wasmtime::Result<Bytes> {
        let Buffer(bytes) = self.table.delete(handle)?;
        self.buffers.give_back(1);
        Ok(bytes)
    }

    fn range(
        &self,
        handle: &Resource<Buffer>,
        offset: u64,
        length: u64,
    ) -> wasmtime::Result<Result<Bytes, BufferError>> {
        let Buffer(bytes) = self.table.get(handle)?;
        let end = offset.checked_add(length).filter(|&end| end <= bytes.len() as u64);
        Ok(match (usize::try_from(offset), end.map(usize::try_from)) {
            (Ok(offset), Some(Ok(end))) => Ok(bytes.slice(offset..end)),
            _ => Err(BufferError::OutOfRange(bytes.len() as u64)),
        })
    }
}

impl Host for Guest {}

impl HostBuffer for Guest {
    fn create(&mut self, bytes: Vec<u8>) -> wasmtime::Result<Resource<Buffer>> {
        self.output.take(bytes.len() as u64)?;
        self.copied += bytes.len() as u64;
        self.hold(bytes.into())
    }

    fn length(&mut self, this: Resource<Buffer>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&this)?.0.len() as u64)
    }

    fn read(
        &mut self,
        this: Resource<Buffer>,
        offset: u64,
        length: u64,
    ) -> wasmtime::Result<Result<Vec<u8>, BufferError>> {
        let range = self.range(&this, offset, length)?;
        self.copied += range.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(range.map(|bytes| bytes.to_vec()))
    }

    fn consume(&mut self, this: Resource<Buffer>) -> wasmtime::Result<Vec<u8>> {
        // Without a copy when nobody else shares the bytes.
        let bytes = self.release(this)?;
        self.copied += bytes.len() as u64;
        Ok(Vec::from(bytes))
    }

    fn slice(
        &mut self,
        this: Resource<Buffer>,
        offset: u64,
        length: u64,
    ) -> wasmtime::Result<Result<Resource<Buffer>, BufferError>> {
        Ok(match self.range(&this, offset, length)? {
            Ok(bytes) => Ok(self.hold(bytes)?),
            Err(error) => Err(error),
        })
    }

    fn share(&mut self, this: Resource<Buffer>) -> wasmtime::Result<Resource<Buffer>> {
        let bytes = self.table.get(&this)?.0.clone();
        self.hold(bytes)
    }

    fn drop(&mut self, this: Resource<Buffer>) -> wasmtime::Result<()> {
        self.release(this).map(drop)
    }
}
