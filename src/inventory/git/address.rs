//! A repository's URL taken apart: what git may see, what people may see, and the secrets, which
//! neither arguments nor messages ever hold.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A repository's URL.
#[derive(Clone)]
pub(super) struct Address {
    /// The URL without secrets.
    pub(super) clean: String,
    /// The value of an Authorization header.
    pub(super) authorization: Option<String>,
    /// What must not stand in any message.
    secrets: Vec<String>,
}

/// The name that goes with a token: servers look at the token only.
const TOKEN_USER: &str = "git";

impl Address {
    /// Takes a URL apart; `token` is for HTTP and wins over a password in the URL.
    ///
    /// # Errors
    /// It cannot be the URL of a repository; the text has no secrets.
    pub(super) fn parse(url: &str, token: Option<&str>) -> Result<Address, String> {
        if url.is_empty() || url.starts_with('-') || url.contains(char::is_control) {
            return Err("it must be a URL or a path".to_owned());
        }
        if token.is_some_and(|token| token.contains(|one: char| !one.is_ascii_graphic())) {
            return Err("the token must be of printable ASCII characters".to_owned());
        }
        let Some((scheme, userinfo, rest)) = split(url) else {
            if redact(url) != url {
                return Err("a password has no place in it".to_owned());
            }
            return Ok(Address { clean: url.to_owned(), authorization: None, secrets: Vec::new() });
        };
        if !matches!(scheme, "http" | "https") {
            let password = userinfo.and_then(|one| one.split_once(':')).map(|(_, one)| one);
            let secrets = password.into_iter().flat_map(|one| [one.to_owned(), decode(one)]);
            return Ok(Address {
                clean: redact(url),
                authorization: None,
                secrets: secrets.collect(),
            });
        }
        if rest.contains(['?', '#']) {
            return Err("a repository's URL has no \"?\" and no \"#\"".to_owned());
        }
        let (user, password) = userinfo
            .unwrap_or_default()
            .split_once(':')
            .unwrap_or((userinfo.unwrap_or_default(), ""));
        let (user, decoded) = (decode(user), decode(password));
        let mut secrets = vec![password.to_owned(), decoded.clone()];
        let password = match token {
            Some(token) => token.to_owned(),
            // A lone name is a token as well: https://TOKEN@host/ is how some servers write it.
            None if decoded.is_empty() => user.clone(),
            None => decoded,
        };
        let user = if user.is_empty() { TOKEN_USER.to_owned() } else { user };
        if user == password {
            secrets.push(userinfo.unwrap_or_default().to_owned());
        }
        let basic = BASE64_STANDARD.encode(format!("{user}:{password}"));
        let authorization = (!password.is_empty()).then(|| format!("Basic {basic}"));
        secrets.extend([password, basic]);
        Ok(Address { clean: redact(url), authorization, secrets })
    }

    /// `text` without any secret.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut secrets: Vec<_> = self.secrets.iter().filter(|one| !one.is_empty()).collect();
        secrets.sort_by_key(|one| std::cmp::Reverse(one.len())); // one may be a part of another
        secrets.iter().fold(text.to_owned(), |text, one| text.replace(one.as_str(), "***"))
    }
}

/// A repository's URL as people may see it: without password, token or query.
pub fn redact(url: &str) -> String {
    let Some((scheme, userinfo, rest)) = split(url) else {
        // user:password@host:path is no URL of any kind, but might be what somebody wrote.
        let host = url.split('/').next().unwrap_or_default();
        return match host.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => format!("***{}", &url[user.len()..]),
            _ => url.to_owned(),
        };
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let user = userinfo.map(|one| one.split(':').next().unwrap_or_default());
    match user {
        // The name is needed to log in over SSH; with HTTP it may be a token.
        Some(user) if matches!(scheme, "ssh" | "git+ssh" | "ssh+git") => {
            format!("{scheme}://{user}@{rest}")
        }
        _ => format!("{scheme}://{rest}"),
    }
}

/// Scheme, user information, and what follows it.
fn split(url: &str) -> Option<(&str, Option<&str>, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    Some(match authority.rsplit_once('@') {
        Some((userinfo, _)) => (scheme, Some(userinfo), &rest[userinfo.len() + 1..]),
        None => (scheme, None, rest),
    })
}

/// `%40` and the like as the characters that they stand for.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digit = |n: usize| tail.get(n).and_then(|one| char::from(*one).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_are_shown_without_secrets() {
        let cases = [
            ("https://u:p@host/r.git", "https://host/r.git"),
            ("https://token@host:8443/r.git", "https://host:8443/r.git"),
            ("https://host/r.git?private_token=x", "https://host/r.git"),
            ("https://u:p/a@b@host/r", "https://u:p/a@b@host/r"), // the host is "u": no userinfo
            ("ssh://git:p@host/r.git", "ssh://git@host/r.git"),
            ("git@host:r.git", "git@host:r.git"),
            ("u:p@host:r.git", "***@host:r.git"),
            ("/srv/r.git", "/srv/r.git"),
            ("file:///srv/r.git", "file:///srv/r.git"),
        ];
        for (url, shown) in cases {
            assert_eq!(redact(url), shown);
        }
    }

    #[test]
    fn credentials_become_a_header() {
        let header = |url: &str, token: Option<&str>| {
            let address = Address::parse(url, token).unwrap();
            assert!(!address.clean.contains('@') || !address.clean.starts_with("http"));
            address.authorization.map(|one| {
                let text = one.strip_prefix("Basic ").unwrap();
                String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
            })
        };
        assert_eq!(header("https://u:p%40ss%2F@h/r", None).as_deref(), Some("u:p@ss/"));
        assert_eq!(header("https://abc@h/r", None).as_deref(), Some("abc:abc"));
        assert_eq!(header("https://h/r", Some("t0k")).as_deref(), Some("git:t0k"));
        assert_eq!(header("https://u@h/r", Some("t0k")).as_deref(), Some("u:t0k"));
        assert_eq!(header("https://h/r", None), None);
        assert_eq!(header("git@h:r", Some("t0k")), None);
        assert!(Address::parse("https://h/r", Some("a\nX-Evil: 1")).is_err());
        assert!(Address::parse("--upload-pack=x", None).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        /// Whatever the secret, neither the URL given to git nor the one shown to people has it.
        #[test]
        fn secrets_stay_inside(user in "[a-z]{1,8}", secret in "[A-Z0-9%@:_-]{6,20}") {
            let secret = secret.replace(['@'], "%40");
            for url in [
                format!("https://{user}:{secret}@git.example/team/r.git"),
                format!("https://{secret}@git.example/team/r.git"),
                format!("ssh://{user}:{secret}@git.example/team/r.git"),
            ] {
                let address = Address::parse(&url, None).unwrap();
                prop_assert!(!address.clean.contains(&secret), "{}", address.clean);
                prop_assert!(!redact(&url).contains(&secret));
                let hidden = address.hide(&format!("fatal: {url}"));
                prop_assert!(!hidden.contains(&secret), "{}", hidden);
            }
        }
    }
}
