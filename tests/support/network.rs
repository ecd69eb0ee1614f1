//! The ways in which networks fail: a host that says nothing, and a link that breaks or stalls.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// A port where connections are accepted and nobody ever says a word.
pub struct Silent {
    listener: TcpListener,
}

impl Silent {
    /// Listens; the kernel accepts.
    pub fn start() -> Silent {
        Silent { listener: TcpListener::bind("127.0.0.1:0").unwrap() }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }
}

/// A port where nothing is answered, not even by the kernel: its queue of connections is full.
pub struct BlackHole {
    listener: TcpListener,
    _queued: TcpStream,
}

impl BlackHole {
    /// Listens, and fills the queue.
    pub fn start() -> BlackHole {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::listen(&listener, 0).unwrap(); // one place
        let _queued = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        BlackHole { listener, _queued }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Whether somebody tries to connect to it.
    pub fn is_tried(&self) -> bool {
        let to = format!(" 0100007F:{:04X} 02 ", self.port()); // SYN_SENT
        std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&to)
    }
}

/// A port to another port, over a link that can be cut.
pub struct Cuttable {
    port: u16,
    link: Arc<Link>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Link {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    stalled: bool,
    /// Connections up to this number carry nothing any more.
    frozen: usize,
    ended: bool,
    streams: Vec<TcpStream>,
    pumps: Vec<JoinHandle<()>>,
    accepted: usize,
}

impl Cuttable {
    /// Forwards connections to a port of 127.0.0.1.
    pub fn start(to: u16) -> Cuttable {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let link = Arc::new(Link::default());
        let shared = Arc::clone(&link);
        let acceptor = std::thread::spawn(move || shared.accept(&listener, to));
        Cuttable { port, link, acceptor: Some(acceptor) }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections came so far.
    pub fn accepted(&self) -> usize {
        self.link.state.lock().unwrap().accepted
    }

    /// Breaks all connections; new ones work.
    pub fn cut(&self) {
        for stream in self.link.state.lock().unwrap().streams.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Carries nothing any more, without a word to either side.
    pub fn stall(&self) {
        self.link.state.lock().unwrap().stalled = true;
    }

    /// Connections of now carry nothing any more, without a word to either side; new ones work.
    pub fn freeze(&self) {
        let mut state = self.link.state.lock().unwrap();
        state.frozen = state.accepted;
    }

    /// Carries what waits, and everything from now on.
    pub fn flow(&self) {
        let mut state = self.link.state.lock().unwrap();
        (state.stalled, state.frozen) = (false, 0);
        drop(state);
        self.link.changed.notify_all();
    }
}

impl Link {
    fn accept(self: Arc<Link>, listener: &TcpListener, to: u16) {
        while let Ok((near, _)) = listener.accept() {
            if self.state.lock().unwrap().ended {
                return;
            }
            let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            let mut state = self.state.lock().unwrap();
            state.accepted += 1;
            let number = state.accepted;
            for (from, to) in [(&near, &far), (&far, &near)] {
                from.set_nodelay(true).unwrap();
                let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let link = Arc::clone(&self);
                state.pumps.push(std::thread::spawn(move || link.pump(number, from, to)));
            }
            state.streams.extend([near, far]);
        }
    }

    fn pump(&self, number: usize, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let state = self.state.lock().unwrap();
            let holds = |state: &State| state.stalled || number <= state.frozen;
            let waits = |state: &mut State| holds(state) && !state.ended;
            drop(self.changed.wait_while(state, waits).unwrap());
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        self.link.state.lock().unwrap().ended = true;
        self.link.changed.notify_all();
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes the acceptor
        self.acceptor.take().unwrap().join().unwrap();
        self.cut();
        let pumps = std::mem::take(&mut self.link.state.lock().unwrap().pumps);
        pumps.into_iter().for_each(|pump| pump.join().unwrap());
    }
}
