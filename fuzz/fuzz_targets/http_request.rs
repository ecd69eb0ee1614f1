//! The framing parser on any bytes: it does not panic, does not take more than its limits, and
//! reads the same whatever the cuts. The parser's files are taken in as they are, because nothing
//! outside `http` may name them.
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

/// Small, so that inputs come to them.
const LIMITS: Limits = Limits { head: 384, headers: 6, body: 12 };

type Parsed = (Vec<(Head, Vec<u8>)>, Option<(u16, &'static str)>);

fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Parsed {
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

/// Pieces of 1 to 16 bytes. Their sizes come from the bytes, so that an input is plain HTTP.
fn cut(bytes: &[u8]) -> Vec<&[u8]> {
    let mut state = bytes.iter().fold(1_u32, |sum, byte| {
        sum.wrapping_mul(16_777_619) ^ u32::from(*byte)
    });
    let (mut rest, mut pieces) = (bytes, Vec::new());
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = 1 + (state >> 28) as usize;
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fuzz_target!(|bytes: &[u8]| {
    let whole = parse([bytes]);
    assert_eq!(parse(bytes.chunks(1)), whole);
    assert_eq!(parse(cut(bytes)), whole);
});
