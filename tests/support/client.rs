//! An HTTP client that is small enough to be trusted: one connection per request, and event
//! streams that are read as they come. In tests each answer and each event is held against the
//! OpenAPI document.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::PATIENCE;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when there is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The code of a failure.
    #[track_caller]
    pub fn code(&self) -> String {
        let body = self.json();
        body["error"]["code"].as_str().unwrap_or_else(|| panic!("no code in {body}")).to_owned()
    }

    /// The body, when the status is the expected one.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        self.json()
    }
}

/// Sends a request and reads the answer.
#[track_caller]
pub fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    let mut reader = open(address, method, path, headers, body);
    let (status, headers) = read_head(&mut reader);
    let chunked = headers.iter().any(|(name, _)| name == "transfer-encoding");
    let mut body = Vec::new();
    if chunked {
        Chunks { reader, left: 0, over: false }.read_to_end(&mut body).expect("a chunked body");
    } else {
        reader.read_to_end(&mut body).expect("a body");
    }
    let reply = Reply { status, headers, body };
    #[cfg(test)]
    super::document::check(method, path, &reply);
    reply
}

fn open(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let message = [head.as_bytes(), body].concat();
    stream.write_all(&message).expect("the request is sent");
    BufReader::new(stream)
}

fn read_head(reader: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a head");
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    assert!(!lines.is_empty(), "the connection was closed without an answer");
    let status = lines[0].split(' ').nth(1).expect("a status").parse().expect("a status");
    let headers = lines[1..]
        .iter()
        .map(|line| line.split_once(':').expect("a header"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    (status, headers)
}

/// The inside of a chunked body.
struct Chunks {
    reader: BufReader<TcpStream>,
    left: usize,
    over: bool,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut line = String::new();
        if self.left == 0 && !self.over {
            self.reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                line.clear();
                self.reader.read_line(&mut line)?; // the end of the chunk before
            }
            match usize::from_str_radix(line.trim(), 16) {
                Ok(size) => self.left = size,
                // The server went without a last chunk.
                Err(_) => return Ok(0),
            }
            self.over = self.left == 0;
        }
        let room = buffer.len().min(self.left);
        let read = self.reader.read(&mut buffer[..room])?;
        self.left -= read;
        Ok(read)
    }
}

/// An event as a client sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// What it says.
    pub data: Value,
}

impl Event {
    /// The exact bytes of an `output` event.
    pub fn bytes(&self) -> Vec<u8> {
        match self.data["data_base64"].as_str() {
            Some(exact) => STANDARD.decode(exact).expect("base64"),
            None => self.data["data"].as_str().expect("data").as_bytes().to_vec(),
        }
    }
}

/// An event stream, read event by event. Dropping it closes the connection.
pub struct Events {
    path: String,
    lines: BufReader<Chunks>,
}

impl Events {
    /// Opens a stream.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Events {
        let mut reader = open(address, "GET", path, headers, b"");
        let (status, _) = read_head(&mut reader);
        assert_eq!(status, 200, "{path}");
        let lines = BufReader::new(Chunks { reader, left: 0, over: false });
        Events { path: path.to_owned(), lines }
    }
}

impl Iterator for Events {
    type Item = Event;

    /// None when the server has closed the stream.
    fn next(&mut self) -> Option<Event> {
        let (mut id, mut name, mut data) = (0, String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            let line = line.trim_end_matches('\n');
            match line.split_once(": ").unwrap_or((line, "")) {
                ("id", value) => id = value.parse().expect("a number"),
                ("event", value) => name = value.to_owned(),
                ("data", value) => data.push_str(value),
                ("", _) if !name.is_empty() => {
                    let data = serde_json::from_str(&data).expect("JSON");
                    #[cfg(test)]
                    super::document::check_event(&self.path, &name, &data);
                    return Some(Event { id, name, data });
                }
                _ => {}
            }
        }
    }
}
