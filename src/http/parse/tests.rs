//! The parser on examples of each rule, and on generated requests and bytes.

use super::*;
use proptest::prelude::*;

const LIMITS: Limits = Limits { head: 16 << 10, headers: 100, body: 1000 };

type Parsed = Result<Vec<(Head, Vec<u8>)>, (u16, &'static str)>;

/// Feeds `bytes` cut at `cuts` and collects all requests, up to an error.
fn parse(bytes: &[u8], cuts: &[usize]) -> (Parsed, Vec<u8>) {
    let mut decoder = Decoder::new(LIMITS);
    let mut requests = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        decoder.push(&bytes[start..end]);
        start = end;
        loop {
            match decoder.next() {
                Ok(Step::Incomplete) => break,
                Ok(Step::Continue) => {}
                Ok(Step::Complete(head, body)) => requests.push((head, body)),
                Err(refusal) => return (Err((refusal.status, refusal.message)), Vec::new()),
            }
        }
    }
    (Ok(requests), decoder.take_rest())
}

/// The status with which a request is refused, or 200, however its bytes are cut.
fn status(request: &str) -> u16 {
    let whole = parse(request.as_bytes(), &[]).0;
    let single: Vec<usize> = (1..request.len()).collect();
    assert_eq!(parse(request.as_bytes(), &single).0, whole, "{request:?}");
    match whole {
        Ok(requests) if requests.is_empty() => 0,
        Ok(_) => 200,
        Err((status, _)) => status,
    }
}

/// A request with more header lines and what follows them.
fn post(lines: &str, rest: &str) -> u16 {
    status(&format!("POST /a HTTP/1.1\r\nHost: box\r\n{lines}\r\n{rest}"))
}

#[test]
fn a_content_length_is_digits_once() {
    assert_eq!(post("Content-Length: 2\r\n", "ab"), 200);
    assert_eq!(post("Content-Length: 0\r\n", ""), 200);
    assert_eq!(post("Content-Length:   2  \r\n", "ab"), 200);
    assert_eq!(post("Content-Length: 2\r\n", "a"), 0);
    for wrong in ["", "+5", "-1", "0x10", "5, 5", "5,5", "5 5", "1e1", "٣", "abc", "5;"] {
        assert_eq!(post(&format!("Content-Length: {wrong}\r\n"), "abcde"), 400, "{wrong}");
    }
    assert_eq!(post("Content-Length: 2\r\nContent-Length: 2\r\n", "ab"), 400);
    assert_eq!(post("Content-Length: 2\r\ncontent-length: 5\r\n", "ab"), 400);
}

#[test]
fn a_body_over_the_limit_is_413_before_it_comes() {
    assert_eq!(post("Content-Length: 1000\r\n", ""), 0);
    assert_eq!(post("Content-Length: 1001\r\n", ""), 413);
    assert_eq!(post("Content-Length: 100000000000\r\n", ""), 413);
    assert_eq!(post(&format!("Content-Length: {}\r\n", "9".repeat(60)), ""), 413);
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(post(chunked, &format!("3e8\r\n{}\r\n0\r\n\r\n", "x".repeat(1000))), 200);
    assert_eq!(post(chunked, "3e9\r\n"), 413);
    assert_eq!(post(chunked, &format!("3e8\r\n{}\r\n1\r\n", "x".repeat(1000))), 413);
    assert_eq!(post(chunked, "ffffffffffffffff\r\n"), 413);
    assert_eq!(post(chunked, "10000000000000000\r\n"), 400);
}

#[test]
fn one_transfer_coding_is_known_and_excludes_a_length() {
    let body = "2\r\nab\r\n0\r\n\r\n";
    assert_eq!(post("Transfer-Encoding: chunked\r\n", body), 200);
    assert_eq!(post("Transfer-Encoding: Chunked\r\n", body), 200);
    for wrong in ["gzip, chunked", "chunked, chunked", "identity", "", "xchunked", "chunked;q=1"] {
        assert_eq!(post(&format!("Transfer-Encoding: {wrong}\r\n"), body), 400, "{wrong}");
    }
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(post(&format!("{chunked}{chunked}"), body), 400);
    assert_eq!(post(&format!("{chunked}Content-Length: 2\r\n"), body), 400);
    assert_eq!(post(&format!("Content-Length: 12\r\n{chunked}"), body), 400);
    assert_eq!(status(&format!("POST / HTTP/1.0\r\n{chunked}\r\n{body}")), 400);
}

#[test]
fn chunks_are_read_strictly() {
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    assert_eq!(chunked("2;a=b;c=\"d\"\r\nab\r\nA\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n"), 200);
    assert_eq!(chunked("002\r\nab\r\n0000\r\n\r\n"), 200);
    assert_eq!(chunked("2\r\nab\r\n0\r\n"), 0);
    for wrong in [
        "2\nab\r\n0\r\n\r\n",
        "2\r\nab\n0\r\n\r\n",
        "2\r\nabc\r\n0\r\n\r\n",
        "2\r\nab0\r\n\r\n",
        "\r\n",
        "+2\r\nab\r\n",
        "0x2\r\nab\r\n",
        "-2\r\nab\r\n",
        "2 \r\nab\r\n",
        "2 ;a\r\nab\r\n",
        " 2\r\nab\r\n",
        "2;a\0\r\nab\r\n",
        "2;a\rb\r\nab\r\n",
        "g\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\n folded: 1\r\n\r\n",
        "0\r\nname : 1\r\n\r\n",
        "0\r\na: b\n\r\n",
    ] {
        assert_eq!(chunked(wrong), 400, "{wrong:?}");
    }
}

