//! `/api/openapi.json`: the document is whole, its examples are right, and it is true to the
//! server (`walk.rs`). That every other reply is one that it allows is checked by the test client.

mod postman;
mod samples;
mod walk;

use std::collections::BTreeSet;

use linkops::auth::Role;
use linkops::{inventory, operations, tables};
use serde_json::{Value, json};

use crate::support::document::{DOCUMENT, meant};
use crate::support::schema::{problems, resolve};

/// Each operation with its path and its method.
fn each() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(move |(method, operation)| (&path[..], &method[..], operation))
    })
}

/// Keywords whose arguments are values, not parts of the document.
const VALUES: &[&str] = &["example", "examples", "default", "enum", "const"];

/// Calls `look` with each value that is not part of an example, and where it stands.
fn visit<'a>(value: &'a Value, at: &str, look: &mut impl FnMut(&'a Value, &str)) {
    look(value, at);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                // Under these the names are not keywords.
                let free = ["/properties", "/schemas", "/responses"].iter();
                let mut free = free.filter(|one| at.ends_with(**one));
                if free.next().is_some() || !VALUES.contains(&&name[..]) {
                    visit(value, &format!("{at}/{name}"), look);
                }
            }
        }
        Value::Array(items) => {
            for (number, item) in items.iter().enumerate() {
                visit(item, &format!("{at}/{number}"), look);
            }
        }
        _ => {}
    }
}

/// Every schema of the document, those within others too.
fn schemas() -> Vec<(String, &'static Value)> {
    let mut found = Vec::new();
    visit(&DOCUMENT, "", &mut |value, at| {
        let (above, last) = at.rsplit_once('/').unwrap_or_default();
        let above = above.rsplit('/').next().unwrap_or_default();
        let one = ["schema", "items", "additionalProperties"].contains(&last)
            || ["schemas", "anyOf", "x-events"].contains(&above)
            || (above == "properties" && value.is_object());
        if one && value.is_object() {
            found.push((at.to_owned(), value));
        }
    });
    found
}

#[test]
fn every_reference_names_something_and_everything_is_referred_to() {
    let mut used = BTreeSet::new();
    visit(&DOCUMENT, "", &mut |value, _| {
        if let Some(reference) = value["$ref"].as_str() {
            resolve(&DOCUMENT, reference);
            used.insert(reference.to_owned());
        }
    });
    for kind in ["schemas", "responses", "headers"] {
        for name in DOCUMENT["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(used.contains(&reference), "nothing refers to {reference}");
        }
    }
}

/// A keyword that the checker does not know ends the test, also where no reply comes to it.
#[test]
fn every_schema_can_be_checked() {
    let all = schemas();
    assert!(all.len() > 100, "{}", all.len());
    for (at, schema) in all {
        problems(&DOCUMENT, schema, &Value::Null);
        let fields = schema["properties"].as_object();
        for name in schema["required"].as_array().into_iter().flatten() {
            let known = fields.is_some_and(|fields| fields.contains_key(name.as_str().unwrap()));
            assert!(known || schema["additionalProperties"] != false, "{at}: {name}");
        }
    }
}

/// The examples of a parameter, a schema, or a body.
fn examples(of: &Value) -> Vec<&Value> {
    let named = of["examples"].as_object().into_iter().flatten().map(|(_, one)| &one["value"]);
    let listed = of["examples"].as_array().into_iter().flatten();
    of.get("example").into_iter().chain(named).chain(listed).collect()
}

#[test]
fn every_example_is_of_its_schema() {
    let right = |schema: &Value, example: &Value, at: &str| {
        let found = problems(&DOCUMENT, schema, example);
        assert!(found.is_empty(), "{at}: {found:#?}\n{example}");
    };
    let mut count = 0;
    visit(&DOCUMENT, "", &mut |value, at| {
        if let Some(schema) = value.get("schema") {
            examples(value).into_iter().for_each(|one| right(schema, one, at));
            count += examples(value).len();
        }
    });
    for (at, schema) in schemas() {
        examples(schema).into_iter().for_each(|one| right(schema, one, &at));
        count += examples(schema).len();
    }
    assert!(count > 40, "{count}");
}

