//! Reads the condition of a switch: `{ tensor: first.score, between: [0.3, 0.7], rows: any }`.

use super::super::check;
use super::super::decode::Decoder;
use super::super::node::{Data, Node};
use super::super::stage::tensor_name;
use crate::graph::{Condition, Number, Rows, Test, Value};

/// The keys of the tests.
const TESTS: [&str; 7] = [
    "less", "at_most", "greater", "at_least", "between", "equals", "one_of",
];
/// Values that one condition may list.
const VALUES_MAX: usize = 256;

pub(super) fn read(here: &mut Decoder, node: &Node) -> Option<Condition> {
    let known: Vec<&'static str> = ["tensor", "rows"].into_iter().chain(TESTS).collect();
    let fields = here.fields(node, &known)?;
    let tensor = here.required(&fields, "tensor", tensor_name);
    let rows = here.optional(&fields, "rows", |here, node| {
        here.word(node, &[("any", Rows::Any), ("all", Rows::All)])
    });
    let written: Vec<&'static str> = TESTS
        .into_iter()
        .filter(|key| fields.get(key).is_some())
        .collect();
    let [key] = written.as_slice() else {
        here.report(
            node.place,
            format!(
                "needs one of `{}`, and has {}",
                TESTS.join("`, `"),
                written.len()
            ),
        );
        return None;
    };
    let test = here.optional(&fields, key, |here, node| match *key {
        "less" => number(here, node).map(Test::Less),
        "at_most" => number(here, node).map(Test::AtMost),
        "greater" => number(here, node).map(Test::Greater),
        "at_least" => number(here, node).map(Test::AtLeast),
        "between" => between(here, node),
        "equals" => value(here, node).map(|value| Test::OneOf(vec![value])),
        _ => {
            check::not_empty(here, node, "name at least one value");
            check::at_most(here, node, VALUES_MAX, "values");
            here.list(node, value).map(Test::OneOf)
        }
    });
    Some(Condition {
        tensor: tensor?,
        rows: rows.unwrap_or(Rows::Any),
        test: test?,
    })
}

fn number(here: &mut Decoder, node: &Node) -> Option<Number> {
    let Data::Number { value, .. } = &node.data else {
        return here.expected("a number", node);
    };
    let whole = value
        .as_i64()
        .map(i128::from)
        .or_else(|| value.as_u64().map(i128::from))
        .map(Number::Whole);
    whole.or_else(|| value.as_f64().map(Number::Float))
}

fn between(here: &mut Decoder, node: &Node) -> Option<Test> {
    let bounds = here.list(node, number)?;
    let sound = match bounds.as_slice() {
        [least, most] if least.value() <= most.value() => Ok(Test::Between(*least, *most)),
        [_, _] => {
            Err("the first bound is larger than the second, so nothing lies between".to_owned())
        }
        _ => Err("has two numbers, the least and the largest, like [0.3, 0.7]".to_owned()),
    };
    here.sound(node, sound)
}

fn value(here: &mut Decoder, node: &Node) -> Option<Value> {
    match &node.data {
        Data::Number { .. } => number(here, node).map(Value::Number),
        Data::Bool(value) => Some(Value::Bool(*value)),
        Data::Text(text) => Some(Value::Text(text.clone())),
        _ => here.expected("a number, text, true or false", node),
    }
}
