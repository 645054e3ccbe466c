//! JSON numbers: a fast parser for short ones, which are nearly all, and whole numbers in other
//! spellings.

/// Above this many digits the mantissa may overflow.
const SHORT_DIGITS_MAX: usize = 18;

/// A number without an exponent: mantissa / 10^fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) negative: bool,
    pub(super) mantissa: i64,
    pub(super) fraction: usize,
    /// The length of its text in bytes.
    pub(super) length: usize,
}

/// Parses the short number at the start of the text. `None` is not an error: the caller takes the
/// slow path.
#[inline]
pub(super) fn short(text: &[u8]) -> Option<Short> {
    let negative = text.first() == Some(&b'-');
    let mut mantissa = 0_i64;
    let whole_at = usize::from(negative);
    let mut at = digits(text, whole_at, &mut mantissa);
    let mut count = at - whole_at;
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        let fraction_at = at + 1;
        at = digits(text, fraction_at, &mut mantissa);
        fraction = at - fraction_at;
        count += fraction;
    }
    let ends = matches!(
        text.get(at),
        None | Some(b',' | b']' | b' ' | b'\n' | b'\r' | b'\t')
    );
    (ends && 0 < count && count <= SHORT_DIGITS_MAX).then_some(Short {
        negative,
        mantissa,
        fraction,
        length: at,
    })
}

/// Appends digits to the mantissa, which may wrap: the caller checks their number.
#[inline]
fn digits(text: &[u8], mut at: usize, mantissa: &mut i64) -> usize {
    while let Some(byte) = text.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(i64::from(digit));
        at += 1;
    }
    at
}

impl Short {
    /// The value, if it is written as a whole number.
    #[inline]
    pub(super) fn whole(&self) -> Option<i64> {
        (self.fraction == 0).then_some(if self.negative {
            -self.mantissa
        } else {
            self.mantissa
        })
    }
}

/// Powers of ten that an `f64` holds exactly. A short number's fraction is no longer than this.
const TENS: [f64; 19] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18,
];

impl Short {
    /// The nearest `f64`. When mantissa and power are both exact, their quotient is rounded once,
    /// as IEEE 754 requires.
    #[inline]
    pub(super) fn f64(&self) -> Option<f64> {
        let ten = TENS.get(self.fraction)?;
        let value =
            (self.mantissa <= 1 << f64::MANTISSA_DIGITS).then_some(self.mantissa as f64 / ten)?;
        Some(if self.negative { -value } else { value })
    }

    /// The nearest `f32`, computed from the nearest `f64`. Rounding twice is wrong only where the
    /// first step lands midway between two `f32`. Those numbers, and those whose midpoints are
    /// elsewhere, take the slow path.
    #[inline]
    pub(super) fn f32(&self) -> Option<f32> {
        const BITS_LOST: u32 = f64::MANTISSA_DIGITS - f32::MANTISSA_DIGITS;
        let value = self.f64()?;
        let is_middle = value.to_bits() & ((1 << BITS_LOST) - 1) == 1 << (BITS_LOST - 1);
        let is_normal = value == 0.0 || value.abs() >= f64::from(f32::MIN_POSITIVE);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "this is the rounding; a short number is far below f32::MAX"
        )]
        (is_normal && !is_middle).then_some(value as f32)
    }
}

