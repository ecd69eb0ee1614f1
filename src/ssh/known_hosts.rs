//! Known host keys: parsing and judging, after sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT". Pure text in,
//! verdict out; `trust` has the file. Where OpenSSH and caution differ, caution wins: a host that
//! is known by another type of key only is a changed host.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A public key as it travels: RFC 4253 section 6.6, whose first string names its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostKey {
    kind: String,
    blob: Vec<u8>,
}

/// A usable line of the file.
#[derive(Debug)]
pub(super) struct Entry {
    line: usize,
    revoked: bool,
    hosts: Hosts,
    key: HostKey,
}

/// The first field of a line.
#[derive(Debug)]
enum Hosts {
    /// Names, addresses and wildcards; true for those behind a `!`.
    Patterns(Vec<(bool, String)>),
    /// One name as HMAC-SHA1 with a salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

/// A line that does not count, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) line: usize,
    pub(super) text: &'static str,
}

/// The file's content.
#[derive(Debug, Default)]
pub(super) struct KnownHosts {
    entries: Vec<Entry>,
}

/// What the file says about a host and the key that it shows.
#[derive(Debug)]
#[must_use]
pub(super) enum Verdict<'a> {
    /// This key is written down for this host.
    Known,
    /// Nothing is written down for this host.
    Unknown,
    /// Only other keys are.
    Changed(&'a Entry),
    /// This key must never be accepted again.
    Revoked(&'a Entry),
}

impl HostKey {
    /// Reads the type from the blob itself.
    pub(super) fn from_blob(blob: &[u8]) -> Option<HostKey> {
        let (length, rest) = blob.split_at_checked(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let kind = std::str::from_utf8(rest.get(..length)?).ok()?;
        (!kind.is_empty()).then(|| HostKey { kind: kind.to_owned(), blob: blob.to_vec() })
    }

    /// The type's name, such as `ssh-ed25519`.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    /// The fingerprint as `ssh-keygen -l` prints it.
    pub(super) fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }

    /// The type and the key, as they stand in a line.
    pub(super) fn fields(&self) -> String {
        format!("{} {}", self.kind, STANDARD.encode(&self.blob))
    }
}

impl Entry {
    /// The line in the file, from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The key written down.
    pub(super) fn key(&self) -> &HostKey {
        &self.key
    }
}

/// The name under which a host stands in the file: alone for port 22, `[host]:port` otherwise.
pub(super) fn name(host: &str, port: u16) -> String {
    let host = host.to_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

impl KnownHosts {
    /// Reads a file's text. A line that cannot be used never spoils the others.
    pub(super) fn parse(text: &str) -> (KnownHosts, Vec<Remark>) {
        let mut known = KnownHosts::default();
        let mut remarks = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            match parse_line(line_number, line.trim()) {
                Ok(Some(entry)) => known.entries.push(entry),
                Ok(None) => {}
                Err(text) => remarks.push(Remark { line: line_number, text }),
            }
        }
        (known, remarks)
    }

    /// Judges the key that a host shows.
    pub(super) fn judge(&self, host: &str, port: u16, key: &HostKey) -> Verdict<'_> {
        let names = names(host, port);
        // A revoked key is refused on every port, also when the line names the host alone.
        let mut anywhere = names.clone();
        anywhere.push(host.to_lowercase());
        let revoked = |entry: &&Entry| {
            entry.revoked && entry.key == *key && entry.hosts.match_one_of(&anywhere)
        };
        if let Some(entry) = self.entries.iter().find(revoked) {
            return Verdict::Revoked(entry);
        }
        let mut changed = None;
        for entry in self.of(names) {
            if entry.key == *key {
                return Verdict::Known;
            }
            // The same type tells more to whoever reads the refusal.
            if changed.is_none() || entry.key.kind == key.kind {
                changed = Some(entry);
            }
        }
        changed.map_or(Verdict::Unknown, Verdict::Changed)
    }

    /// The types of keys written down for a host, for the order of preference.
    pub(super) fn kinds(&self, host: &str, port: u16) -> Vec<&str> {
        self.of(names(host, port)).map(|entry| entry.key.kind.as_str()).collect()
    }

    /// The keys written down for a host, as they stand in lines.
    pub(super) fn keys(&self, host: &str, port: u16) -> Vec<&HostKey> {
        self.of(names(host, port)).map(|entry| &entry.key).collect()
    }

    fn of(&self, names: Vec<String>) -> impl Iterator<Item = &Entry> {
        let for_one = move |entry: &&Entry| !entry.revoked && entry.hosts.match_one_of(&names);
        self.entries.iter().filter(for_one)
    }
}

