//! A checker of JSON Schema, draft 2020-12, as far as our OpenAPI document uses it. It fails on a
//! keyword that it does not know: nothing in a schema is there for show.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Map, Value};

/// What is wrong with a value under a schema of a document, a line each; none when nothing is.
pub fn problems(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut checker = Checker { document, problems: Vec::new() };
    checker.check(schema, value, "");
    checker.problems
}

/// What a `#/…` reference of a document names.
#[track_caller]
pub fn resolve<'a>(document: &'a Value, reference: &str) -> &'a Value {
    let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} is not ours"));
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} names nothing"))
}

struct Checker<'a> {
    document: &'a Value,
    problems: Vec<String>,
}

impl Checker<'_> {
    fn check(&mut self, schema: &Value, value: &Value, at: &str) {
        let Some(schema) = schema.as_object() else {
            match schema {
                Value::Bool(true) => {}
                _ => self.problems.push(format!("{at}: may not be here")),
            }
            return;
        };
        for (keyword, argument) in schema {
            self.keyword(schema, keyword, argument, value, at);
        }
    }

    fn keyword(
        &mut self,
        schema: &Map<String, Value>,
        keyword: &str,
        argument: &Value,
        value: &Value,
        at: &str,
    ) {
        let fits = match keyword {
            "description" | "default" | "example" | "examples" => true,
            "$ref" => {
                let schema = resolve(self.document, argument.as_str().expect("a reference"));
                self.check(schema, value, at);
                true
            }
            "properties" | "propertyNames" | "required" | "additionalProperties" | "items" => {
                self.parts(schema, keyword, argument, value, at);
                true
            }
            "anyOf" => {
                let each = argument.as_array().expect("schemas");
                each.iter().any(|one| problems(self.document, one, value).is_empty())
            }
            "enum" => argument.as_array().expect("values").contains(value),
            "const" => argument == value,
            "type" => is_of(argument, value),
            _ => limit(keyword, argument, value),
        };
        if !fits {
            let shown: String = value.to_string().chars().take(300).collect();
            self.problems.push(format!("{at}: {shown} is not of {keyword} {argument}"));
        }
    }

    /// The keywords that look into objects and arrays.
    fn parts(
        &mut self,
        schema: &Map<String, Value>,
        keyword: &str,
        argument: &Value,
        value: &Value,
        at: &str,
    ) {
        match (keyword, value) {
            ("properties", Value::Object(fields)) => {
                for (name, schema) in argument.as_object().expect("schemas by name") {
                    if let Some(value) = fields.get(name) {
                        self.check(schema, value, &format!("{at}/{name}"));
                    }
                }
            }
            ("propertyNames", Value::Object(fields)) => {
                for name in fields.keys() {
                    self.check(argument, &Value::String(name.clone()), &format!("{at}/{name}"));
                }
            }
            ("required", Value::Object(fields)) => {
                let names = argument.as_array().expect("names").iter();
                let missing =
                    names.filter_map(Value::as_str).filter(|name| !fields.contains_key(*name));
                self.problems.extend(missing.map(|name| format!("{at}: {name} is missing")));
            }
            ("additionalProperties", Value::Object(fields)) => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, value) in fields {
                    if !known.is_some_and(|known| known.contains_key(name)) {
                        self.check(argument, value, &format!("{at}/{name}"));
                    }
                }
            }
            ("items", Value::Array(items)) => {
                for (number, item) in items.iter().enumerate() {
                    self.check(argument, item, &format!("{at}/{number}"));
                }
            }
            _ => {}
        }
    }
}

fn is_of(types: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    };
    match types {
        Value::Array(names) => names.iter().any(|name| is(name.as_str().expect("a type"))),
        name => is(name.as_str().expect("a type")),
    }
}

/// Keywords that limit values of one type and say nothing of others.
fn limit(keyword: &str, argument: &Value, value: &Value) -> bool {
    let length = match value {
        Value::String(text) => Some(text.chars().count() as u64),
        Value::Array(items) => Some(items.len() as u64),
        Value::Object(fields) => Some(fields.len() as u64),
        _ => None,
    };
    let least = || length >= argument.as_u64();
    let most = || length <= argument.as_u64();
    let number = |fits: fn(f64, f64) -> bool| {
        value.as_f64().is_none_or(|one| fits(one, argument.as_f64().expect("a number")))
    };
    match keyword {
        "minLength" => !value.is_string() || least(),
        "maxLength" => !value.is_string() || most(),
        "minItems" => !value.is_array() || least(),
        "maxItems" => !value.is_array() || most(),
        "minProperties" => !value.is_object() || least(),
        "minimum" => number(|one, least| one >= least),
        "maximum" => number(|one, most| one <= most),
        "uniqueItems" => value
            .as_array()
            .is_none_or(|all| (1..all.len()).all(|number| !all[..number].contains(&all[number]))),
        "pattern" => value.as_str().is_none_or(|text| matches(argument, text)),
        "format" => is_formed(argument.as_str().expect("a format"), value),
        "contentEncoding" => {
            assert_eq!(argument, "base64");
            value.as_str().is_none_or(|text| STANDARD.decode(text).is_ok())
        }
        other => panic!("the checker does not know the keyword {other}"),
    }
}

/// Rust and ECMAScript read the patterns that we use in the same way.
fn matches(pattern: &Value, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let pattern = pattern.as_str().expect("a pattern");
    let mut compiled = COMPILED.lock().unwrap();
    let regex = compiled
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(pattern).unwrap_or_else(|error| panic!("{error}")));
    regex.is_match(text)
}

fn is_formed(format: &str, value: &Value) -> bool {
    match format {
        "date-time" => value.as_str().is_none_or(|text| {
            // More than RFC 3339 asks: UTC with Z, as the contract has it.
            text.ends_with('Z') && text.contains('T') && linkops::clock::parse_time(text).is_some()
        }),
        "int64" => !value.is_number() || value.is_i64(),
        "password" => true,
        other => panic!("the checker does not know the format {other}"),
    }
}