/// The exact value of a JSON number that is whole: `3`, `3.0`, `30e-1`. `None` when it has a
/// fraction, exceeds every integer datatype, or is not a number.
pub(super) fn whole(text: &str) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));

    // Zeros are counted until a digit follows, so that trailing ones become a power of ten.
    let mut value = 0_i128;
    let mut zeros = 0_u32;
    for byte in whole.bytes().chain(fraction.bytes()) {
        match byte {
            b'0' => zeros += u32::from(value != 0),
            b'1'..=b'9' => {
                let ten = 10_i128.checked_pow(zeros + 1)?;
                value = value
                    .checked_mul(ten)?
                    .checked_add(i128::from(byte - b'0'))?;
                zeros = 0;
            }
            _ => return None,
        }
    }
    if value == 0 {
        // `true` and the like were rejected above; an exponent does not change zero.
        return (!whole.is_empty()).then_some(0);
    }
    let fraction = i64::try_from(fraction.len()).ok()?;
    let power = exponent
        .parse::<i64>()
        .ok()?
        .checked_sub(fraction)?
        .checked_add(i64::from(zeros))?;
    let value = value.checked_mul(10_i128.checked_pow(u32::try_from(power).ok()?)?)?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_numbers_in_every_spelling() {
        let table = [
            ("0", Some(0)),
            ("-0.000", Some(0)),
            ("0e999999999999999999999", Some(0)),
            ("3.0", Some(3)),
            ("-30e-1", Some(-3)),
            ("1.5E1", Some(15)),
            ("0.000001e6", Some(1)),
            ("9223372036854775807.0", Some(9_223_372_036_854_775_807)),
            ("18446744073709551615", Some(18_446_744_073_709_551_615)),
            (
                "1000000000000000000000000000000000000000000e-30",
                Some(1_000_000_000_000),
            ),
            ("3.5", None),
            ("1e-1", None),
            ("1e400", None),
            ("1e99999999999999999999", None),
            ("100000000000000000000000000000000000000001", None),
            ("true", None),
            ("\"5\"", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(whole(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_short() {
        let read = |text: &str| short(text.as_bytes());
        assert_eq!(
            read("-1.25,"),
            Some(Short {
                negative: true,
                mantissa: 125,
                fraction: 2,
                length: 5
            })
        );
        assert_eq!(
            read("999999999999999999]").map(|short| short.mantissa),
            Some(999_999_999_999_999_999)
        );
        for text in [
            "1000000000000000000",
            "1e5",
            "true",
            "\"1\"",
            "-",
            "",
            "null",
            "[1]",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_midpoint_takes_the_slow_path() {
        assert_eq!(short(b"16777217").and_then(|short| short.f32()), None);
        assert_eq!(
            short(b"16777217.0000001").and_then(|short| short.f32()),
            Some(16_777_218.0)
        );
        assert_eq!(
            short(b"16777218").and_then(|short| short.f32()),
            Some(16_777_218.0)
        );
        assert_eq!(
            short(b"-0.0")
                .and_then(|short| short.f32())
                .map(f32::to_bits),
            Some((-0.0_f32).to_bits())
        );
    }

    proptest! {
        #[test]
        fn the_fast_path_rounds_like_the_slow_path(
            mantissa in -(1_i64 << 55)..1_i64 << 55,
            shift in 0_u32..50,
            point in 0_usize..18,
        ) {
            let digits = format!("{:019}", (mantissa >> shift).abs());
            let (whole, fraction) = digits.split_at(19 - point);
            let whole = whole.trim_start_matches('0');
            let sign = if mantissa < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{fraction}0", if whole.is_empty() { "0" } else { whole });
            if let Some(short) = short(text.as_bytes()) {
                prop_assert_eq!(short.length, text.len());
                if let Some(value) = short.f32() {
                    prop_assert_eq!(value.to_bits(), text.parse::<f32>().unwrap().to_bits());
                }
                if let Some(value) = short.f64() {
                    prop_assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits());
                }
            }
        }

        #[test]
        fn middles_are_rounded_once(bits in any::<u32>(), nudge in -1_i64..2) {
            let value = f32::from_bits(bits & 0x3fff_ffff);
            let middle = (f64::from(value) + f64::from(value.next_up())) / 2.0;
            let middle = f64::from_bits(middle.to_bits().wrapping_add_signed(nudge));
            for text in [format!("{middle}"), format!("{middle:.15}"), format!("{middle:.17}")] {
                if let Some(value) = short(text.as_bytes()).and_then(|short| short.f32()) {
                    let long = text.parse::<f32>().unwrap();
                    prop_assert_eq!(value.to_bits(), long.to_bits(), "{}", text);
                }
            }
        }

        #[test]
        fn whole_numbers_come_back(value in any::<i128>(), shift in 0_u32..128) {
            let value = value >> shift;
            if let Some(read) = whole(&value.to_string()) {
                prop_assert_eq!(read, value);
            } else {
                prop_assert!(value.unsigned_abs() > u128::from(u64::MAX));
            }
        }
    }
}
