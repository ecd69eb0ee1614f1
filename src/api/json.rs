//! JSON in and out of requests: strict when reading, so that a typing error is never ignored.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

use super::error::brief;
use crate::error::{Error, Result, nearest};
use crate::http::{Request, Response};

/// What is wrong with a body before anybody looks at its fields.
#[derive(Debug)]
enum Fault {
    MediaType,
    Syntax(String),
    Field(String, String),
}

/// Reads the body of a request as `T`, which should refuse unknown fields.
///
/// # Errors
/// The body is not JSON, or not of that shape.
pub(super) fn decode<T: DeserializeOwned>(request: &Request) -> Result<T> {
    parse(request.header("content-type"), &request.body).map_err(Error::from)
}

/// The same, where a body may be left out.
///
/// # Errors
/// As for [`decode`], when there is a body.
pub(super) fn decode_or_default<T: DeserializeOwned + Default>(request: &Request) -> Result<T> {
    if request.body.is_empty() { Ok(T::default()) } else { decode(request) }
}

/// For calls without a body: nothing, or an empty object.
///
/// # Errors
/// There is something in the body.
pub(super) fn decode_nothing(request: &Request) -> Result<()> {
    #[derive(serde::Deserialize, Default)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    decode_or_default::<Nothing>(request).map(|_| ())
}

/// Refuses parameters of the query that the call does not have, or that are given twice: only one
/// of the values could count.
///
/// # Errors
/// There is one.
pub(super) fn known_parameters(request: &Request, known: &[String]) -> Result<()> {
    let mut names = HashSet::new();
    if let Some((twice, _)) = request.query.iter().find(|(name, _)| !names.insert(name)) {
        return Err(Error::invalid(twice.as_str(), "can be given only once"));
    }
    match request.query.iter().find(|(name, _)| !known.contains(name)) {
        None => Ok(()),
        Some((name, _)) => {
            let text = match nearest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("unknown parameter, did you mean {meant:?}?"),
                None => "unknown parameter".to_owned(),
            };
            Err(Error::invalid(name.as_str(), text))
        }
    }
}

/// A whole number of the query, or what stands for it.
///
/// # Errors
/// It is no number, or outside the range.
pub(super) fn number(
    request: &Request,
    name: &str,
    default: u32,
    range: RangeInclusive<u32>,
) -> Result<u32> {
    let Some(text) = request.query(name) else { return Ok(default) };
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let (from, to) = (range.start(), range.end());
        Error::invalid(name, format!("{text:?} is not a whole number from {from} to {to}"))
    })
}

/// Answers with a value.
///
/// # Errors
/// The value has no JSON, which would be a fault of ours.
pub(super) fn reply(status: u16, value: &impl Serialize) -> Result<Response> {
    let text = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Response::json(status, text))
}

fn parse<T: DeserializeOwned>(content_type: Option<&str>, body: &[u8]) -> Result<T, Fault> {
    let media_type = content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Fault::MediaType);
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        match error.classify() {
            Category::Data => field(&path, &error.to_string()),
            // Something else in place of a word is called bad syntax, too.
            _ if serde_json::from_slice::<IgnoredAny>(body).is_ok() => {
                field(&path, &error.to_string())
            }
            _ => Fault::Syntax(error.to_string()),
        }
    })?;
    reader.end().map_err(|error| Fault::Syntax(error.to_string()))?;
    // serde also takes the fields in their order without their names, as an array.
    match body.trim_ascii_start().first() {
        Some(b'{') => Ok(value),
        _ => Err(Fault::Field("body".to_owned(), "must be an object".to_owned())),
    }
}