/// The names to look for: both ways to write the standard port, and never another port's.
fn names(host: &str, port: u16) -> Vec<String> {
    let mut names = vec![name(host, port)];
    if port == 22 {
        names.push(format!("[{}]:22", host.to_lowercase()));
    }
    names
}

fn parse_line(line_number: usize, line: &str) -> Result<Option<Entry>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let mut fields = line.split_ascii_whitespace().peekable();
    let marker = fields.next_if(|field| field.starts_with('@'));
    let revoked = match marker {
        None => false,
        Some("@revoked") => true,
        Some("@cert-authority") => return Err("host certificates are not supported"),
        Some(_) => return Err("the marker is not known"),
    };
    let hosts = parse_hosts(fields.next().ok_or("there is no host")?)?;
    let kind = fields.next().ok_or("there is no key type")?;
    let blob = fields.next().ok_or("there is no key")?;
    let blob = STANDARD.decode(blob).map_err(|_| "the key is not base64")?;
    let key = HostKey::from_blob(&blob).ok_or("the key cannot be read")?;
    if key.kind != kind {
        return Err("the key is of another type than the line says");
    }
    Ok(Some(Entry { line: line_number, revoked, hosts, key }))
}

fn parse_hosts(field: &str) -> Result<Hosts, &'static str> {
    if let Some(hashed) = field.strip_prefix("|1|") {
        let (salt, hash) = hashed.split_once('|').ok_or("the hashed name has no hash")?;
        let salt = STANDARD.decode(salt).map_err(|_| "the salt is not base64")?;
        let hash = STANDARD.decode(hash).map_err(|_| "the hash is not base64")?;
        return Ok(Hosts::Hashed { salt, hash });
    }
    if field.starts_with('|') {
        return Err("the hash is of a kind that is not known");
    }
    let patterns = field.split(',').filter(|pattern| !pattern.is_empty()).map(|pattern| {
        let bare = pattern.strip_prefix('!');
        (bare.is_some(), bare.unwrap_or(pattern).to_lowercase())
    });
    Ok(Hosts::Patterns(patterns.collect()))
}

impl Hosts {
    fn match_one_of(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.matches(name))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Hosts::Patterns(patterns) => {
                let mut found = false;
                for (negated, pattern) in patterns {
                    if wildcard(pattern.as_bytes(), name.as_bytes()) {
                        if *negated {
                            return false;
                        }
                        found = true;
                    }
                }
                found
            }
            Hosts::Hashed { salt, hash } => Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name).verify_slice(hash).is_ok()),
        }
    }
}

