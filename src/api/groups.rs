//! What came of an operation on many machines, put together: equal results stand there once, with
//! their difference from the most frequent one.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::operations::{AT_ONCE, text};
use crate::error::{Error, Result};
use crate::http::{Request, Response};
use crate::operations::{Comparison, Difference, Group, Id, Operation, Operations, ScriptOutput};

/// Machines with the same result. Output is text; where it is not UTF-8, the exact bytes stand
/// beside it.
#[derive(Serialize)]
struct Shape<'a> {
    status: &'static str,
    exit_code: Option<i32>,
    truncated: bool,
    count: usize,
    targets: Vec<&'a str>,
    stdout: String,
    stderr: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
    /// From the first group; none for the first.
    diff: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff_base64: Option<String>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff_omitted: Option<String>,
}

/// Takes a piece of the answer.
type Send<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// An answer in the making, for the scripts at these places.
struct Answer {
    operations: Arc<Operations>,
    operation: Operation,
    scripts: Vec<usize>,
}

/// `GET /api/operations/{id}/groups`: made and sent group by group when there is much output.
pub(super) fn show(operations: &Arc<Operations>, call: &Request, id: &str) -> Result<Response> {
    let id: Id = id.parse()?;
    let (operation, _, size) = operations.view(id)?;
    let scripts = scripts(&operation, call.query("script"))?;
    let answer = Answer { operations: Arc::clone(operations), operation, scripts };
    if size <= AT_ONCE {
        let mut body = Vec::new();
        let mut send = |bytes: &[u8]| {
            body.extend_from_slice(bytes);
            Ok(())
        };
        answer.write(&mut send, &|| Ok(()))?;
        return Ok(Response::json(200, body));
    }
    Ok(Response::stream(200, "application/json", move |stream| {
        let failed = |error| Error::io("answer", error);
        let socket = std::cell::RefCell::new(stream);
        let mut send = |bytes: &[u8]| socket.borrow_mut().write_all(bytes).map_err(failed);
        // It may take long before there is anything to send.
        let listens = || match socket.borrow().is_gone() || socket.borrow().stopping() {
            true => Err(failed(io::ErrorKind::BrokenPipe.into())),
            false => Ok(()),
        };
        answer.write(&mut send, &listens).map_err(|error| io::Error::other(error.chain()))
    }))
}

/// The places of the wanted scripts in the operation.
fn scripts(operation: &Operation, wanted: Option<&str>) -> Result<Vec<usize>> {
    let all = &operation.scripts;
    let Some(wanted) = wanted else { return Ok((0..all.len()).collect()) };
    let index = all.iter().position(|one| one == wanted).ok_or_else(|| {
        let known = all.join(", ");
        Error::invalid("script", format!("{wanted:?} did not run here\nuse one of {known}"))
    })?;
    Ok(vec![index])
}

impl Answer {
    fn write(&self, send: Send<'_>, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        let comparison = Comparison::default();
        let head = json!({ "operation_id": self.operation.id.to_string(), "scripts": [] });
        send(head.to_string().trim_end_matches("]}").as_bytes())?;
        for (number, index) in self.scripts.iter().enumerate() {
            let head = json!({ "script": self.operation.scripts[*index], "groups": [] });
            send(if number == 0 { b"" } else { b"," })?;
            send(head.to_string().trim_end_matches("]}").as_bytes())?;
            let groups = self.operations.groups(&self.operation, *index, go_on)?;
            self.groups(&groups, &comparison, send, go_on)?;
            send(b"]}")?;
        }
        send(b"]}")
    }

    fn groups(
        &self,
        groups: &[Group],
        comparison: &Comparison,
        send: Send<'_>,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let mut first: Option<(&str, ScriptOutput)> = None;
        for group in groups {
            go_on()?;
            let (target, output) = self.example(group)?;
            let old = first.as_ref().map(|(target, output)| (*target, output));
            let difference = old.map(|old| comparison.of(old, (target, &output)));
            let shape = serde_json::to_vec(&self.shape(group, &output, difference))
                .map_err(|error| Error::Internal(error.to_string()))?;
            send(if first.is_none() { b"" } else { b"," })?;
            send(&shape)?;
            first.get_or_insert((target, output));
        }
        Ok(())
    }

    /// One of a group stands for all.
    fn example(&self, group: &Group) -> Result<(&str, ScriptOutput)> {
        let position = group.positions[0];
        let output = self.operations.output(self.operation.id, position)?;
        Ok((self.operation.execution(position).0, output))
    }

    fn shape(
        &self,
        group: &Group,
        output: &ScriptOutput,
        difference: Option<Difference>,
    ) -> Shape<'_> {
        let (stdout, stdout_base64) = text(&output.stdout);
        let (stderr, stderr_base64) = text(&output.stderr);
        let (diff, diff_base64, diff_omitted) = match difference {
            None => (None, None, None),
            Some(Difference::Omitted(why)) => (None, None, Some(why)),
            Some(Difference::Told(bytes)) => {
                let (diff, exact) = text(&bytes);
                (Some(diff), exact, None)
            }
        };
        Shape {
            status: group.status.as_str(),
            exit_code: group.exit_code,
            truncated: group.truncated,
            count: group.positions.len(),
            targets: group.positions.iter().map(|one| self.operation.execution(*one).0).collect(),
            stdout,
            stderr,
            stdout_base64,
            stderr_base64,
            diff,
            diff_base64,
            diff_omitted,
        }
    }
}
