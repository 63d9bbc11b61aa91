//! Our own JSON is a promise: a change of it shows here.

use serde_json::{Value, json};
use wargate_wire::api::{self, Level, LogKind};

#[test]
fn the_openapi_document_is_the_one_that_was_reviewed() {
    insta::assert_json_snapshot!(api::openapi());
}

/// Every `$ref` in the document, and whether it leads to something.
fn references(value: &Value, document: &Value, found: &mut Vec<(String, bool)>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get("$ref") {
                let exists = document.pointer(target.trim_start_matches('#')).is_some();
                found.push((target.clone(), exists));
            }
            fields.values().for_each(|value| references(value, document, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, document, found)),
        _ => {}
    }
}

#[test]
fn every_reference_in_the_document_leads_somewhere_and_every_schema_is_used() {
    let document = api::openapi();
    let mut found = Vec::new();
    references(&document, &document, &mut found);
    for (target, exists) in &found {
        assert!(exists, "{target}");
    }
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        let target = format!("#/components/schemas/{schema}");
        assert!(found.iter().any(|(other, _)| *other == target), "{schema} is not used");
    }
}

#[test]
fn every_field_is_documented() {
    let document = api::openapi();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema["description"].is_string(), "{name}");
        for (field, value) in schema["properties"].as_object().into_iter().flatten() {
            assert!(value.to_string().contains("\"description\""), "{name}.{field}");
            assert!(!field.contains('_'), "{name}.{field} is not camelCase");
        }
    }
}

#[test]
fn words_of_enums_are_the_same_in_json_and_in_code() {
    for kind in [api::Kind::Component, api::Kind::Wit, api::Kind::Module] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    for kind in [LogKind::V1, LogKind::Delegated] {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
    let levels = [Level::PublisherKey, Level::RegistryForCi, Level::RegistryForAccount];
    assert_eq!(
        serde_json::to_value(levels).unwrap(),
        json!(["publisherKey", "registryForCi", "registryForAccount"])
    );
}

#[test]
fn a_release_nobody_looked_at_keeps_every_key_and_comes_back_the_same() {
    let release = json!({
        "name": "acme:hello", "namespace": "acme", "version": "1.0.0", "latest": null, "kind": null,
        "digest": "sha256:00", "size": null, "manifestDigest": null,
        "signedBy": {"level": "publisherKey", "keyIds": [], "onBehalfOf": null},
        "time": "2026-11-24T10:00:00Z", "yanked": null, "takenDown": null, "distrusted": false, "deprecated": null,
        "notes": [], "guardedBy": null,
        "record": {"logIndex": 0, "recordId": "sha256:01", "logId": "sha256:02", "logKind": "v1"},
        "inspection": null,
        "checkpoint": {"size": 1, "time": "2026-11-24T10:00:00Z", "root": "sha256:03"},
    });
    let parsed: api::Release = serde_json::from_value(release.clone()).unwrap();
    assert_eq!(serde_json::to_value(parsed).unwrap(), release);
}
