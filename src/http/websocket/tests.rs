//! A socket at the server's end, with a client that does what no browser should.

use super::*;
use std::net::TcpListener;

/// A client's connection that does not block, and its socket.
fn pair(ping_interval: Duration) -> (TcpStream, Socket) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nonblocking(true).unwrap();
    let (socket, stop) = (listener.accept().unwrap().0, Arc::new(Latch::new().unwrap()));
    let upgraded = Upgraded { socket, read_ahead: Vec::new(), stop };
    (client, Socket::new(upgraded, ping_interval).unwrap())
}

/// Sends until the client's side takes no more; gives the bytes of the messages.
fn fill(socket: &mut Socket) -> usize {
    let mut sent = 0;
    while !socket.is_sending() {
        socket.send("x".repeat(MAX_MESSAGE)).unwrap();
        sent += MAX_MESSAGE;
        // The kernel takes more while it moves what it has.
        socket.ready(PollFlags::OUT, Instant::now() + Duration::from_millis(50));
        socket.flush().unwrap();
    }
    sent
}

/// Reads all that is there, and gives how much it was.
fn read_all(client: &mut TcpStream) -> usize {
    let (mut bytes, mut read) = (vec![0; 1 << 16], 0);
    while let Ok(more @ 1..) = client.read(&mut bytes) {
        read += more;
    }
    read
}

fn long_ago(time: Duration) -> Instant {
    Instant::now().checked_sub(time).expect("the machine has run for longer")
}

#[test]
fn a_client_that_takes_what_is_sent_is_not_dead() {
    let (mut client, mut socket) = pair(Duration::from_secs(1));
    fill(&mut socket);
    socket.heard = long_ago(STALLED - Duration::from_secs(10));
    assert_eq!(socket.keep_alive(), Ok(()), "it may be a page that was stopped");
    socket.heard = long_ago(STALLED + Duration::from_secs(1));
    assert!(read_all(&mut client) > 0);
    assert!(socket.ready(PollFlags::OUT, Instant::now() + Duration::from_secs(60)));
    socket.flush().unwrap();
    assert_eq!(socket.keep_alive(), Ok(()), "it has taken something");
}

#[test]
fn a_client_that_takes_nothing_for_too_long_is_dead() {
    let (_client, mut socket) = pair(Duration::from_secs(1));
    fill(&mut socket);
    socket.heard = long_ago(STALLED + Duration::from_secs(1));
    socket.flush().unwrap();
    assert_eq!(socket.keep_alive(), Err(End::Gone));
}

/// A ping with as much in it as fits, and the length of its answer.
const PING: [u8; 131] = {
    let mut ping = [b'x'; 131];
    (ping[0], ping[1]) = (0x89, 0x80 | 125);
    (ping[2], ping[3], ping[4], ping[5]) = (0, 0, 0, 0);
    ping
};
const PONG: usize = 127;

#[test]
fn pings_of_a_client_that_does_not_read_cost_bounded_memory() {
    let (mut client, mut socket) = pair(Duration::from_secs(600));
    let sent = fill(&mut socket);
    let (pings, rounds) = (PING.repeat(100), 1_000);
    let deadline = Instant::now() + Duration::from_secs(60);
    for _ in 0..rounds {
        let mut left = &pings[..];
        while !left.is_empty() {
            assert!(Instant::now() < deadline);
            left = &left[client.write(left).unwrap_or(0)..];
            socket.wish(true, Instant::now());
            assert_eq!(socket.receive(), Ok(None));
        }
    }
    socket.flush().unwrap();
    let (mut told, mut got) = (false, Vec::new());
    while !got[got.len().saturating_sub(1000)..].windows(5).any(|end| end == b"\x81\x03end") {
        let _ = client.read_to_end(&mut got); // as much as is there
        socket.flush().unwrap();
        if !socket.is_sending() && !told {
            socket.send("end".to_owned()).unwrap();
            told = true;
        }
        assert!(Instant::now() < deadline, "only {} bytes came", got.len());
    }
    let (pongs, most) = (got.len() - sent, rounds * 100 * PONG / 20);
    assert!(got.len() > sent && pongs < most, "{pongs} bytes of answers");
}

#[test]
fn pings_without_end_do_not_keep_everything_else_waiting() {
    let (mut client, mut socket) = pair(Duration::from_secs(600));
    sockopt::set_socket_recv_buffer_size(&socket.web.get_ref().socket, 4 << 20).unwrap();
    // As much as there is room for, and more than is taken at once.
    let (pings, mut sent) = (PING.repeat(1000), 0);
    let deadline = Instant::now() + Duration::from_secs(60);
    while sent <= 8 * MAX_MESSAGE {
        sent += client.write(&pings[sent % PING.len()..]).unwrap_or(0);
        assert!(Instant::now() < deadline, "only {sent} bytes have room");
    }
    assert_eq!(socket.receive(), Ok(None));
    assert!(socket.web.get_ref().socket.peek(&mut [0]).is_ok_and(|left| left > 0));
    socket.wish(true, Instant::now());
    assert_eq!(socket.receive(), Ok(None), "the next turn goes on");
}
