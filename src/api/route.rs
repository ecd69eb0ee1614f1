//! One row of the table of calls, and how a request finds its row.

use super::Api;
use crate::audit::Actor;
use crate::auth::{Act, Caller};
use crate::error::{Error, Result};
use crate::http::{Method, Request, Response};

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// Callers who may do this.
    May(Act),
    /// The same, where a browser can send no header: a ticket in the query will do.
    Ticket(Act),
}

impl Access {
    /// What callers must be allowed to do.
    pub(super) fn act(self) -> Option<Act> {
        match self {
            Access::Open => None,
            Access::May(act) | Access::Ticket(act) => Some(act),
        }
    }
}

/// What answers a call. It is given everything here and passes on the one or two handles that the
/// handler needs.
pub(super) type Handler = fn(&Api, &Call<'_>) -> Result<Response>;

/// A row: a call that there is.
pub(super) struct Route {
    /// The method; a HEAD finds the row of its GET.
    pub(super) method: Method,
    /// The path, with parameters in braces: `/api/links/{id}`.
    pub(super) template: &'static str,
    /// Who may make the call.
    pub(super) access: Access,
    /// The call's name in the OpenAPI document and in programs made from it.
    pub(super) id: &'static str,
    /// The name of the act in the audit log; none when nothing is changed or opened.
    pub(super) audit: Option<&'static str>,
    /// Whether it waits for machines or for Git.
    pub(super) waits: bool,
    /// What answers it.
    pub(super) handler: Handler,
}

/// A row whose act is not audited.
pub(super) const fn row(
    method: Method,
    template: &'static str,
    access: Access,
    id: &'static str,
    handler: Handler,
) -> Route {
    Route { method, template, access, id, audit: None, waits: false, handler }
}

impl Route {
    /// The row, audited under this name.
    pub(super) const fn audited(mut self, action: &'static str) -> Route {
        self.audit = Some(action);
        self
    }

    /// The row of a call that waits for machines or for Git, so it needs a place.
    pub(super) const fn waiting(mut self) -> Route {
        self.waits = true;
        self
    }

    /// The template's parts.
    fn parts(&self) -> impl Iterator<Item = &'static str> {
        self.template.split('/').skip(1).filter(|_| self.template != "/")
    }

    /// The names of the parameters of the path.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.parts().filter_map(parameter)
    }

    fn fits(&self, path: &[String]) -> bool {
        self.parts().count() == path.len()
            && self.parts().zip(path).all(|(part, have)| parameter(part).is_some() || part == have)
    }

    /// Whether everybody may make the call.
    pub(super) fn is_open(&self) -> bool {
        self.access == Access::Open
    }
}

/// `id` of `{id}`; none for a literal part.
fn parameter(part: &'static str) -> Option<&'static str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// A request on its way to its handler.
pub(super) struct Call<'a> {
    /// The request.
    pub(super) request: &'a Request,
    /// The row that it found.
    pub(super) route: &'static Route,
    /// Who sent it; none on open calls.
    pub(super) caller: Option<&'a Caller>,
    /// The same for the audit log.
    pub(super) actor: Actor,
}

impl<'a> Call<'a> {
    /// Who sent it.
    ///
    /// # Errors
    /// The call is open to everybody, so nobody was asked.
    pub(super) fn caller(&self) -> Result<&'a Caller> {
        self.caller.ok_or(Error::TokenMissing)
    }

    /// A parameter of the path, decoded.
    ///
    /// # Errors
    /// The row has no such parameter, which would be a fault of ours.
    pub(super) fn path(&self, name: &str) -> Result<&'a str> {
        let mut pairs = self.route.parts().zip(self.request.segments());
        let found = pairs.find(|(part, _)| parameter(part) == Some(name));
        found.map(|(_, value)| value.as_str()).ok_or_else(|| {
            Error::Internal(format!("{} has no parameter {name:?}", self.route.template))
        })
    }
}

/// The row for a method and a path; a literal part wins over a parameter.
pub(super) fn find<'a>(table: &'a [Route], method: &Method, path: &[String]) -> Option<&'a Route> {
    // A HEAD is a GET whose body is not sent.
    let method = if *method == Method::Head { &Method::Get } else { method };
    at(table, path)
        .filter(|route| route.method == *method)
        .min_by_key(|route| route.parameters().count())
}

/// All rows for a path, whatever the method.
pub(super) fn at<'a>(table: &'a [Route], path: &[String]) -> impl Iterator<Item = &'a Route> {
    table.iter().filter(move |route| route.fits(path))
}

