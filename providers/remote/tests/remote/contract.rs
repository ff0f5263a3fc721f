//! docs/providers/remote.yaml says what really goes over the wire.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::server::Exchange;

fn contract() -> Value {
    let text = include_str!("../../../../docs/providers/remote.yaml");
    serde_saphyr::from_str(text).unwrap()
}

/// The validator of a schema that the contract names.
fn validator(contract: &Value, reference: &str) -> Validator {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": reference,
        "components": contract["components"],
    });
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn operation<'a>(contract: &'a Value, path: &str) -> &'a Value {
    let item = &contract["paths"][path];
    if item["get"].is_null() { &item["post"] } else { &item["get"] }
}

fn schema_of(content: &Value) -> Option<&str> {
    content.as_object()?.values().next()?["schema"]["$ref"].as_str()
}

/// Fails where an exchange is not as the contract says.
#[track_caller]
pub(crate) fn check_exchanges(exchanges: &[Exchange]) {
    let contract = contract();
    let problem = &contract["components"]["responses"]["Problem"];
    let mut validators = BTreeMap::new();
    assert!(100 < exchanges.len(), "{} exchanges prove nothing", exchanges.len());
    for Exchange { path, sent, status, answered } in exchanges {
        let operation = operation(&contract, path);
        assert!(operation.is_object(), "the contract has no {path}");
        let response = match operation["responses"].get(status.to_string()) {
            Some(response) => response,
            None => problem,
        };
        let schemas = [
            (schema_of(&operation["requestBody"]["content"]), sent),
            (schema_of(&response["content"]), answered),
        ];
        for (reference, body) in schemas {
            let Some(reference) = reference else {
                assert!(body.is_empty(), "{path}: {status} has a body that the contract has not");
                continue;
            };
            let validator = validators
                .entry(reference.to_owned())
                .or_insert_with(|| validator(&contract, reference));
            let body: Value = serde_json::from_slice(body).unwrap();
            if let Err(error) = validator.validate(&body) {
                panic!("{path} {status}: {error} in {body}");
            }
        }
    }
}

#[test]
fn every_reference_of_the_contract_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let contract = contract();
    let mut found = Vec::new();
    references(&contract, &mut found);
    assert!(30 < found.len());
    for reference in found {
        let target = contract.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference} leads nowhere");
    }
    for name in contract["components"]["schemas"].as_object().unwrap().keys() {
        validator(&contract, &format!("#/components/schemas/{name}"));
    }
}

/// An answer that lacks what it needs is refused by the schema, so that the checks above mean
/// something.
#[test]
fn the_contract_refuses_what_is_not_as_documented() {
    let contract = contract();
    for (name, body) in [
        ("Busy", json!({ "busy": [{ "start": "2031-05-05T09:00:00Z" }] })),
        ("Busy", json!({ "busy": [{ "start": "soon", "end": "2031-05-05T09:00:00Z" }] })),
        ("FoundEvent", json!({})),
        ("Problem", json!({ "class": "unlucky" })),
        ("Change", json!({ "type": "moved", "event_ref": "1" })),
    ] {
        let validator = validator(&contract, &format!("#/components/schemas/{name}"));
        assert!(!validator.is_valid(&body), "{name} takes {body}");
    }
}
