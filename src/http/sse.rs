//! The text of an event stream (WHATWG HTML section 9.2).

use std::fmt::Write;

/// One event. `data` is sent as one field per line, which its reader joins again with newlines;
/// it ends lines at CR, LF or CRLF alike. Line ends in `id` and `name` would end the field, and
/// are left out; so is a NUL in `id`, for which a reader ignores the whole field.
pub fn event(id: &str, name: &str, data: &str) -> String {
    let mut text = String::with_capacity(data.len() + id.len() + name.len() + 32);
    if !id.is_empty() {
        field(&mut text, "id", &id.replace(['\r', '\n', '\0'], ""));
    }
    if !name.is_empty() {
        field(&mut text, "event", &name.replace(['\r', '\n'], ""));
    }
    lines(data).for_each(|line| field(&mut text, "data", line));
    text.push('\n');
    text
}

/// A comment, which keeps a silent connection alive.
pub fn comment(text: &str) -> String {
    let mut out: String = lines(text).fold(String::new(), |mut out, line| {
        let _ = writeln!(out, ": {line}"); // writing to a String cannot fail
        out
    });
    out.push('\n');
    out
}

fn field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name}: {value}"); // writing to a String cannot fail
}

/// Lines as an event stream's reader sees them; the last one may be empty.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            rest = None;
            return Some(text);
        };
        let next = &text[end..];
        rest = Some(next.strip_prefix("\r\n").unwrap_or(&next[1..]));
        Some(&text[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A reader as the standard describes it: id, name and data of each dispatched event.
    fn read(text: &str) -> Vec<(String, String, String)> {
        let (mut id, mut name, mut data) = (String::new(), String::new(), String::new());
        let mut events = Vec::new();
        for line in lines(text) {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    if let Some(data) = data.strip_suffix('\n') {
                        events.push((id.clone(), name.clone(), data.to_owned()));
                    }
                    (name, data) = (String::new(), String::new());
                }
                "id" if !value.contains('\0') => id = value.to_owned(),
                "event" => name = value.to_owned(),
                "data" => data = data + value + "\n",
                _ => {}
            }
        }
        events
    }

    #[test]
    fn an_event_has_a_line_per_line() {
        assert_eq!(event("7", "output", "a\nb"), "id: 7\nevent: output\ndata: a\ndata: b\n\n");
        assert_eq!(event("", "", ""), "data: \n\n");
        assert_eq!(comment("still here"), ": still here\n\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_data_arrives_as_one_event(
            id in "[^\0\r\n]{0,6}",
            name in "[^\r\n]{0,6}",
            data in "([a: \r\n]|\\PC){0,24}",
        ) {
            let joined = data.replace("\r\n", "\n").replace('\r', "\n");
            prop_assert_eq!(read(&event(&id, &name, &data)), [(id, name, joined)]);
        }

        #[test]
        fn a_comment_is_never_an_event(text in "([data: \r\n]){0,24}") {
            prop_assert_eq!(read(&comment(&text)), []);
        }
    }
}
