//! A browser on a workspace, as far as the server sees one: it types, reads, and remembers what
//! each pane has shown.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::linkops::LinkOps;
use super::websocket::{Client, Got};
use super::{PATIENCE, deadline};

/// How often a browser that waits for something else looks around.
const LOOK: Duration = Duration::from_millis(20);

/// Makes a workspace whose panes have these targets; gives its id.
#[track_caller]
pub fn workspace(linkops: &LinkOps, panes: &[(&str, &str)]) -> String {
    let made = linkops.post("/api/terminal/workspaces", &json!({ "layout": "grid2x2" }));
    let id = made.expect(201)["workspace_id"].as_str().unwrap().to_owned();
    let panes: Vec<Value> =
        panes.iter().map(|(pane, target)| json!({ "pane": pane, "target": target })).collect();
    let path = format!("/api/terminal/workspaces/{id}/panes");
    linkops.ask("PUT", &path, Some(&json!({ "panes": panes }))).expect(200);
    id
}

/// What a pane has shown.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    /// Output since the last snapshot, with it.
    pub text: String,
    /// Every status.
    pub statuses: Vec<String>,
    /// Every snapshot.
    pub snapshots: Vec<String>,
    /// The sizes that it was told.
    pub sizes: Vec<(u64, u64)>,
}

impl Seen {
    /// The newest status.
    pub fn status(&self) -> &str {
        self.statuses.last().map_or("", String::as_str)
    }
}

/// A browser's tab with an open socket. Dropping it cuts the connection without a word.
pub struct Tab {
    client: Client,
    seen: BTreeMap<String, Seen>,
    /// Codes of errors that it was told.
    pub errors: Vec<String>,
    /// The code with which the server has closed.
    pub closed: Option<u16>,
}

impl Tab {
    /// Opens the workspace.
    #[track_caller]
    pub fn open(linkops: &LinkOps, workspace: &str) -> Tab {
        let path = format!("/api/terminal/workspaces/{workspace}/ws");
        let headers = [("Authorization", &linkops.bearer()[..])];
        let client = Client::open(linkops.address(), &path, &headers);
        Tab { client, seen: BTreeMap::new(), errors: Vec::new(), closed: None }
    }

    /// The same with all these panes connected and at their prompts.
    #[track_caller]
    pub fn connected(linkops: &LinkOps, workspace: &str, panes: &[&str]) -> Tab {
        let mut tab = Tab::open(linkops, workspace);
        panes.iter().for_each(|pane| tab.connect(pane));
        panes.iter().for_each(|pane| tab.at_the_prompt(pane));
        tab
    }

    /// Says something.
    pub fn say(&mut self, message: Value) {
        self.client.send(message.to_string());
    }

    /// Asks for a pane to be connected.
    pub fn connect(&mut self, pane: &str) {
        self.say(json!({ "pane": pane, "type": "connect" }));
    }

    /// Asks for a pane to be disconnected.
    pub fn disconnect(&mut self, pane: &str) {
        self.say(json!({ "pane": pane, "type": "disconnect" }));
    }

    /// Types.
    pub fn types(&mut self, pane: &str, text: &str) {
        self.say(json!({ "pane": pane, "type": "stdin", "data": text }));
    }

    /// Sets the size of a pane.
    pub fn resize(&mut self, pane: &str, cols: u16, rows: u16) {
        self.say(json!({ "pane": pane, "type": "resize", "cols": cols, "rows": rows }));
    }

    /// What a pane has shown.
    pub fn pane(&mut self, pane: &str) -> &mut Seen {
        self.seen.entry(pane.to_owned()).or_default()
    }

    /// Forgets what a pane has shown.
    pub fn forget(&mut self, pane: &str) {
        self.pane(pane).text.clear();
    }

    /// Reads one message, if there is one within the time; false at the end.
    pub fn read(&mut self, time: Duration) -> bool {
        self.client.stream().set_read_timeout(Some(time)).unwrap();
        match self.client.next() {
            Got::Text(text) => self.take(&serde_json::from_str(&text).expect("JSON")),
            Got::Nothing => {}
            Got::Close(code) => self.closed = Some(code),
            Got::Cut => self.closed = self.closed.or(Some(0)),
        }
        self.closed.is_none()
    }

    fn take(&mut self, message: &Value) {
        let word =
            |key: &str| message[key].as_str().unwrap_or_else(|| panic!("{message}")).to_owned();
        let size = || (message["cols"].as_u64().unwrap(), message["rows"].as_u64().unwrap());
        if message["type"] == "error" {
            assert!(!word("message").is_empty());
            self.errors.push(word("code"));
            return;
        }
        let seen = self.seen.entry(word("pane")).or_default();
        match &word("type")[..] {
            "stdout" => seen.text += &word("data"),
            "status" => seen.statuses.push(word("data")),
            "resize" => seen.sizes.push(size()),
            "snapshot" => {
                seen.text = word("data");
                seen.snapshots.push(word("data"));
                seen.sizes.push(size());
            }
            other => panic!("an unknown message {other:?}"),
        }
    }

    /// Reads until this holds.
    #[track_caller]
    pub fn wait(&mut self, what: &str, mut holds: impl FnMut(&mut Tab) -> bool) {
        let deadline = deadline();
        while !holds(self) {
            assert!(Instant::now() < deadline, "waited in vain: {what}\n{}", self.shown());
            let open = self.read(LOOK) || holds(self);
            assert!(open, "closed with {:?}: {what}\n{}", self.closed, self.shown());
        }
    }

    /// The beginning of all that was seen.
    fn shown(&self) -> String {
        format!("{:?}", self.seen).chars().take(4000).collect()
    }

    /// Reads until a pane has shown this text. What is typed comes back, so it must spell the text
    /// in another way.
    #[track_caller]
    pub fn sees(&mut self, pane: &str, text: &str) {
        self.wait(&format!("{text:?} on {pane}"), |tab| tab.pane(pane).text.contains(text));
    }

    /// Reads until a pane has this status.
    #[track_caller]
    pub fn becomes(&mut self, pane: &str, status: &str) {
        self.wait(&format!("{pane} is {status:?}"), |tab| tab.pane(pane).status() == status);
    }

    /// Reads until a pane's shell waits for a command; what it has shown is forgotten.
    #[track_caller]
    pub fn at_the_prompt(&mut self, pane: &str) {
        self.becomes(pane, "connected");
        self.types(pane, "PS1=prompt-$((1+1))-; PROMPT_COMMAND=\r");
        self.sees(pane, "prompt-2-");
        self.forget(pane);
    }

    /// Reads until the server closes, and gives its code; 0 for a cut.
    #[track_caller]
    pub fn ends(&mut self) -> u16 {
        let deadline = Instant::now() + PATIENCE;
        while self.read(LOOK) {
            assert!(Instant::now() < deadline, "it was not closed");
        }
        self.closed.unwrap_or_default()
    }

    /// The socket.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// What writes from another thread; no ping may come meanwhile.
    pub fn writer(&mut self) -> Client {
        self.client.writer()
    }

    /// The connection, to do with it what no browser should.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.client.stream()
    }
}
