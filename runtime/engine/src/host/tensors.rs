//! `hotstage:serving/tensors`: bytes that stay with the host.
//!
//! Bytes that an instance still holds after a call are counted, each handle by itself, and moved
//! into memory of their own: otherwise four bytes of an input would keep the whole body of its
//! request. Files are not counted: all instances share their bytes. Bounds: the limits `handles` at
//! any time, `output_bytes` during a call, `held_bytes` between calls ([`Guest::settle`]).

use bytes::Bytes;
use wasmtime::component::Resource;

use super::Guest;
use crate::bindings::tensors::{BufferError, Host, HostBuffer};

#[expect(
    unreachable_pub,
    reason = "the generated bindings name it in a public place of a private module"
)]
/// Immutable bytes behind a guest's handle.
pub struct Buffer {
    bytes: Bytes,
    memory: Memory,
}

/// The memory that a buffer's bytes lie in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// A file's, which is in memory anyway.
    File,
    /// That of the call that brought or created them; other bytes may lie beside them.
    Call,
    /// Their own: they were kept from an earlier call.
    Own,
}

impl Guest {
    /// Gives the guest a handle to bytes of this call.
    pub(crate) fn hold(&mut self, bytes: Bytes) -> wasmtime::Result<Resource<Buffer>> {
        self.hold_in(Memory::Call, bytes)
    }

    /// Gives the guest a handle to bytes of a file.
    pub(super) fn hold_file(&mut self, bytes: Bytes) -> wasmtime::Result<Resource<Buffer>> {
        self.hold_in(Memory::File, bytes)
    }

    fn hold_in(&mut self, memory: Memory, bytes: Bytes) -> wasmtime::Result<Resource<Buffer>> {
        self.buffers.take(1)?;
        let counted = if memory == Memory::File {
            0
        } else {
            bytes.len() as u64
        };
        let handle = self.table.push(Buffer { bytes, memory })?;
        self.held += counted;
        Ok(handle)
    }

    /// Another handle to the same bytes, or to some of them.
    fn hold_too(
        &mut self,
        this: &Resource<Buffer>,
        bytes: Bytes,
    ) -> wasmtime::Result<Resource<Buffer>> {
        // Memory of its own would be shared then.
        let memory = if self.table.get(this)?.memory == Memory::File {
            Memory::File
        } else {
            Memory::Call
        };
        self.hold_in(memory, bytes)
    }

    /// Takes a handle back with its bytes.
    pub(crate) fn release(&mut self, handle: Resource<Buffer>) -> wasmtime::Result<Bytes> {
        let Buffer { bytes, memory } = self.table.delete(handle)?;
        self.buffers.give_back(1);
        if memory != Memory::File {
            self.held -= bytes.len() as u64;
        }
        Ok(bytes)
    }

    /// Ends a call: bytes that are still held move into memory of their own, and are published. The
    /// error is their number if it is more than `held_max`; then the instance must end, and the
    /// bytes with it.
    pub(crate) fn settle(&mut self, held_max: u64) -> Result<(), u64> {
        if self.held > held_max {
            return Err(self.held);
        }
        // Usually nothing is held, and there is nothing to do.
        if self.held > 0 {
            let buffers = self
                .table
                .iter_mut()
                .filter_map(|entry| entry.downcast_mut::<Buffer>());
            for buffer in buffers.filter(|buffer| buffer.memory == Memory::Call) {
                buffer.bytes = Bytes::copy_from_slice(&buffer.bytes);
                buffer.memory = Memory::Own;
            }
        }
        self.kept.show(self.held);
        Ok(())
    }

    fn range(
        &self,
        handle: &Resource<Buffer>,
        offset: u64,
        length: u64,
    ) -> wasmtime::Result<Result<Bytes, BufferError>> {
        let Buffer { bytes, .. } = self.table.get(handle)?;
        let end = offset
            .checked_add(length)
            .filter(|&end| end <= bytes.len() as u64);
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
        Ok(self.table.get(&this)?.bytes.len() as u64)
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
        // Without a copy when the bytes are not shared.
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
            Ok(bytes) => Ok(self.hold_too(&this, bytes)?),
            Err(error) => Err(error),
        })
    }

    fn share(&mut self, this: Resource<Buffer>) -> wasmtime::Result<Resource<Buffer>> {
        let bytes = self.table.get(&this)?.bytes.clone();
        self.hold_too(&this, bytes)
    }

    fn drop(&mut self, this: Resource<Buffer>) -> wasmtime::Result<()> {
        self.release(this).map(drop)
    }
}
