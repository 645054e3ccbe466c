//! Pseudo-random numbers from a seed. The same seed gives the same numbers on every machine, so a
//! draw can be repeated.
//!
//! Uniform by `SplitMix64` (Steele, Lea & Flood 2014), normal by Box & Muller (1958), gamma by
//! Marsaglia & Tsang ("A simple method for generating gamma variables", 2000), beta of two gammas.
//! Logarithms are computed in software.

/// A sequence of pseudo-random numbers.
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The sequence of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let number = self.0;
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// A number between 0 and 1, both excluded.
    pub fn unit(&mut self) -> f64 {
        ((self.number() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// One draw of the standard normal distribution.
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.unit(), self.unit());
        (-2.0 * libm::log(radius)).sqrt() * libm::cos(std::f64::consts::TAU * angle)
    }

    /// One draw of the gamma distribution with this shape, 1 or more, and scale 1.
    fn gamma(&mut self, shape: f64) -> f64 {
        let scale = shape - 1.0 / 3.0;
        let slope = 1.0 / (9.0 * scale).sqrt();
        // Nineteen of twenty draws are accepted at the first try.
        loop {
            let drawn = self.normal();
            let cube = 1.0 + slope * drawn;
            if cube <= 0.0 {
                continue;
            }
            let cube = cube * cube * cube;
            let accepted = 0.5 * drawn * drawn + scale - scale * cube + scale * libm::log(cube);
            if libm::log(self.unit()) < accepted {
                return scale * cube;
            }
        }
    }

    /// One draw of the beta distribution; both parameters are 1 or more.
    pub fn beta(&mut self, one: f64, other: f64) -> f64 {
        let (one, other) = (self.gamma(one), self.gamma(other));
        one / (one + other)
    }
}