#[test]
fn extensions_and_trailers_cost_nothing() {
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    assert_eq!(chunked(&format!("2;{}", "x".repeat(1100))), 400);
    assert_eq!(chunked(&format!("1;{}\r\na\r\n", "x".repeat(1000)).repeat(17)), 400);
    assert_eq!(chunked(&format!("0\r\na: {}", "x".repeat(17 << 10))), 400);
    assert_eq!(chunked(&format!("0\r\n{}", "a: b\r\n".repeat(5000))), 400);
}

#[test]
fn lines_end_in_crlf_and_hold_text() {
    for wrong in [
        "GET / HTTP/1.1\nHost: box\n\n",
        "GET / HTTP/1.1\r\nHost: box\n\r\n",
        "GET / HTTP/1.1\r\nHost: box\r\n\n",
        "GET / HTTP/1.1\rHost: box\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: b\rox\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: box\r\nA: b\0c\r\n\r\n",
        "GET /\0 HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: box\r\nA: b\r\n c\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: box\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : box\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: box\r\nContent-Length : 3\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: box\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: box\r\n: no name\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: box\r\nA\x01: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: box\r\nA: b\x7f\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: box\r\n\r\n",
        "GET /  HTTP/1.1\r\nHost: box\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: box\r\n\r\n",
        "GET / http/1.1\r\nHost: box\r\n\r\n",
        "GET\t/ HTTP/1.1\r\nHost: box\r\n\r\n",
        "GET /\r\n\r\n",
        " GET / HTTP/1.1\r\nHost: box\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: box\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: box\r\n\r\n",
    ] {
        assert_eq!(status(wrong), 400, "{wrong:?}");
    }
    assert_eq!(status("\r\n\r\nGET / HTTP/1.1\r\nHost: box\r\n\r\n"), 200);
}

