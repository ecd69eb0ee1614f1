//! Any text as a message of a browser: it is refused, or it is what its fields say and no more.
//! The file is taken in as it is, because nothing outside `api` may name it.
#![no_main]

/// The parts of the crate that the file names.
mod error {
    pub use linkops::error::*;
}
mod ssh {
    pub use linkops::ssh::Size;
}
mod terminal {
    pub use linkops::terminal::PaneName;
}

#[path = "../../src/api/socket/order.rs"]
mod order;

use error::Error;
use libfuzzer_sys::fuzz_target;
use order::Order;
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    let (pane, order) = match order::read(text) {
        Ok(read) => read,
        Err(Error::Json { .. } | Error::Invalid(_)) => return,
        Err(other) => panic!("{other}"),
    };
    let pane = pane.as_str();
    let wanted = match &order {
        Order::Input(data) => json!({ "pane": pane, "type": "stdin", "data": data }),
        Order::Resize(size) => {
            assert!((1..=1000).contains(&size.cols()) && (1..=1000).contains(&size.rows()));
            json!({ "pane": pane, "type": "resize", "cols": size.cols(), "rows": size.rows() })
        }
        Order::Connect => json!({ "pane": pane, "type": "connect" }),
        Order::Disconnect => json!({ "pane": pane, "type": "disconnect" }),
    };
    let sent: Value = serde_json::from_str(text).expect("what was read is JSON");
    assert_eq!(sent, wanted);
});
