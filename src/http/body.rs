//! The body of a request: how its length is told, and its decoding (RFC 9112 sections 6 and 7).

use super::headers::Headers;
use super::parse::{Limits, Refusal};

/// The longest line with a chunk's size and extensions.
const MAX_SIZE_LINE: usize = 1 << 10;

/// All extensions and trailers of one body: they carry nothing for us and must cost nothing.
const MAX_OVERHEAD: usize = 16 << 10;

/// A body as far as it has arrived.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    limit: usize,
    state: State,
    overhead: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// So many bytes of a counted body are missing.
    Counted(usize),
    /// A chunk's size line comes.
    Size,
    /// So many bytes of a chunk are missing.
    Chunk(usize),
    /// The line end after a chunk comes.
    ChunkEnd,
    /// Trailer fields, or the empty line that ends the body.
    Trailers,
    Complete,
}

impl Body {
    /// The body that a head announces (RFC 9112 section 6.3).
    ///
    /// # Errors
    /// 400 when its length could be read in two ways, 413 when it is over the limit.
    pub(crate) fn announced(
        headers: &Headers,
        http10: bool,
        limits: Limits,
    ) -> Result<Body, Refusal> {
        let mut lengths = headers.all("Content-Length");
        let mut codings = headers.all("Transfer-Encoding");
        let state = match (lengths.next(), codings.next()) {
            (None, None) => State::Complete,
            (Some(_), Some(_)) => {
                return Err(Refusal::bad(
                    "Content-Length and Transfer-Encoding exclude each other",
                ));
            }
            (Some(_), None) if lengths.next().is_some() => {
                return Err(Refusal::bad("there are two Content-Length headers"));
            }
            (Some(length), None) => counted(length, limits.body)?,
            (None, Some(_)) if http10 => {
                return Err(Refusal::bad("HTTP/1.0 has no Transfer-Encoding"));
            }
            (None, Some(coding))
                if codings.next().is_none() && coding.eq_ignore_ascii_case("chunked") =>
            {
                State::Size
            }
            (None, Some(_)) => {
                return Err(Refusal::bad("the only Transfer-Encoding taken is \"chunked\""));
            }
        };
        Ok(Body { bytes: Vec::new(), limit: limits.body, state, overhead: 0 })
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Takes what belongs to the body from the front of `input`.
    ///
    /// # Errors
    /// The chunks are malformed, or exceed a limit.
    pub(crate) fn advance(&mut self, input: &mut Vec<u8>) -> Result<(), Refusal> {
        let mut used = 0;
        while let Some(taken) = self.step(&input[used..])? {
            used += taken;
        }
        input.drain(..used);
        Ok(())
    }

    /// One state's work: how many bytes it took, or none when it needs more or all is done.
    fn step(&mut self, input: &[u8]) -> Result<Option<usize>, Refusal> {
        match self.state {
            State::Complete => Ok(None),
            State::Counted(left) => Ok(self.copy(input, left, State::Counted, State::Complete)),
            State::Chunk(left) => Ok(self.copy(input, left, State::Chunk, State::ChunkEnd)),
            State::Size => match line(input, MAX_SIZE_LINE)? {
                Some(line) => self.size_line(line).map(Some),
                None => Ok(None),
            },
            State::ChunkEnd => match line(input, 0)? {
                Some(_) => {
                    self.state = State::Size;
                    Ok(Some(2))
                }
                None => Ok(None),
            },
            State::Trailers => match line(input, MAX_OVERHEAD)? {
                Some(line) => self.trailer_line(line).map(Some),
                None => Ok(None),
            },
        }
    }

    fn copy(
        &mut self,
        input: &[u8],
        left: usize,
        more: fn(usize) -> State,
        done: State,
    ) -> Option<usize> {
        let length = input.len().min(left);
        if length == 0 {
            return None;
        }
        self.bytes.extend_from_slice(&input[..length]);
        self.state = if length == left { done } else { more(left - length) };
        Some(length)
    }

    fn size_line(&mut self, line: &[u8]) -> Result<usize, Refusal> {
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let (number, extensions) = line.split_at(digits);
        if number.is_empty() || !matches!(extensions.first(), None | Some(b';')) {
            return Err(Refusal::bad("the size of a chunk is malformed"));
        }
        self.count_overhead(extensions.len())?;
        // Sixteen digits fill 64 bits; leading zeros beyond that have no honest use.
        let size = std::str::from_utf8(number)
            .ok()
            .filter(|text| text.len() <= 16)
            .and_then(|text| u64::from_str_radix(text, 16).ok())
            .ok_or(Refusal::bad("the size of a chunk is malformed"))?;
        self.state = match usize::try_from(size) {
            Ok(0) => State::Trailers,
            Ok(size) if size <= self.limit - self.bytes.len() => State::Chunk(size),
            _ => return Err(too_large()),
        };
        Ok(line.len() + 2)
    }

    /// Trailers are checked for form and dropped: merging them into the headers is not safe
    /// (RFC 9110 section 6.5.1).
    fn trailer_line(&mut self, line: &[u8]) -> Result<usize, Refusal> {
        if line.is_empty() {
            self.state = State::Complete;
            return Ok(2);
        }
        self.count_overhead(line.len())?;
        let name = line.iter().take_while(|byte| in_token(**byte)).count();
        if name == 0 || line.get(name) != Some(&b':') {
            return Err(Refusal::bad("a trailer field is malformed"));
        }
        Ok(line.len() + 2)
    }

    fn count_overhead(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.overhead += bytes;
        match self.overhead <= MAX_OVERHEAD {
            true => Ok(()),
            false => Err(Refusal::bad("the chunks' extensions and trailers are too long")),
        }
    }
}

/// `1*DIGIT` and nothing else (RFC 9110 section 8.6).
fn counted(text: &str, limit: usize) -> Result<State, Refusal> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::bad("the Content-Length header is malformed"));
    }
    match text.parse::<usize>() {
        Ok(0) => Ok(State::Complete),
        Ok(length) if length <= limit => Ok(State::Counted(length)),
        // Digits that do not fit are a number all the same, only a large one.
        _ => Err(too_large()),
    }
}

fn too_large() -> Refusal {
    Refusal::new(413, "the body is larger than this server takes")
}

fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The line at the front of `input` without its end; none while the end is missing. It holds no
/// control character but tabs, so no reader can see its end elsewhere.
fn line(input: &[u8], limit: usize) -> Result<Option<&[u8]>, Refusal> {
    let text = input
        .iter()
        .take(limit + 1)
        .take_while(|byte| !byte.is_ascii_control() || **byte == b'\t')
        .count();
    if text > limit {
        return Err(Refusal::bad("a line of the chunked body is too long"));
    }
    match &input[text..] {
        [b'\r', b'\n', ..] => Ok(Some(&input[..text])),
        [] | [b'\r'] => Ok(None),
        _ => Err(Refusal::bad("a line of the chunked body is malformed")),
    }
}
