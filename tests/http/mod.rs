//! The HTTP transport over real sockets: a server with a plain handler, and a client that sends
//! any bytes and reads answers as the standard says.

mod exchange;
mod exhaustion;
mod fairness;
mod framing;
mod limits;
mod stop;
mod streams;
mod websocket;

use crate::support::{PATIENCE, deadline};
use linkops::http::{Handler, Listener, Request, Response, Server, Settings};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// A GET that keeps its connection.
const GET: &[u8] = b"GET /hello HTTP/1.1\r\nHost: box\r\n\r\n";

/// Settings for a free port.
fn settings() -> Settings {
    crate::support::use_all_descriptors();
    Settings { address: SocketAddr::from(([127, 0, 0, 1], 0)), ..Settings::default() }
}

fn serve(
    settings: Settings,
    handler: impl Fn(Request) -> Response + Send + Sync + 'static,
) -> Server {
    let handler: Arc<Handler> = Arc::new(handler);
    Listener::bind(settings).unwrap().serve(handler).unwrap()
}

/// A server whose answers tell the request: method, path, body.
fn echo(settings: Settings) -> Server {
    serve(settings, describe)
}

fn describe(request: Request) -> Response {
    let text = format!(
        "{} {} {}",
        request.method,
        request.segments().join("|"),
        String::from_utf8_lossy(&request.body)
    );
    Response::new(200).body("text/plain", text.into_bytes())
}

/// A client's connection.
struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// An answer as it came.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").skip(1).find_map(|line| {
            let (one, value) = line.split_once(": ")?;
            one.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    fn new(server: &Server) -> Client {
        Client::to(server.local_addr())
    }

    fn to(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Client { socket, buffer: Vec::new() }
    }

    /// A client that has sent something.
    fn sending(server: &Server, bytes: impl AsRef<[u8]>) -> Client {
        let mut client = Client::new(server);
        client.send(bytes);
        client
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends as much as the server takes; it may close meanwhile.
    fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).is_ok()
    }

    /// One more read; false at the end of the connection.
    fn fill(&mut self) -> bool {
        let mut bytes = [0; 16 << 10];
        match self.socket.read(&mut bytes) {
            Ok(0) => false,
            Ok(length) => {
                self.buffer.extend_from_slice(&bytes[..length]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error}, so far {:?}", self.seen()),
        }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    /// Reads up to and with `end`.
    fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return self.buffer.drain(..at + end.len()).collect();
            }
            assert!(self.fill(), "the connection ended early: {:?}", self.seen());
        }
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill(), "the connection ended early: {:?}", self.seen());
        }
        self.buffer.drain(..length).collect()
    }

    /// The head of an answer, also of an interim one.
    fn head(&mut self) -> Reply {
        let head = String::from_utf8(self.until(b"\r\n\r\n")).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head, body: Vec::new() }
    }

    /// A whole answer to anything but HEAD.
    fn reply(&mut self) -> Reply {
        let mut reply = self.head();
        assert!(reply.header("X-Request-Id").is_some(), "{}", reply.head);
        assert!(reply.header("Date").is_some_and(|date| date.ends_with(" GMT")), "{}", reply.head);
        if let Some(length) = reply.header("Content-Length") {
            let length = length.parse().unwrap();
            reply.body = self.exactly(length);
        } else if reply.header("Transfer-Encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                reply.body.extend(chunk);
            }
        } else if reply.status != 204 && reply.status != 304 {
            assert!(self.is_ended_after(&mut reply.body));
        }
        reply
    }

    /// One chunk of a chunked answer; none after the last.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = String::from_utf8(self.until(b"\r\n")).unwrap();
        let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let chunk = self.exactly(length);
        assert_eq!(self.until(b"\r\n"), b"\r\n");
        (length > 0).then_some(chunk)
    }

    fn is_ended_after(&mut self, body: &mut Vec<u8>) -> bool {
        while self.fill() {}
        body.append(&mut self.buffer);
        true
    }

    /// Whether the server closes without another byte.
    fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill()
    }

    fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Reply {
        self.send(bytes);
        self.reply()
    }
}

/// Waits for figures of a server.
fn wait_for(server: &Server, what: &str, condition: impl Fn(linkops::http::Figures) -> bool) {
    crate::support::wait_until(deadline(), what, || condition(server.figures()));
}