/// Whether a pattern with `*` and `?` fits the whole name. Linear in both: it goes back to the
/// last star only, so that no line can make a connection slow.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((at, tried)) => {
                    *tried += 1;
                    p = *at + 1;
                    n = *tried;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: &str, content: u8) -> HostKey {
        let mut blob = (kind.len() as u32).to_be_bytes().to_vec();
        blob.extend_from_slice(kind.as_bytes());
        blob.extend_from_slice(&[0, 0, 0, 1, content]);
        HostKey::from_blob(&blob).unwrap()
    }

    /// Judges ed25519 key 1 at `host:port` against a text in which `KEY1` and `KEY2` stand for
    /// ed25519 keys and `RSA1` for an RSA key.
    fn check(text: &str, host: &str, port: u16) -> &'static str {
        let text = text
            .replace("KEY1", &key("ssh-ed25519", 1).fields())
            .replace("KEY2", &key("ssh-ed25519", 2).fields())
            .replace("RSA1", &key("ssh-rsa", 1).fields());
        let (known, _) = KnownHosts::parse(&text);
        match known.judge(host, port, &key("ssh-ed25519", 1)) {
            Verdict::Known => "known",
            Verdict::Unknown => "unknown",
            Verdict::Changed(_) => "changed",
            Verdict::Revoked(_) => "revoked",
        }
    }

    #[test]
    fn names_lists_and_comments() {
        assert_eq!(check("", "host", 22), "unknown");
        assert_eq!(check("# host KEY1\n\nhost KEY1 a comment", "host", 22), "known");
        assert_eq!(check("other,HOST,10.0.0.1 KEY1", "Host", 22), "known");
        assert_eq!(check("host KEY2", "host", 22), "changed");
        assert_eq!(check("host KEY2\nhost KEY1", "host", 22), "known");
        assert_eq!(check("hosts KEY2", "host", 22), "unknown");
    }

    /// sshd(8): "Hostnames … may be enclosed within '[' and ']' brackets then followed by ':' and
    /// a non-standard port number."
    #[test]
    fn an_entry_is_for_its_port_alone() {
        assert_eq!(check("host KEY2", "host", 2222), "unknown");
        assert_eq!(check("[host]:2222 KEY2", "host", 22), "unknown");
        assert_eq!(check("[host]:2222 KEY1", "host", 2222), "known");
        assert_eq!(check("[host]:22 KEY1", "host", 22), "known");
    }

    /// sshd(8): "Hostnames is a comma-separated list of patterns ('*' and '?' act as wildcards) …
    /// A pattern can also be preceded by '!' to indicate negation".
    #[test]
    fn wildcards_and_negation() {
        assert_eq!(check("*.lab KEY1", "a.lab", 22), "known");
        assert_eq!(check("10.0.0.? KEY1", "10.0.0.7", 22), "known");
        assert_eq!(check("10.0.0.? KEY1", "10.0.0.77", 22), "unknown");
        assert_eq!(check("*.lab,!b.lab KEY2", "b.lab", 22), "unknown");
        assert_eq!(check("!b.lab,*.lab KEY2", "a.lab", 22), "changed");
        assert_eq!(check("*.lab KEY2", "a.lab", 2222), "unknown");
        assert_eq!(check("[*.lab]:* KEY1", "a.lab", 2222), "known");
        assert!(wildcard(b"a*b*c", b"a-b-b-c") && !wildcard(b"a*b*c", b"a-b-b"));
    }

    /// sshd(8): "Alternately, hostnames may be stored in a hashed form which hides host names and
    /// addresses". What `ssh-keygen -H` writes is tested against a real server.
    #[test]
    fn hashed_names() {
        let salt = [7; 20];
        let hash = |name: &str| {
            let mac = Hmac::<Sha1>::new_from_slice(&salt).unwrap().chain_update(name);
            let hash = STANDARD.encode(mac.finalize().into_bytes());
            format!("|1|{}|{hash} KEY1", STANDARD.encode(salt))
        };
        assert_eq!(check(&hash("host"), "HOST", 22), "known");
        assert_eq!(check(&hash("host"), "host", 2222), "unknown");
        assert_eq!(check(&hash("[host]:2222"), "host", 2222), "known");
    }

    /// sshd(8): "@revoked, to indicate that the key contained on the line is revoked and must not
    /// ever be accepted."
    #[test]
    fn a_revoked_key_wins_over_all() {
        assert_eq!(check("host KEY1\n@revoked * KEY1", "host", 22), "revoked");
        assert_eq!(check("[host]:2222 KEY1\n@revoked host KEY1", "host", 2222), "revoked");
        assert_eq!(check("@revoked * KEY2\nhost KEY1", "host", 22), "known");
        assert_eq!(check("@revoked host KEY2", "host", 22), "unknown");
    }

    #[test]
    fn another_type_of_key_is_a_change() {
        assert_eq!(check("host RSA1", "host", 22), "changed");
        assert_eq!(check("host RSA1\nhost KEY1", "host", 22), "known");
        let text = format!("host {}", key("ssh-rsa", 1).fields());
        assert_eq!(KnownHosts::parse(&text).0.kinds("host", 22), ["ssh-rsa"]);
    }

    #[test]
    fn bad_lines_are_named_and_do_no_harm() {
        let good = key("ssh-ed25519", 1).fields();
        let text = format!(
            "host\nhost ssh-ed25519\nhost ssh-ed25519 !!!\nhost ssh-rsa {}\n@new host {good}\n\
             |2|a|b {good}\n|1|a {good}\n@cert-authority * {good}\nhost {good}",
            good.split(' ').nth(1).unwrap()
        );
        let (known, remarks) = KnownHosts::parse(&text);
        assert_eq!(
            remarks.iter().map(|one| one.line).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5, 6, 7, 8]
        );
        assert!(matches!(known.judge("host", 22, &key("ssh-ed25519", 1)), Verdict::Known));
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(300))]
        #[test]
        fn no_text_makes_it_panic(text in ".*", host in ".*", port: u16) {
            let (known, _) = KnownHosts::parse(&text);
            let _ = known.judge(&host, port, &key("ssh-ed25519", 1));
        }
    }
}
