//! A WebSocket client: the handshake by hand, frames by tungstenite.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use super::PATIENCE;
use super::client::Reply;

/// The example key of RFC 6455 section 1.3, and what proves that it was read.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Bytes that are read at once.
const READ: usize = 8 << 10;

/// An open socket.
pub struct Client {
    web: WebSocket<TcpStream>,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    /// A message.
    Text(String),
    /// The server closed with this code.
    Close(u16),
    /// The connection ended without a word.
    Cut,
    /// Nothing came in time.
    Nothing,
}

impl Client {
    /// Opens a socket.
    #[track_caller]
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Client {
        Client::try_open(address, path, headers).unwrap_or_else(|reply| {
            panic!("{path}: {} {}", reply.status, String::from_utf8_lossy(&reply.body))
        })
    }

    /// Opens a socket, or gives the answer that refuses it.
    pub fn try_open(
        address: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Client, Reply> {
        let standard = [
            ("Host", "test"),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", KEY),
        ];
        let given = |name: &str| headers.iter().any(|(one, _)| one.eq_ignore_ascii_case(name));
        let mut head = format!("GET {path} HTTP/1.1\r\n");
        let standard = standard.iter().filter(|(name, _)| !given(name));
        for (name, value) in standard.chain(headers).filter(|(_, value)| !value.is_empty()) {
            head += &format!("{name}: {value}\r\n");
        }
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(format!("{head}\r\n").as_bytes()).expect("the request is sent");
        let mut reply = read_head(&mut stream);
        if reply.status != 101 {
            let length = reply.header("content-length").expect("a length").parse().unwrap();
            reply.body = vec![0; length];
            stream.read_exact(&mut reply.body).expect("a body");
            return Err(reply);
        }
        assert_eq!(reply.header("sec-websocket-accept"), Some(ACCEPT));
        assert_eq!(reply.header("upgrade"), Some("websocket"));
        // The whole buffer is cleared before each read: with the usual 128 KiB that takes as long as
        // what is measured.
        let config = WebSocketConfig::default().write_buffer_size(0).read_buffer_size(READ);
        Ok(Client { web: WebSocket::from_raw_socket(stream, Role::Client, Some(config)) })
    }

    /// Sends a message.
    pub fn send(&mut self, text: impl Into<String>) {
        self.web.send(Message::Text(text.into().into())).expect("the message is sent");
    }

    /// Sends anything; false when the connection has ended.
    pub fn try_send(&mut self, message: Message) -> bool {
        self.web.send(message).is_ok()
    }

    /// The next message; pings are answered.
    pub fn next(&mut self) -> Got {
        loop {
            match self.web.read() {
                Ok(Message::Text(text)) => return Got::Text(text.as_str().to_owned()),
                Ok(Message::Close(frame)) => {
                    let _ = self.web.flush();
                    return Got::Close(frame.map_or(1005, |frame| frame.code.into()));
                }
                Ok(_) => {}
                Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Got::Nothing;
                }
                Err(_) => return Got::Cut,
            }
        }
    }

    /// The next message as text.
    #[track_caller]
    pub fn text(&mut self) -> String {
        match self.next() {
            Got::Text(text) => text,
            other => panic!("no message, but {other:?}"),
        }
    }

    /// Another one on the same connection, which only writes.
    pub fn writer(&mut self) -> Client {
        let stream = self.web.get_ref().try_clone().unwrap();
        let config = WebSocketConfig::default().write_buffer_size(0);
        Client { web: WebSocket::from_raw_socket(stream, Role::Client, Some(config)) }
    }

    /// The connection, to do with it what no client should.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.web.get_mut()
    }
}

/// Reads byte by byte: what follows the head belongs to the frames.
fn read_head(stream: &mut TcpStream) -> Reply {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head is text");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Reply { status: status.parse().expect("a status"), headers, body: Vec::new() }
}
