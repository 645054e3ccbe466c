//! Conditions and merges over tensors.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::*;
use crate::datatype::Datatype;
use crate::tensor::{Shape, Tensor};

fn tensor(datatype: Datatype, size: u64, data: &[u8]) -> Tensor {
    Tensor::new(
        datatype,
        Shape::from_slice(&[size]),
        Bytes::copy_from_slice(data),
    )
    .unwrap()
}

fn floats(values: &[f32]) -> Tensor {
    let data: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    tensor(Datatype::Fp32, values.len() as u64, &data)
}

fn holds(rows: Rows, test: Test, tensor: &Tensor) -> bool {
    Condition {
        tensor: String::new(),
        rows,
        test,
    }
    .holds(tensor)
}

#[test]
fn conditions_hold_of_any_or_all_elements() {
    let between = || Test::Between(Number::Float(0.25), Number::Float(0.75));
    for (values, any, all) in [
        (&[][..], false, false),
        (&[0.5], true, true),
        (&[0.25, 0.75], true, true),
        (&[0.1, 0.5], true, false),
        (&[0.1, 0.9], false, false),
        (&[f32::NAN, 0.5], true, false),
    ] {
        let tensor = floats(values);
        assert_eq!(
            (
                holds(Rows::Any, between(), &tensor),
                holds(Rows::All, between(), &tensor)
            ),
            (any, all)
        );
    }
    let one = |test: Test| holds(Rows::Any, test, &floats(&[0.5]));
    let (half, more) = (Number::Float(0.5), Number::Whole(1));
    assert!(one(Test::Less(more)) && !one(Test::Less(half)) && one(Test::AtMost(half)));
    assert!(one(Test::AtLeast(half)) && !one(Test::Greater(half)) && !one(Test::Greater(more)));
    let exact = tensor(Datatype::Uint64, 1, &u64::MAX.to_le_bytes());
    let equals = |number: i128| Test::OneOf(vec![Value::Number(Number::Whole(number))]);
    assert!(holds(Rows::All, equals(u64::MAX.into()), &exact));
    assert!(!holds(Rows::All, equals(i128::from(u64::MAX) - 1), &exact));
    assert!(holds(
        Rows::All,
        equals(-2),
        &tensor(Datatype::Int8, 1, &[0xfe])
    ));
    assert!(holds(
        Rows::All,
        Test::OneOf(vec![Value::Bool(true)]),
        &tensor(Datatype::Bool, 1, &[1])
    ));
    let labels = Tensor::from_bytes_elements([&b"benign"[..], b"malignant"]);
    let said = Test::OneOf(vec![Value::Text("malignant".to_owned())]);
    assert!(holds(Rows::Any, said.clone(), &labels) && !holds(Rows::All, said, &labels));
}

#[test]
fn labels_are_voted_on_and_the_earliest_wins_a_tie() {
    let say = |labels: [&str; 3]| Tensor::from_bytes_elements(labels.map(str::as_bytes));
    let (one, two, three) = (
        say(["a", "b", "c"]),
        say(["x", "b", "y"]),
        say(["x", "z", "zz"]),
    );
    let merged = merge(Method::Vote, &[&one, &two, &three]).unwrap();
    assert_eq!(merged, say(["x", "b", "c"]));
    assert_eq!(merge(Method::First, &[&three, &one]).unwrap(), three);
    let wrong = merge(
        Method::Vote,
        &[&one, &Tensor::from_bytes_elements([&b"a"[..]])],
    )
    .unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "one member gives BYTES [3] and another BYTES [1]; merged outputs must have the same shape"
    );
    assert!(merge(Method::Mean, &[&one, &two]).is_err());
    assert!(merge(Method::First, &[]).is_err());
}

proptest! {
    #[test]
    fn numbers_are_merged_as_by_hand(
        members in (1_usize..5, 0_usize..6).prop_flat_map(|(members, size)| {
            prop::collection::vec(prop::collection::vec(-1e3_f32..1e3, size), members)
        }),
    ) {
        let tensors: Vec<Tensor> = members.iter().map(|member| floats(member)).collect();
        let tensors: Vec<&Tensor> = tensors.iter().collect();
        let column = |index: usize| members.iter().map(move |member| member[index]);
        for index in 0..members[0].len() {
            let merged = |method| {
                let merged = merge(method, &tensors).unwrap();
                f32::from_le_bytes(merged.data()[index * 4..][..4].try_into().unwrap())
            };
            let mean = column(index).map(f64::from).sum::<f64>() / members.len() as f64;
            let error = (f64::from(merged(Method::Mean)) - mean).abs();
            prop_assert!(error <= mean.abs() * 1e-6 + 1e-9);
            prop_assert_eq!(merged(Method::Max), column(index).fold(f32::MIN, f32::max));
            prop_assert_eq!(merged(Method::Min), column(index).fold(f32::MAX, f32::min));
        }
    }

    #[test]
    fn whole_numbers_keep_their_digits(values in prop::collection::vec(any::<i64>(), 1..6)) {
        let tensors: Vec<Tensor> =
            values.iter().map(|value| tensor(Datatype::Int64, 1, &value.to_le_bytes())).collect();
        let tensors: Vec<&Tensor> = tensors.iter().collect();
        let merged = |method| {
            let merged = merge(method, &tensors).unwrap();
            i64::from_le_bytes(merged.data()[..].try_into().unwrap())
        };
        prop_assert_eq!(Some(merged(Method::Max)), values.iter().copied().max());
        prop_assert_eq!(Some(merged(Method::Min)), values.iter().copied().min());
        prop_assert!(values.contains(&merged(Method::Vote)));
    }
}

#[test]
fn nan_is_not_hidden() {
    let (one, other) = (floats(&[f32::NAN, 1.0]), floats(&[1.0, f32::NAN]));
    for method in [Method::Max, Method::Min, Method::Mean] {
        let merged = merge(method, &[&one, &other]).unwrap();
        assert!(
            merged
                .data()
                .chunks_exact(4)
                .all(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()).is_nan())
        );
    }
}