/// What a reader needs: a summary, words for each parameter, examples of all that is sent.
#[test]
fn every_operation_is_described_with_examples() {
    for (path, method, operation) in each() {
        let id = operation["operationId"].as_str().unwrap();
        let summary = operation["summary"].as_str().unwrap();
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{id}: {summary:?}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = &parameter["name"];
            assert!(parameter["description"].is_string(), "{id}: {name}");
            assert!(parameter.get("example").is_some(), "{id}: {name} has no example");
        }
        let unknown = operation["responses"]["404"]["$ref"].as_str();
        assert!(!path.contains('{') || unknown.is_some(), "{method} {path} lists no code of 404");
        let success = operation["responses"].as_object().unwrap().iter();
        let success =
            success.filter(|(status, _)| status.starts_with('2')).map(|(_, one)| meant(one));
        let bodies = success.chain(operation.get("requestBody")).flat_map(|one| {
            one["content"].as_object().into_iter().flatten().map(|(_, media)| media)
        });
        for media in bodies {
            assert!(!examples(media).is_empty(), "{id} has a body without an example");
        }
    }
}

/// Each field that can be sent stands in an example, and so is sent by the walk.
#[test]
fn every_field_of_a_request_is_in_an_example() {
    for (_, _, operation) in each() {
        let media = &operation["requestBody"]["content"]["application/json"];
        let schema = meant(&media["schema"]);
        for name in schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name) {
            let shown = examples(media).iter().any(|one| one.get(name).is_some());
            assert!(shown, "{}: no example has {name}", operation["operationId"]);
        }
    }
}

/// The codes of `api/error.rs`, all of them and no others.
#[test]
fn the_codes_are_those_of_the_code() {
    let text = include_str!("../../src/api/error.rs");
    let is_code = |word: &&str| {
        word.len() > 3 && word.bytes().all(|one| one.is_ascii_uppercase() || one == b'_')
    };
    let words = text.lines().flat_map(|line| line.split('"').skip(1).step_by(2));
    let in_code: BTreeSet<&str> = words.filter(is_code).collect();
    let listed =
        &DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"];
    let listed = listed["enum"].as_array().unwrap();
    let in_document: BTreeSet<&str> = listed.iter().map(|code| code.as_str().unwrap()).collect();
    assert_eq!(in_code, in_document);
    assert_eq!(listed.len(), in_document.len());
}

#[test]
fn closed_sets_of_words_are_those_of_the_code() {
    let schema = |name: &str| &DOCUMENT["components"]["schemas"][name]["enum"];
    assert_eq!(*schema("LinkType"), json!(inventory::Kind::WORDS));
    assert_eq!(*schema("LinkStatus"), json!(inventory::Status::WORDS));
    assert_eq!(*schema("OperationStatus"), json!(operations::Status::WORDS));
    assert_eq!(*schema("ExecutionStatus"), json!(operations::ExecutionStatus::WORDS));
    assert_eq!(*schema("Unfinished"), json!(operations::Unfinished::WORDS));
    assert_eq!(*schema("Role"), json!([Role::Viewer, Role::Operator, Role::Admin]));
    let tables: Vec<&str> = tables::TABLES.iter().map(|table| table.name).collect();
    assert_eq!(*schema("TableName"), json!(tables));
    let parameters = DOCUMENT["paths"]["/api/links"]["get"]["parameters"].as_array().unwrap();
    let sort = parameters.iter().find(|one| one["name"] == "sort").unwrap();
    let columns: BTreeSet<_> = inventory::Sort::columns().collect();
    let listed = sort["schema"]["enum"].as_array().unwrap().iter();
    assert_eq!(listed.map(|one| one.as_str().unwrap()).collect::<BTreeSet<_>>(), columns);
}
