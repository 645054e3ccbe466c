//! The OpenAPI 3.1 document, generated from the table of endpoints and the types of their handlers.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::endpoint::{Endpoint, Taken};
use super::query::{Kind, Parameter};
use super::tokens::Role;
use hotstage_client::ErrorBody;

const ABOUT: &str = "Changes what a Hotstage server serves, and says what it serves and served. HEAD is answered \
                     wherever GET is. Reader tokens may ask; operator tokens may change things too.";

/// Describes the endpoints.
pub(super) fn document(endpoints: &[Endpoint]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(
                endpoint.method.as_str().to_ascii_lowercase(),
                operation(endpoint, &mut generator),
            );
        }
    }
    let error = generator.subschema_for::<ErrorBody>();
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Hotstage administration", "description": ABOUT, "version": env!("CARGO_PKG_VERSION") },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "headers": {
                "Revision": { "description": "The newest revision.", "schema": { "type": "integer" } },
            },
            "responses": {
                "Refusal": { "description": "What is wrong, where, and what to do.", "content": in_json(error) },
            },
            "schemas": generator.take_definitions(true),
        },
    })
}

fn operation(endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let places = endpoint
        .places()
        .map(|name| Parameter::new(name, Kind::Text, "").required());
    let places = places.map(|place| parameter(&place, "path"));
    let queries = endpoint.query.iter().map(|query| parameter(query, "query"));
    let headers = endpoint
        .headers
        .iter()
        .map(|header| parameter(header, "header"));
    let actor = Parameter::new(
        "hotstage-actor",
        Kind::Text,
        "Name of the actor, chosen by the caller; recorded in the journal.",
    );
    let actor = (endpoint.role == Role::Operator).then(|| parameter(&actor, "header"));
    let parameters: Vec<Value> = places.chain(queries).chain(headers).chain(actor).collect();
    let mut operation = json!({
        "operationId": id(endpoint),
        "summary": endpoint.summary,
        "description": format!("Needs the role {}.", endpoint.role.word()),
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "Success.",
                "headers": { "hotstage-revision": { "$ref": "#/components/headers/Revision" } },
                "content": in_json((endpoint.given)(generator)),
            },
            "default": { "$ref": "#/components/responses/Refusal" },
        },
    });
    let content = match endpoint.taken {
        Taken::Nothing => return operation,
        Taken::Json(schema) => in_json(schema(generator)),
        Taken::Octets => json!({ "application/octet-stream": {} }),
    };
    operation["requestBody"] = json!({ "content": content });
    operation
}

/// Operation id from method and path: `get_models_name`.
fn id(endpoint: &Endpoint) -> String {
    let words = endpoint
        .path
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words.fold(endpoint.method.as_str().to_ascii_lowercase(), |id, word| {
        format!("{id}_{word}")
    })
}

fn parameter(parameter: &Parameter, place: &str) -> Value {
    let schema = match parameter.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Number => json!({ "type": "integer", "minimum": 0 }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
    };
    let mut described = json!({ "name": parameter.name, "in": place, "required": parameter.is_required, "schema": schema });
    if !parameter.says.is_empty() {
        described["description"] = parameter.says.into();
    }
    described
}

fn in_json(schema: impl Into<Value>) -> Value {
    let schema: Value = schema.into();
    json!({ "application/json": { "schema": schema } })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::table::ENDPOINTS;
    use super::*;

    #[test]
    fn every_endpoint_is_described() {
        let document = document(&ENDPOINTS);
        let mut ids = BTreeSet::new();
        for endpoint in ENDPOINTS.iter() {
            let operation =
                &document["paths"][endpoint.path][endpoint.method.as_str().to_ascii_lowercase()];
            assert_eq!(operation["summary"], endpoint.summary);
            assert!(
                operation["responses"]["200"]["content"]["application/json"]["schema"]
                    != Value::Null
            );
            let takes = !matches!(endpoint.taken, Taken::Nothing);
            assert_eq!(
                operation.get("requestBody").is_some(),
                takes,
                "{}",
                endpoint.path
            );
            assert!(ids.insert(operation["operationId"].to_string()));
        }
        let described = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .map(|path| path.as_object().unwrap().len());
        assert_eq!(described.sum::<usize>(), ENDPOINTS.len());
    }

    #[test]
    fn every_reference_resolves() {
        let document = document(&ENDPOINTS);
        let text = document.to_string();
        let mut count = 0;
        for (at, _) in text.match_indices("\"$ref\":\"#") {
            let pointer = text[at + 9..].split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            count += 1;
        }
        assert!(count > ENDPOINTS.len());
        assert_eq!(
            document["components"]["schemas"]["ApplyRequest"]["additionalProperties"],
            false
        );
        for name in [
            "Status",
            "Page",
            "UploadInfo",
            "RepositoryModel",
            "ErrorBody",
            "ChangeMade",
        ] {
            assert!(
                document["components"]["schemas"][name].is_object(),
                "{name}"
            );
        }
    }
}