/// The field is the one at the path, such as `waves[1]`; or one in it that serde names in back
/// quotes: "missing field `x`". At the top the path is a dot.
fn field(path: &str, text: &str) -> Fault {
    let words = text.rsplit_once(" at line ").map_or(text, |(words, _)| words);
    let named = words.starts_with("missing field") || words.starts_with("duplicate field");
    let name = words.split('`').nth(1).filter(|_| named);
    let name = match (path, name) {
        (".", None) => "body".to_owned(),
        (".", Some(name)) => name.to_owned(),
        (path, None) => path.to_owned(),
        (path, Some(name)) => format!("{path}.{name}"),
    };
    Fault::Field(brief(&name), brief(&without_value(text).replace('`', "\"")))
}

/// What serde says of a value of the wrong type, without the value: it can be a password.
fn without_value(text: &str) -> String {
    match (text.strip_prefix("invalid "), text.rsplit_once(", expected ")) {
        (Some(_), Some((found, expected))) => {
            let kind = found.split(['`', '"']).next().unwrap_or_default().trim_end();
            format!("{kind}, expected {expected}")
        }
        _ => text.to_owned(),
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        match fault {
            Fault::MediaType => Error::MediaType,
            Fault::Syntax(message) => Error::Json { message },
            Fault::Field(name, message) => Error::invalid(name, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::HashMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only their presence matters here")]
    struct Shape {
        size: u8,
        #[serde(default)]
        names: HashMap<String, Vec<String>>,
        inner: Option<Inner>,
        #[serde(default)]
        word: Word,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its presence matters here")]
    struct Inner {
        on: bool,
    }

    #[derive(Debug, Default, Deserialize)]
    enum Word {
        #[default]
        One,
    }

    fn fault(content_type: &str, body: &str) -> Error {
        parse::<Shape>(Some(content_type), body.as_bytes()).unwrap_err().into()
    }

    #[test]
    fn a_value_of_the_wrong_type_is_not_repeated() {
        for (body, kind) in [
            (r#"{"size": "hunter2"}"#, "type: string"),
            (r#"{"size": "hunter2, expected `hunter2`"}"#, "type: string"),
            (r#"{"size": 777002777}"#, "value: integer"),
            (r#"{"size": 2.25}"#, "type: floating point"),
            (r#""hunter2""#, "type: string"),
        ] {
            let text = fault("application/json", body).to_string();
            let wanted = format!("invalid {kind}, expected ");
            assert!(text.contains(&wanted), "{text}");
            assert!(
                !["hunter2", "777002777", "2.25"].iter().any(|one| text.contains(one)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_body_is_read_strictly() {
        let json = "application/json; charset=utf-8";
        parse::<Shape>(Some(json), b"{\"size\": 1} ").unwrap();
        assert!(matches!(fault("text/plain", "{}"), Error::MediaType));
        for body in ["", "{\"size\": ", "{\"size\": 1} 2", "{\"size\": 1}}"] {
            assert!(matches!(fault(json, body), Error::Json { .. }), "{body}");
        }
        for (body, name) in [
            (r#"{}"#, "size"),
            (r#"{"size": 1, "siez": 2}"#, "siez"),
            (r#"{"size": 1, "size": 2}"#, "size"),
            (r#"{"size": "1"}"#, "size"),
            (r#"{"size": 256}"#, "size"),
            (r#"{"size": 1, "names": []}"#, "names"),
            (r#"{"size": 1, "names": {"a": "b"}}"#, "names.a"),
            (r#"{"size": 1, "names": {"a": ["b", 2]}}"#, "names.a[1]"),
            (r#"{"size": 1, "inner": {"on": 1}}"#, "inner.on"),
            (r#"{"size": 1, "inner": {"off": 1}}"#, "inner.off"),
            (r#"{"size": 1, "inner": {}}"#, "inner.on"),
            (r#"{"size": 1, "word": null}"#, "word"),
            ("[]", "body"),
            ("[1]", "body"),
            ("7", "body"),
        ] {
            let Error::Invalid(fields) = fault(json, body) else { panic!("{body}") };
            assert_eq!(fields[0].name, name, "{body}");
        }
    }
}
