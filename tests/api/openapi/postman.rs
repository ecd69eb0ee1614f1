//! The collection for Postman, made from the document. `make postman` writes it; this test fails
//! while the file is another one.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::{each, examples};
use crate::support::document::DOCUMENT;

const FILE: &str = "docs/linkops.postman_collection.json";

/// After a login the token is kept for all other requests.
const KEEP_TOKEN: &str =
    "if (pm.response.code === 200) pm.collectionVariables.set('token', pm.response.json().token);";

#[test]
fn the_postman_collection_is_that_of_the_document() {
    let made = serde_json::to_string_pretty(&collection()).unwrap() + "\n";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    if std::env::var_os("LINKOPS_REWRITE").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == made, "{FILE} is not what the document says; run: make postman");
}

fn collection() -> Value {
    let folders = DOCUMENT["tags"].as_array().unwrap().iter().map(|tag| {
        let of = |operation: &Value| operation["tags"][0] == tag["name"];
        let items = each().filter(|(_, _, operation)| of(operation));
        let items: Vec<Value> = items.map(|(path, method, one)| item(path, method, one)).collect();
        json!({ "name": tag["name"], "description": tag["description"], "item": items })
    });
    json!({
        "info": {
            "name": DOCUMENT["info"]["title"],
            "description": DOCUMENT["info"]["description"],
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {
            "type": "bearer",
            "bearer": [{ "key": "token", "value": "{{token}}", "type": "string" }],
        },
        "variable": [
            { "key": "baseUrl", "value": "http://127.0.0.1:8000" },
            { "key": "token", "value": "" },
        ],
        "item": folders.collect::<Vec<_>>(),
    })
}

fn item(path: &str, method: &str, operation: &Value) -> Value {
    let mut request = json!({
        "method": method.to_uppercase(),
        "description": operation["description"],
        "header": parameters(operation, "header"),
        "url": url(path, operation),
    });
    if operation["security"] == json!([]) {
        request["auth"] = json!({ "type": "noauth" });
    }
    if let Some((kind, media)) = content(operation) {
        let example = examples(media)[0];
        let kind = if kind == "*/*" { "application/json" } else { kind };
        let raw = match kind {
            "application/json" => serde_json::to_string_pretty(example).unwrap(),
            _ => example.as_str().unwrap_or_default().to_owned(),
        };
        request["header"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "key": "Content-Type", "value": kind }));
        request["body"] = json!({ "mode": "raw", "raw": raw });
    }
    let mut item = json!({ "name": operation["summary"], "request": request });
    if operation["operationId"] == "login" {
        let script = json!({ "type": "text/javascript", "exec": [KEEP_TOKEN] });
        item["event"] = json!([{ "listen": "test", "script": script }]);
    }
    item
}

fn content(operation: &Value) -> Option<(&str, &Value)> {
    let content = operation["requestBody"]["content"].as_object()?;
    content.iter().next().map(|(kind, media)| (&kind[..], media))
}

/// Parameters of a place; those that can be left out are switched off.
fn parameters(operation: &Value, place: &str) -> Vec<Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    let here = all.filter(|one| one["in"] == place);
    here.map(|one| {
        let value = match &one["example"] {
            Value::String(text) => text.clone(),
            Value::Array(items) => {
                items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        let mut shown = Map::new();
        shown.insert("key".to_owned(), one["name"].clone());
        shown.insert("value".to_owned(), value.into());
        shown.insert("description".to_owned(), one["description"].clone());
        if one["required"] != true {
            shown.insert("disabled".to_owned(), true.into());
        }
        shown.into()
    })
    .collect()
}

fn url(path: &str, operation: &Value) -> Value {
    let parts = path.split('/').skip(1);
    let parts: Vec<String> = parts
        .map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some(name) => format!(":{name}"),
            None => part.to_owned(),
        })
        .collect();
    json!({
        "raw": format!("{{{{baseUrl}}}}/{}", parts.join("/")),
        "host": ["{{baseUrl}}"],
        "path": parts,
        "query": parameters(operation, "query"),
        "variable": parameters(operation, "path"),
    })
}
