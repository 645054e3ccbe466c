//! Shares match weights, keys stay, rules come first, invalid routes are reported.

use proptest::prelude::*;

use super::*;

/// Headers of a request, and the route that reads them.
struct Request<'a>(&'a Route, &'a [(&'a str, &'a str)]);

impl Attributes for Request<'_> {
    fn value(&self, source: usize) -> Option<&[u8]> {
        let Source::Header(wanted) = &self.0.sources()[source] else {
            return None;
        };
        self.1
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_bytes())
    }
}

fn header(name: &str) -> Source {
    Source::Header(name.to_owned())
}

fn variants(weights: &[f64]) -> Vec<Variant> {
    let variant = |(index, weight): (usize, &f64)| {
        Variant::new((index + 1).to_string().parse().unwrap(), *weight)
    };
    weights.iter().enumerate().map(variant).collect()
}

fn when(name: &str, test: Test) -> Condition {
    Condition {
        source: header(name),
        test,
    }
}

fn equals(text: &str) -> Test {
    Test::Equals(text.to_owned())
}

fn rule(when: impl Into<Vec<Condition>>, to: usize) -> Rule {
    Rule {
        when: when.into(),
        percent: 100.0,
        to,
    }
}

fn sticky(salt: &str, weights: &[f64]) -> Route {
    let parts = Parts {
        salt: salt.into(),
        variants: variants(weights),
        sticky: Some(header("user")),
        ..Parts::default()
    };
    Route::new(parts).unwrap()
}

fn of_user(route: &Route, user: u32) -> usize {
    let choice = route.decide(&Request(route, &[("user", &user.to_string())]), || {
        panic!("no chance is needed")
    });
    assert_eq!(choice.why, Why::Key);
    choice.variant
}

/// Pearson's statistic of counts against weights.
fn chi_squared(counts: &[u32], weights: &[f64]) -> f64 {
    let (all, sum) = (
        f64::from(counts.iter().sum::<u32>()),
        weights.iter().sum::<f64>(),
    );
    let part = |(count, weight): (&u32, &f64)| {
        let expected = all * weight / sum;
        (f64::from(*count) - expected).powi(2) / expected
    };
    counts.iter().zip(weights).map(part).sum()
}

#[test]
fn shares_match_weights() {
    // The 99.9th percentile of chi-squared with three degrees of freedom.
    const CRITICAL: f64 = 16.27;
    let weights = [60.0, 25.0, 10.0, 5.0];
    for salt in ["a", "b", "tumor", ""] {
        let (route, mut keyed, mut chanced) = (sticky(salt, &weights), [0; 4], [0; 4]);
        let mut seed = 7_u64;
        for user in 0..40_000 {
            keyed[of_user(&route, user)] += 1;
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let choice = route.decide(&Request(&route, &[]), || seed);
            assert_eq!(choice.why, Why::Chance);
            chanced[choice.variant] += 1;
        }
        assert!(
            chi_squared(&keyed, &weights) < CRITICAL,
            "{salt}: {keyed:?}"
        );
        assert!(
            chi_squared(&chanced, &weights) < CRITICAL,
            "{salt}: {chanced:?}"
        );
    }
}

#[test]
fn every_replica_and_every_version_agrees() {
    let route = sticky("tumor", &[50.0, 30.0, 20.0]);
    let of: String = (0..40)
        .map(|user| of_user(&route, user).to_string())
        .collect();
    assert_eq!(of, "0022111211220102200012100102000200101010");
    assert_ne!(
        of,
        (0..40)
            .map(|user| of_user(&sticky("other", &[50.0, 30.0, 20.0]), user).to_string())
            .collect::<String>()
    );
}

#[test]
fn rules_come_first_in_their_order() {
    let rules = vec![
        rule(
            [
                when("cohort", equals("pilot")),
                when("site", Test::Prefix("eu-".into())),
            ],
            1,
        ),
        rule(
            [when(
                "cohort",
                Test::OneOf(vec!["pilot".into(), "beta".into()]),
            )],
            2,
        ),
        rule(
            [
                when("agent", Test::Matches(Pattern::new("test/.*").unwrap())),
                when("cohort", Test::Absent),
            ],
            1,
        ),
    ];
    let parts = Parts {
        salt: "s".into(),
        variants: variants(&[1.0, 0.0, 0.0]),
        rules,
        ..Parts::default()
    };
    let route = Route::new(parts).unwrap();
    let to = |headers: &[(&str, &str)]| {
        let Choice { variant, why } = route.decide(&Request(&route, headers), || 1);
        (variant, why)
    };
    assert_eq!(
        to(&[("cohort", "pilot"), ("site", "eu-1")]),
        (1, Why::Rule(0))
    );
    assert_eq!(
        to(&[("cohort", "pilot"), ("site", "us-1")]),
        (2, Why::Rule(1))
    );
    assert_eq!(to(&[("cohort", "beta")]), (2, Why::Rule(1)));
    assert_eq!(to(&[("agent", "test/3")]), (1, Why::Rule(2)));
    assert_eq!(
        to(&[("agent", "test/3"), ("cohort", "x")]),
        (0, Why::Chance)
    );
    assert_eq!(to(&[]), (0, Why::Chance));
}

