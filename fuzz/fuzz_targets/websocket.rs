//! Any bytes behind a WebSocket's handshake, over a real connection to a real server: its messages
//! are sent back or the socket is closed as the protocol has it, and nothing hangs.
#![no_main]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use linkops::http::websocket::{self, End, Socket};
use linkops::http::{Listener, Request, Response, Server, Settings};
use linkops::threads::Latch;

const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// What is answered by then is not hanging.
const PATIENCE: Duration = Duration::from_secs(10);

/// One for all inputs.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let settings = Settings { address, ..Settings::default() };
    Listener::bind(settings).unwrap().serve(Arc::new(open)).unwrap()
});

fn open(request: Request) -> Response {
    let settings = websocket::Settings { origins: Vec::new(), ping_interval: PATIENCE };
    let run = |mut socket: Socket| {
        let bell = Latch::new().unwrap();
        let end = loop {
            if let Err(end) = turn(&mut socket, &bell) {
                break end;
            }
        };
        if let End::Close(code, reason) = end {
            assert!([1002, 1003, 1007, 1009].contains(&code), "{code}");
            socket.close(code, reason);
        }
    };
    websocket::accept(&request, &settings).expect("the handshake is in order").run(run)
}

fn turn(socket: &mut Socket, bell: &Latch) -> Result<(), End> {
    socket.flush()?;
    while !socket.is_sending()
        && let Some(text) = socket.receive()?
    {
        socket.send(text)?;
        socket.flush()?;
    }
    socket.wait(!socket.is_sending(), bell.as_fd(), Instant::now() + PATIENCE)
}

fuzz_target!(|bytes: &[u8]| {
    let mut client = TcpStream::connect(SERVER.local_addr()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_nodelay(true).unwrap();
    client.write_all(HANDSHAKE).unwrap();
    // It may have closed before it has everything.
    let _ = client.write_all(bytes);
    let _ = client.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        match client.read(&mut part) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            // The fuzzer's clock.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("no end: {error}"),
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
});
