//! The framing parser on any bytes, cut in any way: it does not panic, does not take more than its
//! limits, and reads the same whatever the cuts. The parser's files are taken in as they are,
//! because nothing outside `http` may name them.
#![no_main]
#![allow(dead_code)]

#[path = "../../src/http/body.rs"]
mod body;
#[path = "../../src/http/headers.rs"]
mod headers;
#[path = "../../src/http/parse.rs"]
mod parse;
#[path = "../../src/http/request.rs"]
mod request;
#[path = "../../src/http/target.rs"]
mod target;

use libfuzzer_sys::fuzz_target;
use parse::{Decoder, Head, Limits, Step};

const LIMITS: Limits = Limits { head: 512, headers: 8, body: 64 };

type Parsed = (Vec<(Head, Vec<u8>)>, Option<(u16, &'static str)>);

fn parse(pieces: &[&[u8]]) -> Parsed {
    let mut decoder = Decoder::new(LIMITS);
    let mut requests = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Step::Incomplete) => break,
                Ok(Step::Continue) => {}
                Ok(Step::Complete(head, body)) => {
                    assert!(body.len() <= LIMITS.body);
                    assert!(head.headers.iter().count() <= LIMITS.headers);
                    requests.push((head, body));
                }
                Err(refusal) => return (requests, Some((refusal.status, refusal.message))),
            }
        }
    }
    (requests, None)
}

fuzz_target!(|input: (Vec<u8>, Vec<u8>)| {
    let (sizes, bytes) = input;
    let mut rest = bytes.as_slice();
    let mut pieces = Vec::new();
    for size in sizes {
        let (piece, after) = rest.split_at(usize::from(size).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    assert_eq!(parse(&pieces), parse(&[&bytes]));
});
