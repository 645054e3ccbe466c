//! Shares: assigns a key to one of several variants, to each in proportion to its weight.
//!
//! Weighted rendezvous hashing (Thaler & Ravishankar, "Using name-based mappings to increase hit
//! rates", 1998, with the weights of Schindelhauer & Schomaker, "Weighted distributed hash tables",
//! 2005). For each variant a number u in (0, 1) is drawn from the key and the variant's name, and
//! −ln u ⁄ weight is how long it takes to claim the key; the fastest one gets it. That is an
//! exponential race: a variant wins in proportion to its weight. The draw does not depend on other
//! variants, so a variant whose weight grows keeps its keys and takes some from the others; no
//! other key moves.
//!
//! The key's hash is SHA-256, and the logarithm is computed in software: the same on every machine
//! and in every version. Changing either moves keys, so a test pins some of them.

use sha2::{Digest as _, Sha256};

/// Distinguishes a variant's draw from a rule's.
const VARIANT: u64 = 0x9e37_79b9_7f4a_7c15;
const RULE: u64 = 0xd1b5_4a32_d192_ed03;

/// The input of the draws, from a request's key or from a random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(u64);

impl Key {
    /// A key for one request only.
    pub const fn by_chance(number: u64) -> Self {
        Self(number)
    }
}

/// The shares of some variants.
#[derive(Clone, Debug)]
pub struct Shares {
    /// A hasher that has read the salt.
    salted: Sha256,
    /// Index, seed and weight of each variant that has a weight. The heaviest first: it wins most
    /// often, and the later ones are then skipped without a logarithm.
    racers: Box<[(usize, u64, f64)]>,
}

impl Shares {
    /// The shares of variants, by name. Weights are finite and not negative, and at least one is
    /// more than 0.
    pub fn new<'a>(salt: &str, variants: impl Iterator<Item = (&'a str, f64)>) -> Self {
        let mut salted = Sha256::new();
        // The length first, so that no other salt and key give the same bytes.
        salted.update((salt.len() as u64).to_le_bytes());
        salted.update(salt);
        let racers = variants
            .enumerate()
            .filter(|(_, (_, weight))| *weight > 0.0);
        let racer = |(place, (name, weight))| (place, first_bytes(Sha256::digest(name)), weight);
        let mut racers: Box<[(usize, u64, f64)]> = racers.map(racer).collect();
        racers.sort_by(|one, other| other.2.total_cmp(&one.2));
        Self { salted, racers }
    }

    /// The shares of some of them; `None` when none of those has a share.
    pub(super) fn only(&self, serves: impl Fn(usize) -> bool) -> Option<Self> {
        let racers: Box<[_]> = self
            .racers
            .iter()
            .filter(|(place, ..)| serves(*place))
            .copied()
            .collect();
        (!racers.is_empty()).then(|| Self {
            salted: self.salted.clone(),
            racers,
        })
    }

    /// Whether a variant has a share.
    pub(super) fn has(&self, place: usize) -> bool {
        self.racers.iter().any(|(with, ..)| *with == place)
    }

    /// The key of some bytes.
    pub fn key(&self, bytes: &[u8]) -> Key {
        Key(first_bytes(
            self.salted.clone().chain_update(bytes).finalize(),
        ))
    }

    /// The index of the variant that gets the key.
    pub fn pick(&self, key: Key) -> usize {
        let mut first = (0, f64::MAX);
        for &(place, seed, weight) in &self.racers {
            let drawn = unit(mix(key.0 ^ seed ^ VARIANT));
            // −ln u is at least 2 (1 − u) ⁄ (1 + u), which rules out most losers without a
            // logarithm.
            if 2.0 * (1.0 - drawn) < first.1 * (1.0 + drawn) * weight {
                let takes = -libm::log(drawn) / weight;
                if takes < first.1 {
                    first = (place, takes);
                }
            }
        }
        first.0
    }

    /// Whether the key is among the first `percent` percent: independent for each `number`, and
    /// growing with the percent.
    pub fn is_within(&self, key: Key, number: usize, percent: f64) -> bool {
        percent >= 100.0 || unit(mix(key.0 ^ mix(number as u64 ^ RULE))) * 100.0 < percent
    }
}

fn first_bytes(hash: impl AsRef<[u8]>) -> u64 {
    hash.as_ref()
        .first_chunk()
        .copied()
        .map_or(0, u64::from_le_bytes)
}

/// Scatters bits: the finalizer of `SplitMix64` (Steele, Lea & Flood 2014).
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A number between 0 and 1 from an unpredictable one whose bits may be uneven.
pub fn drawn(number: u64) -> f64 {
    unit(mix(number))
}

/// A number between 0 and 1, both excluded.
fn unit(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}
