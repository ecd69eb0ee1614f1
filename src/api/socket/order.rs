//! What a browser says on its socket: section 7 of the contract.

use serde::Deserialize;

use crate::api::json::Object;
use crate::error::{Error, Result};
use crate::ssh::Size;
use crate::terminal::PaneName;

/// What is wanted of a pane.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// This was typed.
    Input(String),
    /// The browser shows the pane in this size.
    Resize(Size),
    /// A shell.
    Connect,
    /// No shell any more.
    Disconnect,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Message {
    Stdin { pane: String, data: String },
    Resize { pane: String, cols: u16, rows: u16 },
    Connect { pane: String },
    Disconnect { pane: String },
}

/// Reads a message.
///
/// # Errors
/// It is no message of the contract, or names a pane or a size that there cannot be.
pub(super) fn read(text: &str) -> Result<(PaneName, Order)> {
    let message = serde_json::from_str(text);
    let Object(message) = message.map_err(|error| Error::Json { message: error.to_string() })?;
    let (pane, order) = match message {
        Message::Stdin { pane, data } => (pane, Order::Input(data)),
        Message::Resize { pane, cols, rows } => (pane, Order::Resize(size(cols, rows)?)),
        Message::Connect { pane } => (pane, Order::Connect),
        Message::Disconnect { pane } => (pane, Order::Disconnect),
    };
    Ok((pane.parse()?, order))
}

fn size(cols: u16, rows: u16) -> Result<Size> {
    Size::new(cols, rows).ok_or_else(|| {
        Error::invalid("cols", format!("cols and rows must be from 1 to {}", Size::MOST))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_strictly() {
        let good_one = |text: &str| read(text).is_ok();
        for (text, good) in [
            (r#"{"pane":"A","type":"stdin","data":"ls\r"}"#, true),
            (r#"{"pane":"A","type":"resize","cols":80,"rows":24}"#, true),
            (r#"{"type":"connect","pane":"A"}"#, true),
            (r#"{"type":"disconnect","pane":"A"}"#, true),
            (r#"{"type":"connect","pane":"A","target":"x"}"#, false),
            (r#"{"type":"stdin","pane":"A"}"#, false),
            (r#"{"type":"resize","pane":"A","cols":-1,"rows":24}"#, false),
            (r#"{"type":"resize","pane":"A","cols":70000,"rows":24}"#, false),
            (r#"{"type":"resize","pane":"A","cols":0,"rows":24}"#, false),
            (r#"{"type":"resize","pane":"A","cols":80,"rows":1001}"#, false),
            (r#"{"type":"connect","pane":"E"}"#, false),
            (r#"{"type":"stop","pane":"A"}"#, false),
            (r#"{"pane":"A"}"#, false),
            (r#"{"type":"connect","pane":"A","pane":"B"}"#, false),
            (r#"["connect","A"]"#, false),
            ("[]", false),
            ("", false),
        ] {
            assert_eq!(good_one(text), good, "{text}");
        }
    }
}