#[test]
fn percent_of_a_rule_keeps_its_keys_when_it_grows() {
    let route = |percent| {
        let parts = Parts {
            salt: "s".into(),
            variants: variants(&[1.0, 0.0]),
            rules: vec![Rule {
                percent,
                ..rule([], 1)
            }],
            sticky: Some(header("user")),
            ..Parts::default()
        };
        Route::new(parts).unwrap()
    };
    let (ten, twenty) = (route(10.0), route(20.0));
    let of = |route: &Route, user: u32| {
        route
            .decide(&Request(route, &[("user", &user.to_string())]), || 0)
            .variant
    };
    let (mut few, mut more) = (0, 0);
    for user in 0..20_000 {
        assert!(of(&ten, user) <= of(&twenty, user), "user {user} left");
        few += of(&ten, user);
        more += of(&twenty, user);
    }
    assert!(
        (1_850..2_150).contains(&few) && (3_800..4_200).contains(&more),
        "{few} {more}"
    );
}

#[test]
fn all_flaws_are_reported_at_once() {
    let parts = Parts {
        salt: String::new(),
        variants: variants(&[0.0, f64::NAN]),
        rules: vec![
            Rule {
                percent: 0.0,
                ..rule([], 0)
            },
            rule(
                [when("a", equals("x")), when("a", Test::Prefix("y".into()))],
                5,
            ),
            rule([when("a", Test::OneOf(vec![]))], 0),
            rule([when("a", Test::Prefix("x".into()))], 0),
            rule([when("a", equals("xy")), when("b", Test::Present)], 0),
        ],
        ..Parts::default()
    };
    let flaws = Route::new(parts).unwrap_err();
    let parts: Vec<Part> = flaws.iter().map(|flaw| flaw.part).collect();
    let rule = Part::Rule;
    let expected = [
        Part::Variant(1),
        rule(0),
        rule(1),
        Part::Condition(1, 1),
        Part::Condition(2, 0),
        rule(4),
    ];
    assert_eq!(parts, expected, "{flaws:#?}");
    let of = |weights: &[f64]| {
        Route::new(Parts {
            variants: variants(weights),
            ..Parts::default()
        })
        .unwrap_err()[0]
            .clone()
    };
    assert!(of(&[]).message.contains("empty"));
    assert!(of(&[0.0, 0.0]).message.contains("all weights are 0"));
    assert!(of(&[f64::MAX, f64::MAX]).message.contains("sum"));
}

#[test]
fn other_weights_for_requests_without_a_key_move_no_key() {
    let route = sticky("s", &[50.0, 50.0]);
    let drawing = route.clone().drawing_by(&[10.0, 90.0]);
    for user in 0..1000 {
        assert_eq!(of_user(&route, user), of_user(&drawing, user), "{user}");
    }
    let drawn = |number: u64| {
        drawing.decide(&Request(&drawing, &[]), || {
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        })
    };
    let second = (0..10_000)
        .filter(|number| drawn(*number).variant == 1)
        .count();
    assert!((8_850..9_150).contains(&second), "{second}");
}

proptest! {
    /// A variant that grows keeps its keys, and no key moves between two others.
    #[test]
    fn growing_only_takes(
        weights in prop::collection::vec(0.0..100.0_f64, 2..6),
        which in 0_usize..6,
        by in 0.0..100.0_f64,
    ) {
        let which = which % weights.len();
        let mut grown = weights.clone();
        grown[which] += by;
        prop_assume!(weights.iter().sum::<f64>() > 0.0);
        let (before, after) = (sticky("s", &weights), sticky("s", &grown));
        for user in 0..300 {
            let (was, is) = (of_user(&before, user), of_user(&after, user));
            prop_assert!(was == is || is == which, "user {} went from {} to {}, and {} grew", user, was, is, which);
        }
    }

    #[test]
    fn a_variant_without_weight_gets_nothing(chance: u64) {
        let parts = Parts { variants: variants(&[0.0, 1.0, 0.0]), ..Parts::default() };
        let route = Route::new(parts).unwrap();
        prop_assert_eq!(route.decide(&Request(&route, &[]), || chance).variant, 1);
    }
}