/// The methods that a path has, as in `Allow`.
pub(super) fn allowed(table: &[Route], path: &[String]) -> Vec<&'static str> {
    let has = |method: &Method| at(table, path).any(|route| route.method == *method);
    let methods: [(&[&str], Method); 5] = [
        (&["GET", "HEAD"], Method::Get),
        (&["POST"], Method::Post),
        (&["PUT"], Method::Put),
        (&["PATCH"], Method::Patch),
        (&["DELETE"], Method::Delete),
    ];
    methods
        .into_iter()
        .filter(|(_, method)| has(method))
        .flat_map(|(names, _)| names)
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::ROUTES;
    use super::*;
    use std::collections::HashSet;

    /// Rows that are no GET and are not audited, each with its reason.
    const NOT_AUDITED: &[(&str, &str)] = &[
        ("queryTable", "it reads; the query has no place in a path"),
        ("refreshToken", "who holds a token may do no more with the next one"),
        (
            "createTicket",
            "it opens nothing that its token does not; what it is used for is audited",
        ),
    ];

    fn path(text: &str) -> Vec<String> {
        text.split('/').skip(1).map(str::to_owned).collect()
    }

    fn nobody(_: &Api, _: &Call<'_>) -> Result<Response> {
        Ok(Response::new(204))
    }

    fn get(template: &'static str) -> Route {
        row(Method::Get, template, Access::Open, template, nobody)
    }

    /// Some path fits both, and neither is at every part as narrow as the other.
    fn ambiguous(one: &Route, other: &Route) -> bool {
        let pairs: Vec<_> = one.parts().zip(other.parts()).collect();
        let literal = |part| parameter(part).is_none();
        let meet = one.method == other.method
            && one.parts().count() == other.parts().count()
            && pairs.iter().all(|(a, b)| a == b || !literal(a) || !literal(b));
        let within = |(a, b): &(&'static str, &'static str)| literal(a) >= literal(b);
        let narrower = pairs.iter().all(within);
        let wider = pairs.iter().all(|(a, b)| within(&(*b, *a)));
        meet && narrower == wider
    }

    #[test]
    fn no_two_rows_answer_the_same_request() {
        for (number, one) in ROUTES.iter().enumerate() {
            for other in &ROUTES[number + 1..] {
                let (a, b) = (one.template, other.template);
                assert!(!ambiguous(one, other), "{} {a} and {b}", one.method);
            }
        }
        for (a, b, is) in [
            ("/a/{x}", "/a/b", false),
            ("/a/{x}", "/a/{y}", true),
            ("/a/b", "/a/b", true),
            ("/a/{x}/c", "/a/b/{y}", true),
            ("/a/{x}/c", "/a/b/c", false),
            ("/a/{x}/c", "/a/{x}/d", false),
            ("/a/{x}", "/a/{x}/c", false),
        ] {
            assert_eq!(ambiguous(&get(a), &get(b)), is, "{a} {b}");
        }
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let mut seen = HashSet::new();
        for route in ROUTES {
            let id = route.id;
            assert!(seen.insert(id), "{id} twice");
            let camel = id.starts_with(|one: char| one.is_ascii_lowercase())
                && id.bytes().all(|one| one.is_ascii_alphanumeric());
            assert!(camel, "{id}");
            assert!(route.template.starts_with('/'), "{id}");
            let parameters: HashSet<_> = route.parameters().collect();
            assert_eq!(parameters.len(), route.parameters().count(), "{id}");
        }
    }

    #[test]
    fn what_changes_something_is_audited() {
        let excused = |id: &str| NOT_AUDITED.iter().any(|(one, _)| *one == id);
        for route in ROUTES {
            let id = route.id;
            match route.audit {
                Some(action) => {
                    let (noun, act) = action.split_once('.').expect(id);
                    assert!(!noun.is_empty() && !act.is_empty() && !excused(id), "{id} {action}");
                }
                None => assert!(route.method == Method::Get || excused(id), "{id}"),
            }
        }
        for (id, _) in NOT_AUDITED {
            assert!(ROUTES.iter().any(|route| route.id == *id), "there is no {id} any more");
        }
    }

    #[test]
    fn a_literal_part_wins_over_a_parameter() {
        let table = [get("/a/{x}"), get("/a/b"), get("/"), get("/a/{x}/c"), get("/a/b/{y}/d")];
        let found =
            |text: &str| find(&table, &Method::Get, &path(text)).map(|route| route.template);
        for (text, template) in [
            ("/a/b", Some("/a/b")),
            ("/a/B", Some("/a/{x}")),
            ("/a/", Some("/a/{x}")),
            ("/a/b/c", Some("/a/{x}/c")),
            ("/a/b/c/d", Some("/a/b/{y}/d")),
            ("/a", None),
            ("/a/b/", None),
            ("/a/b/c/", None),
        ] {
            assert_eq!(found(text), template, "{text}");
        }
        let root = find(&table, &Method::Head, &[]).map(|route| route.template);
        assert_eq!(root, Some("/"));
        assert!(find(&table, &Method::Post, &path("/a/b")).is_none());
    }

    #[test]
    fn methods_are_told_in_their_order() {
        let mut table = vec![get("/a"), get("/b/{x}")];
        table[0].method = Method::Delete;
        table.push(row(Method::Put, "/b/c", Access::Open, "put", nobody));
        assert_eq!(allowed(&table, &path("/a")), ["DELETE"]);
        assert_eq!(allowed(&table, &path("/b/c")), ["GET", "HEAD", "PUT"]);
        assert_eq!(allowed(&table, &path("/c")), Vec::<&str>::new());
    }
}
