//! A route with variants that are out of service.
//!
//! Requests for a variant out of service go to the fallback, as they would if the variant failed,
//! if the fallback is in service. Without one, the variant's share is divided among the others in
//! proportion to their weights: only its own keys move, and come back with it. Rules that lead to
//! it are skipped. A variant without a share and without a rule affects no request.

use super::{Parts, Route, Shares};

impl Route {
    /// The same route over the variants that are in service; `serves` tests a variant by its index.
    /// `None` when no variant could answer a request that matches no rule.
    pub fn degraded(mut self, serves: impl Fn(usize) -> bool) -> Option<Self> {
        let Parts {
            variants, fallback, ..
        } = &self.parts;
        let fallback = fallback
            .as_ref()
            .map(|fallback| fallback.to)
            .filter(|&to| serves(to));
        let instead: Box<[Option<usize>]> = (0..variants.len())
            .map(|place| Some(place).filter(|&place| serves(place)).or(fallback))
            .collect();
        if fallback.is_none() {
            let left = |shares: &Shares| shares.only(&serves);
            self.shares = left(&self.shares)?;
            self.drawn = match &self.drawn {
                Some(drawn) => Some(left(drawn)?),
                None => None,
            };
        }
        self.instead = instead
            .iter()
            .enumerate()
            .any(|(place, to)| *to != Some(place))
            .then_some(instead);
        Some(self)
    }

    /// Whether requests can reach a variant: it has a share, a rule leads to it, or it is the
    /// fallback.
    pub fn reaches(&self, place: usize) -> bool {
        let Parts {
            variants,
            rules,
            fallback,
            ..
        } = &self.parts;
        variants
            .get(place)
            .is_some_and(|variant| variant.weight > 0.0)
            || rules.iter().any(|rule| rule.to == place)
            || fallback
                .as_ref()
                .is_some_and(|fallback| fallback.to == place)
    }

    /// The variant that answers for a variant: itself, unless it is out of service.
    pub fn answering(&self, place: usize) -> Option<usize> {
        match &self.instead {
            None => Some(place),
            Some(instead) => instead.get(place).copied().flatten(),
        }
    }

    /// The share of each variant in the requests that match no rule, by index; the sum is 1.
    pub fn parts_of_one(&self) -> Vec<f64> {
        let weight = |place: usize, weight: f64| if self.shares.has(place) { weight } else { 0.0 };
        let weights: Vec<f64> = self
            .parts
            .variants
            .iter()
            .enumerate()
            .map(|(place, variant)| weight(place, variant.weight))
            .collect();
        let sum: f64 = weights.iter().sum();
        let mut parts = vec![0.0; weights.len()];
        for (place, weight) in weights.iter().enumerate() {
            if let Some(part) = self.answering(place).and_then(|place| parts.get_mut(place)) {
                *part += weight / sum;
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;

    struct Key(Vec<u8>);

    impl Attributes for Key {
        fn value(&self, _: usize) -> Option<&[u8]> {
            Some(&self.0)
        }
    }

    fn version(name: &str) -> Version {
        name.parse().unwrap()
    }

    fn parts(weights: &[f64]) -> Parts {
        let variants = weights.iter().enumerate();
        let variants = variants
            .map(|(place, weight)| Variant::new(version(&place.to_string()), *weight))
            .collect();
        Parts {
            salt: "m".into(),
            variants,
            sticky: Some(Source::Header("k".into())),
            ..Parts::default()
        }
    }

    fn picks(route: &Route) -> Vec<usize> {
        (0..2000_u32)
            .map(|key| route.decide(&Key(key.to_be_bytes().to_vec()), || 0).variant)
            .collect()
    }

    #[test]
    fn only_the_keys_of_a_variant_out_of_service_move() {
        let route = Route::new(parts(&[5.0, 3.0, 2.0])).unwrap();
        let (before, without) = (
            picks(&route),
            picks(&route.clone().degraded(|place| place != 1).unwrap()),
        );
        assert!(before.contains(&1) && !without.contains(&1));
        assert!(
            before
                .iter()
                .zip(&without)
                .all(|(before, now)| *before == 1 || before == now)
        );
        assert_eq!(picks(&route.clone().degraded(|_| true).unwrap()), before);
        let parts = route.degraded(|place| place != 1).unwrap().parts_of_one();
        assert!(
            (parts[0] - 5.0 / 7.0).abs() < 1e-9 && parts[1].abs() < 1e-9,
            "{parts:?}"
        );
    }

    #[test]
    fn a_fallback_takes_all_of_them() {
        let fallback = Some(Fallback {
            to: 2,
            timeout: None,
            circuit: None,
        });
        let route = Route::new(Parts {
            fallback,
            ..parts(&[5.0, 3.0, 0.0])
        })
        .unwrap();
        let (before, without) = (
            picks(&route),
            picks(&route.clone().degraded(|place| place != 1).unwrap()),
        );
        let expected: Vec<usize> = before
            .iter()
            .map(|&place| if place == 1 { 2 } else { place })
            .collect();
        assert_eq!(without, expected);
        assert!(
            picks(&route.degraded(|place| place == 2).unwrap())
                .iter()
                .all(|&place| place == 2)
        );
    }

    #[test]
    fn a_variant_without_a_share_affects_no_request() {
        let route = Route::new(parts(&[1.0, 0.0])).unwrap();
        assert_eq!(
            picks(&route.clone().degraded(|place| place == 0).unwrap()),
            picks(&route)
        );
        assert!(route.reaches(0) && !route.reaches(1));
        assert!(
            route.degraded(|place| place == 1).is_none(),
            "it has no share to answer with"
        );
    }

    #[test]
    fn a_rule_to_a_variant_out_of_service_is_skipped_and_the_others_keep_their_numbers() {
        let rule = |to, percent| Rule {
            when: Vec::new(),
            percent,
            to,
        };
        let rules = vec![rule(1, 50.0), rule(2, 50.0)];
        let route = Route::new(Parts {
            rules,
            ..parts(&[1.0, 0.0, 0.0])
        })
        .unwrap();
        let (before, without) = (
            picks(&route),
            picks(&route.degraded(|place| place != 1).unwrap()),
        );
        assert!(before.contains(&1) && !without.contains(&1));
        assert!(
            before
                .iter()
                .zip(&without)
                .all(|(before, now)| *before == 1 || before == now)
        );
    }
}
