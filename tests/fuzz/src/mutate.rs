//! Mutations of an input: bits, bytes, numbers, and pieces that are duplicated, removed or copied
//! from another input. The same seed gives the same mutations on every machine.

/// A deterministic pseudo-random generator (xorshift64*, Vigna 2016).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    /// A number below the bound; 0 if the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap();
        usize::try_from(self.next() % bound).unwrap()
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() % 256).unwrap()
    }
}

/// Bytes on which parsers often fail: limits of numbers, brackets, quotes, first bytes of LEB128
/// numbers.
const WEIRD: &[u8] = b"\x00\x01\x7f\x80\xff\"\\{}[]:,-+.eE0\n\t &*!|>%=";

/// Applies one to eight mutations to an input; pieces come from `other`.
pub fn mutate(input: &[u8], other: &[u8], bytes_max: usize, chance: &mut Chance) -> Vec<u8> {
    let mut bytes = input[..input.len().min(bytes_max)].to_vec();
    for _ in 0..=chance.below(8) {
        once(&mut bytes, other, chance);
        bytes.truncate(bytes_max);
        if chance.below(3) == 0 {
            break;
        }
    }
    bytes
}

fn once(bytes: &mut Vec<u8>, other: &[u8], chance: &mut Chance) {
    let at = chance.below(bytes.len());
    match chance.below(10) {
        _ if bytes.is_empty() => bytes.push(chance.byte()),
        0 => bytes[at] ^= 1 << chance.below(8),
        1 => bytes[at] = chance.byte(),
        2 => bytes[at] = WEIRD[chance.below(WEIRD.len())],
        // Makes a length, an index or a digit off by one or by a little.
        3 => bytes[at] = bytes[at].wrapping_add(chance.byte() % 8).wrapping_sub(4),
        4 => number(&mut bytes[at..], chance),
        5 => drop(bytes.drain(at..piece(at, bytes.len(), chance))),
        6 => {
            let end = piece(at, bytes.len(), chance);
            let doubled = bytes[at..end].to_vec();
            let to = chance.below(bytes.len());
            drop(bytes.splice(to..to, doubled));
        }
        7 => {
            let from = chance.below(other.len());
            let taken = other[from..piece(from, other.len(), chance)].to_vec();
            let end = at
                + if chance.below(2) == 0 {
                    0
                } else {
                    taken.len().min(bytes.len() - at)
                };
            drop(bytes.splice(at..end, taken));
        }
        8 => bytes.insert(
            at,
            if chance.below(2) == 0 {
                chance.byte()
            } else {
                WEIRD[chance.below(WEIRD.len())]
            },
        ),
        _ => bytes.truncate(at),
    }
}

/// The end of a piece; most pieces are short.
fn piece(start: usize, end: usize, chance: &mut Chance) -> usize {
    let most = if chance.below(4) == 0 {
        end - start
    } else {
        (end - start).min(32)
    };
    start + chance.below(most + 1)
}

/// Overwrites the beginning with a boundary value of 2, 4 or 8 bytes.
fn number(bytes: &mut [u8], chance: &mut Chance) {
    const NUMBERS: [u64; 10] = [
        0,
        1,
        16,
        0x7f,
        0xff,
        0x7fff,
        0xffff,
        0x7fff_ffff,
        0xffff_ffff,
        u64::MAX >> 1,
    ];
    let number = NUMBERS[chance.below(NUMBERS.len())].to_le_bytes();
    let length = [2, 4, 8][chance.below(3)].min(bytes.len());
    bytes[..length].copy_from_slice(&number[..length]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_are_the_same_each_time_differ_and_keep_to_their_bound() {
        let made = |seed| {
            let mut chance = Chance::new(seed);
            (0..500)
                .map(|_| mutate(b"{\"a\": [1, 2, 3]}", b"other", 20, &mut chance))
                .collect::<Vec<_>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
        let mut distinct = made(1);
        assert!(distinct.iter().all(|bytes| bytes.len() <= 20));
        distinct.sort();
        distinct.dedup();
        assert!(distinct.len() > 400, "{}", distinct.len());
        assert_eq!(mutate(b"", b"", 0, &mut Chance::new(0)), b"");
    }
}
