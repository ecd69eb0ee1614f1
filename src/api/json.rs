//! JSON in and out of requests: strict when reading, so that a typing error is never ignored.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;

use super::error::brief_line;
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

/// `true` or `false` in the query, if it is there.
///
/// # Errors
/// It is something else.
pub(super) fn flag(request: &Request, name: &str) -> Result<Option<bool>> {
    let Some(text) = request.query(name) else { return Ok(None) };
    let wrong = |_| Error::invalid(name, format!("{text:?} is neither \"true\" nor \"false\""));
    text.parse().map(Some).map_err(wrong)
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
    let Object(value) = read(body)?;
    let Unique = read(body)?;
    Ok(value)
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Fault> {
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
    Ok(value)
}

/// A struct that is written as an object. What is derived for structs also takes their fields in
/// their order without their names, as an array; a struct inside of another one needs this too.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<T>, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

impl<T: Default> Default for Object<T> {
    fn default() -> Object<T> {
        Object(T::default())
    }
}

/// Any value in which no object has a name twice: only one of the two could count. Structs look
/// after that by themselves, maps and free values do not.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique, D::Error> {
        deserializer.deserialize_any(Unique)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unique, A::Error> {
        while list.next_element::<Unique>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                return Err(A::Error::custom(format!("duplicate field `{name}`")));
            }
            names.insert(name);
            map.next_value::<Unique>()?;
        }
        Ok(self)
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
    Fault::Field(brief_line(&name), brief_line(&without_value(text).replace('`', "\"")))
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
        inner: Option<Object<Inner>>,
        #[serde(default)]
        word: Word,
        many: Option<Vec<Object<Inner>>>,
        any: Option<serde_json::Value>,
    }

    impl<T: fmt::Debug> fmt::Debug for Object<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
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
        let all = r#"{"size": 1, "names": {"a": []}, "inner": {"on": true}, "word": "One",
            "many": [{"on": true}, {"on": false}],
            "any": [-1, 1e9, true, null, "a", {"a": {"a": 18446744073709551615}}]}"#;
        parse::<Shape>(Some(json), all.as_bytes()).unwrap();
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
            (r#"{"size": 1, "inner": [true]}"#, "inner"),
            (r#"{"size": 1, "many": [{"on": true}, [true]]}"#, "many[1]"),
            (r#"{"size": 1, "names": {"a": [], "b": [], "a": []}}"#, "names.a"),
            (r#"{"size": 1, "names": {"a": [], "\u0061": []}}"#, "names.a"),
            (r#"{"size": 1, "any": [0, {"a": {"b": 1, "b": 1}}]}"#, "any[1].a.b"),
            ("[]", "body"),
            ("[1]", "body"),
            ("7", "body"),
        ] {
            let Error::Invalid(fields) = fault(json, body) else { panic!("{body}") };
            assert_eq!(fields[0].name, name, "{body}");
        }
    }
}
