//! The response cache: in memory, for pipelines whose manifest says `cache: true`.
//!
//! It is sound because a stage is a pure function of its inputs, settings and files. The key is the
//! SHA-256 of the pipeline's digest and of every input's datatype, shape and bytes. Only successful
//! answers are kept. Bound: `--response-cache` bytes, 64 MiB by default; the least used entries are
//! evicted first. Nothing survives a restart.

use hotstage_core::digest::{Digest, Hasher};
use hotstage_core::tensor::Tensor;
use hotstage_engine::Tensors;
use quick_cache::Weighter;
use quick_cache::sync;

/// Bytes of an entry beside its tensors' data: key, shapes, counts.
const ENTRY_BYTES: u64 = 256;
/// Assumed bytes of one answer, to size the tables.
const TYPICAL_BYTES: u64 = 1 << 10;
/// One answer takes at most one part in `SHARE_MAX` of the cache.
const SHARE_MAX: u64 = 8;

/// The cached answers of all pipelines.
pub struct Cache {
    entries: sync::Cache<Digest, Tensors, Weight>,
    bytes_max: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Digest, Tensors> for Weight {
    fn weight(&self, _: &Digest, answer: &Tensors) -> u64 {
        weight(answer)
    }
}

fn weight(answer: &Tensors) -> u64 {
    answer
        .iter()
        .map(|tensor| tensor.data().len() as u64 + ENTRY_BYTES / 2)
        .sum::<u64>()
        + ENTRY_BYTES
}

impl Cache {
    /// Keeps at most this many bytes; 0 disables the cache.
    pub fn new(bytes_max: u64) -> Self {
        let items = usize::try_from(bytes_max / TYPICAL_BYTES)
            .unwrap_or(usize::MAX)
            .max(1);
        Self {
            entries: sync::Cache::with_weighter(items, bytes_max, Weight),
            bytes_max,
        }
    }

    /// The cache key of these inputs to this pipeline.
    pub fn key(pipeline: &Digest, inputs: &[Tensor]) -> Digest {
        let mut hash = Hasher::default();
        hash.add(pipeline.bytes());
        for tensor in inputs {
            // Each part begins with its length, so that different lists of tensors hash
            // differently.
            hash.add(&[tensor.datatype() as u8]);
            hash.add(&(tensor.shape().len() as u64).to_le_bytes());
            tensor
                .shape()
                .iter()
                .for_each(|size| hash.add(&size.to_le_bytes()));
            hash.add(&(tensor.data().len() as u64).to_le_bytes());
            hash.add(tensor.data());
        }
        hash.finish()
    }

    /// The cached answer.
    pub fn get(&self, key: &Digest) -> Option<Tensors> {
        self.entries.get(key)
    }

    /// Caches an answer unless it is too large.
    pub fn put(&self, key: Digest, answer: &Tensors) {
        if weight(answer) <= self.bytes_max / SHARE_MAX {
            // Copied: a tensor may be a slice of a larger buffer, which it would keep in memory.
            self.entries
                .insert(key, answer.iter().map(Tensor::compact).collect());
        }
    }

    /// How many answers are cached, and how many bytes they take.
    pub fn size(&self) -> (usize, u64) {
        (self.entries.len(), self.entries.weight())
    }
}

#[cfg(test)]
mod tests {
    use hotstage_core::datatype::Datatype;
    use hotstage_core::tensor::Shape;

    use super::*;

    fn tensor(shape: &[u64], byte: u8) -> Tensor {
        let bytes = usize::try_from(shape.iter().product::<u64>()).unwrap();
        Tensor::new(
            Datatype::Uint8,
            Shape::from_slice(shape),
            vec![byte; bytes].into(),
        )
        .unwrap()
    }

    #[test]
    fn a_key_depends_on_the_pipeline_and_every_input() {
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        let keys = [
            Cache::key(&one, &[tensor(&[2], 1)]),
            Cache::key(&other, &[tensor(&[2], 1)]),
            Cache::key(&one, &[tensor(&[2], 2)]),
            Cache::key(&one, &[tensor(&[1, 2], 1)]),
            Cache::key(&one, &[tensor(&[1], 1), tensor(&[1], 1)]),
        ];
        for (place, key) in keys.iter().enumerate() {
            assert!(!keys[..place].contains(key), "{place}");
        }
        assert_eq!(keys[0], Cache::key(&one, &[tensor(&[2], 1)]));
    }

    #[test]
    fn the_cache_stays_within_its_bound() {
        let cache = Cache::new(64 << 10);
        for number in 0..200_u8 {
            cache.put(Digest::of(&[number]), &vec![tensor(&[1024], number)]);
        }
        let (answers, bytes) = cache.size();
        assert!(
            answers > 10 && bytes <= 64 << 10,
            "{answers} of {bytes} bytes"
        );
        let large = Digest::of(b"large");
        cache.put(large, &vec![tensor(&[32 << 10], 1)]);
        assert!(cache.get(&large).is_none());
        let nothing = Cache::new(0);
        nothing.put(large, &vec![tensor(&[1], 1)]);
        assert!(nothing.get(&large).is_none());
    }
}
