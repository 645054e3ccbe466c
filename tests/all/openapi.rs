//! Answers checked against the protocol's OpenAPI description, if it exists beside the repository
//! (`../shared/spec`).

use std::fs;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value, json};

use crate::harness::server::Setup;
use crate::harness::{root, skipped, tumor};

/// The document's schemas by name; `None` if the document is missing.
fn schemas() -> Option<Map<String, Value>> {
    let path = root().join("../shared/spec/open_inference_rest.yaml");
    let Ok(text) = fs::read_to_string(&path) else {
        skipped(&format!("{} is not there", path.display()));
        return None;
    };
    let mut events = Parser::new_from_str(&text)
        .map(|event| event.unwrap().0)
        .peekable();
    let is_around =
        |event: &Event<'_>| matches!(event, Event::StreamStart | Event::DocumentStart(_));
    while events.next_if(is_around).is_some() {}
    match value(&mut events)["components"]["schemas"].take() {
        Value::Object(schemas) => Some(schemas),
        other => panic!("no schemas: {other}"),
    }
}

/// A YAML value as JSON. Scalars are text, because nothing here depends on a number of the
/// document.
fn value<'a>(events: &mut impl Iterator<Item = Event<'a>>) -> Value {
    let event = events.next().unwrap();
    after(event, events).unwrap()
}

/// The value that starts with this event; `None` at the end of a list or an object.
fn after<'a>(event: Event<'a>, events: &mut impl Iterator<Item = Event<'a>>) -> Option<Value> {
    match event {
        Event::Scalar(text, ScalarStyle::Plain, ..) if text == "true" => Some(json!(true)),
        Event::Scalar(text, ..) => Some(json!(text)),
        Event::SequenceStart(..) => {
            let mut list = Vec::new();
            while let Some(item) = events.next().and_then(|event| after(event, events)) {
                list.push(item);
            }
            Some(Value::Array(list))
        }
        Event::MappingStart(..) => {
            let mut object = Map::new();
            while let Some(Value::String(key)) =
                events.next().and_then(|event| after(event, events))
            {
                object.insert(key, value(events));
            }
            Some(Value::Object(object))
        }
        Event::SequenceEnd | Event::MappingEnd => None,
        other => panic!("{other:?} is nothing that the description needs"),
    }
}

/// All errors of a value, by path.
fn misfits(
    schemas: &Map<String, Value>,
    schema: &Value,
    value: &Value,
    at: &str,
    found: &mut Vec<String>,
) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        return misfits(schemas, &schemas[name], value, at, found);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = |choice: &Value| {
            let mut wrong = Vec::new();
            misfits(schemas, choice, value, at, &mut wrong);
            wrong.is_empty()
        };
        if !choices.iter().any(fits) {
            found.push(format!("{at}: {value} is none of what it may be"));
        }
        return;
    }
    let fits = match schema["type"].as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        other => panic!("{at}: a schema of type {other}"),
    };
    if !fits {
        found.push(format!("{at}: {value} is no {}", schema["type"]));
    }
    for required in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if value.get(required).is_none() {
            found.push(format!("{at}.{required} is missing"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        misfits(
            schemas,
            &schema["items"],
            item,
            &format!("{at}[{index}]"),
            found,
        );
    }
    for (key, item) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(property) => misfits(schemas, property, item, &format!("{at}.{key}"), found),
            None if schema["properties"].is_object() => {
                found.push(format!("{at}.{key} is not described"));
            }
            None => {}
        }
    }
}

#[test]
fn answers_are_as_the_protocol_describes_them() {
    let Some(schemas) = schemas() else { return };
    let server = Setup::tumor().start();
    let mut request = tumor::request("batch");
    request["id"] = json!("7");
    for (name, response) in [
        ("metadata_server_response", server.get("/v2/").ok()),
        (
            "metadata_model_response",
            server.get("/v2/models/tumor/versions/1").ok(),
        ),
        (
            "inference_response",
            server.infer("tumor/versions/1", &request).ok(),
        ),
        (
            "inference_response",
            server.infer("tumor", &tumor::request("benign")).ok(),
        ),
        (
            "inference_error_response",
            server.infer("tumor", &json!({})),
        ),
        (
            "metadata_model_error_response",
            server.get("/v2/models/zebra"),
        ),
        ("inference_request", server.infer("tumor", &json!({}))),
    ] {
        let mut found = Vec::new();
        misfits(&schemas, &schemas[name], &response.json(), name, &mut found);
        if name == "inference_request" {
            // Health checks: an error body is not a request error.
            let missing = [
                "inference_request.inputs is missing",
                "inference_request.error is not described",
            ];
            assert_eq!(found, missing);
        } else {
            assert_eq!(found, Vec::<String>::new());
        }
    }
}

#[test]
fn requests_are_taken_as_the_protocol_describes_them() {
    let Some(schemas) = schemas() else { return };
    let request = json!({
        "id": "42",
        "parameters": { "a": 1, "b": "two", "c": false },
        "inputs": [tumor::request("benign")["inputs"][0]],
        "outputs": [{ "name": "score", "parameters": {} }],
    });
    let mut found = Vec::new();
    misfits(
        &schemas,
        &schemas["inference_request"],
        &request,
        "request",
        &mut found,
    );
    assert_eq!(found, Vec::<String>::new());
    let server = Setup::tumor().start();
    for path in ["tumor", "tumor/versions/1"] {
        assert_eq!(server.infer(path, &request).ok().json()["id"], "42");
    }
}
