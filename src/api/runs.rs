//! What is to run: a new operation, or the rest of one that has ended.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::json;

use super::json;
use crate::audit::Actor;
use crate::error::{Error, Result};
use crate::http::{Request, Response};
use crate::operations::{self, Choice, Id, Operations, Share, Targets, Unfinished, Wave};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    scripts: Vec<String>,
    targets: Option<Meant>,
    #[serde(default)]
    flags: BTreeMap<String, Vec<String>>,
    concurrency: Option<usize>,
    #[serde(default = "yes")]
    require_enrollment: bool,
    #[serde(default)]
    on_failure: OnFailure,
    waves: Option<Vec<Amount>>,
    max_failures: Option<Amount>,
}

/// As a text: what is derived for a word of an enum also takes an object, `{"stop": null}`.
#[derive(Deserialize, Default, PartialEq)]
#[serde(try_from = "String")]
enum OnFailure {
    #[default]
    Stop,
    Continue,
}

impl TryFrom<String> for OnFailure {
    type Error = String;

    fn try_from(word: String) -> Result<OnFailure, String> {
        match &*word {
            "stop" => Ok(OnFailure::Stop),
            "continue" => Ok(OnFailure::Continue),
            _ => Err(format!("{word:?} is neither \"stop\" nor \"continue\"")),
        }
    }
}

fn yes() -> bool {
    true
}

/// A list of ids, or what machines have in common.
struct Meant(Targets);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    tags: Option<Vec<String>>,
    types: Option<Vec<String>>,
}

/// A number of targets.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a number of targets must be a whole number, \"N%\" or, as the last wave, \"rest\""
)]
enum Amount {
    Number(u64),
    Text(String),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Again {
    targets: Option<String>,
}

/// `POST /api/operations/run`
pub(super) fn run(operations: &Operations, call: &Request, actor: &Actor) -> Result<Response> {
    let run: Run = json::decode(call)?;
    let waves = run.waves.map(|waves| waves.iter().map(wave).collect()).transpose()?;
    let request = operations::Request {
        scripts: run.scripts,
        targets: run.targets.map_or_else(|| Vec::new().into(), |meant| meant.0),
        flags: run.flags,
        concurrency: run.concurrency,
        require_enrollment: run.require_enrollment,
        keep_going: run.on_failure == OnFailure::Continue,
        waves,
        max_failures: run.max_failures.map_or(Ok(Share::Count(0)), |share| failures(&share))?,
        retry_of: None,
    };
    queued(operations.submit(request, actor)?)
}

/// `POST /api/operations/{id}/retry`
pub(super) fn retry(
    operations: &Operations,
    call: &Request,
    actor: &Actor,
    id: &str,
) -> Result<Response> {
    let again: Again = json::decode_or_default(call)?;
    let which = match again.targets {
        Some(word) => Unfinished::named("targets", &word)?,
        None => Unfinished::All,
    };
    queued(operations.retry(id.parse()?, which, actor)?)
}

fn queued(id: Id) -> Result<Response> {
    let body = json!({ "operation_id": id.to_string(), "status": "queued" });
    Ok(json::reply(202, &body)?.header("Location", format!("/api/operations/{id}")))
}

fn wave(amount: &Amount) -> Result<Wave> {
    match amount {
        Amount::Text(text) if text == "rest" => Ok(Wave::Rest),
        other => share(other).map(Wave::Next).ok_or_else(|| {
            let hint = "write a whole number, \"N%\" up to \"100%\", or \"rest\"";
            Error::invalid("waves", format!("{other} is not a wave\n{hint}"))
        }),
    }
}

fn failures(amount: &Amount) -> Result<Share> {
    share(amount).ok_or_else(|| {
        let hint = "write a whole number, or \"N%\" up to \"100%\"";
        Error::invalid("max_failures", format!("{amount} is no number of targets\n{hint}"))
    })
}

fn share(amount: &Amount) -> Option<Share> {
    match amount {
        Amount::Number(number) => usize::try_from(*number).ok().map(Share::Count),
        Amount::Text(text) => Share::percent(text),
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Number(number) => write!(f, "{number}"),
            Amount::Text(text) => write!(f, "{text:?}"),
        }
    }
}

impl<'de> Deserialize<'de> for Meant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Meant, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Meant;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of ids, or an object with \"tags\", \"types\" or both")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Meant, A::Error> {
                let ids = Vec::<String>::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(Meant(Targets::Named(ids)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Meant, A::Error> {
                let Common { tags, types } = Common::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Meant(Targets::Chosen(Choice { tags, types })))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