#[test]
fn a_host_is_named_once() {
    let get = |lines: &str| status(&format!("GET / HTTP/1.1\r\n{lines}\r\n"));
    for right in ["box", "box:8000", "192.0.2.1:80", "[::1]:8000", "BOX.example."] {
        assert_eq!(get(&format!("Host: {right}\r\n")), 200, "{right}");
    }
    assert_eq!(get(""), 400);
    assert_eq!(get("Host: a\r\nHost: a\r\n"), 400);
    for wrong in ["", "a b", "a/b", "u@a", "a,b", "a?b"] {
        assert_eq!(get(&format!("Host: {wrong}\r\n")), 400, "{wrong}");
    }
    assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), 200);
    assert_eq!(status("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
    assert_eq!(status("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_eq!(status("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"), 400);
    assert_eq!(status("GET http://a/ HTTP/1.0\r\n\r\n"), 400);
}

#[test]
fn other_versions_and_what_is_not_offered_are_named() {
    assert_eq!(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    assert_eq!(status("GET / HTTP/2.0\r\n\r\n"), 505);
    assert_eq!(status("GET / HTTP/3\r\nHost: box\r\n\r\n"), 505);
    assert_eq!(status("GET / HTTP/1.2\r\nHost: box\r\n\r\n"), 505);
    assert_eq!(status("GET / HTTP/x\r\nHost: box\r\n\r\n"), 400);
    assert_eq!(status("CONNECT box:22 HTTP/1.1\r\nHost: box:22\r\n\r\n"), 501);
    assert_eq!(post("Expect: 200-ok\r\n", ""), 417);
    assert_eq!(post("TE: q=nan\r\n", ""), 200);
}

#[test]
fn heads_are_limited() {
    let line = |length: usize| format!("A: {}\r\n", "x".repeat(length));
    assert_eq!(post(&line(16_000), ""), 200);
    assert_eq!(post(&line(17_000), ""), 431);
    assert_eq!(status(&format!("GET / HTTP/1.1\r\nA: {}", "x".repeat(17_000))), 431);
    assert_eq!(post(&"A: b\r\n".repeat(99), ""), 200);
    assert_eq!(post(&"A: b\r\n".repeat(100), ""), 431);
    let get = |length: usize| {
        status(&format!("GET /{} HTTP/1.1\r\nHost: box\r\n\r\n", "x".repeat(length)))
    };
    assert_eq!(get(8000), 200);
    assert_eq!(get(8193), 414);
    assert_eq!(status(&"x".repeat(17_000)), 414);
}

#[test]
fn only_a_body_to_come_is_waited_for() {
    let step = |rest: &str| {
        let mut decoder = Decoder::new(LIMITS);
        decoder.push(format!("POST / HTTP/1.1\r\nHost: box\r\n{rest}").as_bytes());
        decoder.next()
    };
    let expect = "Expect: 100-Continue\r\n";
    assert_eq!(step(&format!("{expect}Content-Length: 2\r\n\r\n")), Ok(Step::Continue));
    assert_eq!(step(&format!("{expect}Content-Length: 2\r\n\r\na")), Ok(Step::Incomplete));
    assert!(matches!(step(&format!("{expect}\r\n")), Ok(Step::Complete(..))));
    assert_eq!(step(&format!("{expect}Content-Length: 2000\r\n\r\n")).unwrap_err().status, 413);
}

#[test]
fn what_an_answer_needs_is_known_also_after_a_refusal() {
    let refused = |lines: &str| {
        let mut decoder = Decoder::new(LIMITS);
        decoder.push(
            format!("HEAD / HTTP/1.1\r\nHost: b\r\nContent-Length: x\r\n{lines}\r\n").as_bytes(),
        );
        decoder.next().unwrap_err().terms.unwrap()
    };
    let terms = refused("X-Request-Id: a.B_9-z\r\nOrigin: https://c\r\nConnection: a, Close\r\n");
    assert_eq!((terms.id.as_str(), terms.origin.as_deref()), ("a.B_9-z", Some("https://c")));
    assert!(terms.head_only && !terms.keep_alive && !terms.http10);
    for wrong in ["a b", "ä", "", &"x".repeat(65), "a\"b", "<x>"] {
        assert_eq!(refused(&format!("X-Request-Id: {wrong}\r\n")).id, "", "{wrong}");
    }
}

#[test]
fn bytes_that_are_not_utf8_stay_in_their_field() {
    let bytes = b"GET / HTTP/1.1\r\nHost: box\r\nA: \xfc\r\nB: c\r\n\r\n";
    let (requests, _) = parse(bytes, &[]);
    let (head, _) = &requests.unwrap()[0];
    assert_eq!((head.headers.get("a"), head.headers.get("b")), (Some("ü"), Some("c")));
}

#[derive(Debug, Clone)]
struct Wanted {
    method: String,
    path: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    /// Chunk sizes; none for a counted body.
    chunks: Option<Vec<usize>>,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let field = ("x-[a-z0-9]{0,8}", "([!-~]([ -~\t]{0,20}[!-~])?)?");
    (
        "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|M-SEARCH",
        "(/[a-z0-9._~-]{0,6}){1,4}",
        prop::collection::vec(field, 0..8),
        prop::collection::vec(any::<u8>(), 0..200),
        prop::option::of(prop::collection::vec(1usize..40, 1..6)),
    )
        .prop_map(|(method, path, fields, body, chunks)| Wanted {
            method,
            path,
            fields,
            body,
            chunks,
        })
}

impl Wanted {
    fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\nHost: box\r\n", self.method, self.path);
        for (name, value) in &self.fields {
            out += &format!("{name}: {value}\r\n");
        }
        let Some(chunks) = &self.chunks else {
            out += &format!("Content-Length: {}\r\n\r\n", self.body.len());
            return [out.into_bytes(), self.body.clone()].concat();
        };
        let mut out = (out + "Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        let mut rest = self.body.as_slice();
        for size in chunks.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, after) = rest.split_at((*size).min(rest.len()));
            out.extend(format!("{:x};e=1\r\n", chunk.len()).bytes());
            out.extend(chunk);
            out.extend(b"\r\n");
            rest = after;
        }
        out.extend(b"0\r\nx-trailer: dropped\r\n\r\n");
        out
    }

    fn is(&self, head: &Head, body: &[u8]) -> bool {
        let fields: Vec<_> =
            head.headers.iter().filter(|(name, _)| name.starts_with("x-")).collect();
        let same =
            fields.iter().zip(&self.fields).all(|(got, sent)| got.0 == sent.0 && got.1 == sent.1);
        head.method.as_str() == self.method
            && head.target.path == self.path
            && fields.len() == self.fields.len()
            && same
            && body == self.body
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn valid_requests_come_back_however_they_are_cut(
        wanted in prop::collection::vec(wanted(), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes: Vec<u8> = wanted.iter().flat_map(Wanted::bytes).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.sort_unstable();
        let (requests, rest) = parse(&bytes, &cuts);
        let requests = requests.unwrap();
        prop_assert_eq!(requests.len(), wanted.len());
        prop_assert!(requests.iter().zip(&wanted).all(|((head, body), sent)| sent.is(head, body)));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_cut_of_almost_valid_bytes_reads_the_same(
        wanted in wanted(),
        at in any::<prop::sample::Index>(),
        byte in prop::sample::select(b"\r\n\0 :;0x,A\xff".to_vec()),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut bytes = wanted.bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.sort_unstable();
        prop_assert_eq!(parse(&bytes, &cuts).0, parse(&bytes, &[]).0);
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(parse(&bytes, &cuts).0, parse(&bytes, &[]).0);
    }
}
