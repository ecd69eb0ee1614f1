//! The webhook: a Git server tells of a push, and we sync at once. What it sends is believed when it
//! is signed with the secret that only it and we know; of all that it says only the branch counts,
//! since the commits themselves are fetched as always.

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::sync::Sync;
use crate::audit::{self, Actor, Entry};
use crate::error::{Error, Result};
use crate::hex;

/// The part of a push that matters. Other events have no `ref`, or none of a branch.
#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: Option<String>,
}

impl Sync {
    /// Takes what a Git server sent: `signature` is the HMAC-SHA256 of `body` in hexadecimal.
    /// Returns whether a sync was queued, which is so for a push to the branch that is followed; a
    /// delivery that comes twice costs one more look at the repository. None without a secret.
    ///
    /// # Errors
    /// [`Error::Signature`] when it is not signed with our secret, [`Error::Invalid`] when it is and
    /// cannot be read.
    pub fn push(
        &self,
        signature: Option<&str>,
        body: &[u8],
        stranger: &Actor,
    ) -> Result<Option<bool>> {
        let Some(secret) = &self.settings.webhook_secret else { return Ok(None) };
        if !signature.is_some_and(|signature| is_signed(secret, body, signature)) {
            return Err(self.refuse(stranger));
        }
        let push: Push = serde_json::from_slice(body).map_err(|_| {
            Error::invalid("body", "is no JSON object\nset the webhook to application/json")
        })?;
        let branch = format!("refs/heads/{}", self.settings.branch);
        if push.reference.as_deref() != Some(&branch) || self.settings.url.is_none() {
            return Ok(Some(false));
        }
        let entry = Entry::done("sync.webhook", &*self.settings.branch);
        audit::note(&self.store, self.clock.now(), &stranger.webhook(), &entry)?;
        self.wake();
        Ok(Some(true))
    }

    fn refuse(&self, stranger: &Actor) -> Error {
        let now = self.clock.now();
        log::warn!(address = stranger.address_text().as_str(); "a webhook is not signed with our secret");
        if let Some(left_out) = self.refusals.admit(None, now) {
            let entry = Entry::refused("sync.webhook", None, "SIGNATURE_INVALID").after(left_out);
            if let Err(error) = audit::note(&self.store, now, stranger, &entry) {
                return error;
            }
        }
        Error::Signature
    }
}

/// Takes the same time wherever the first difference is.
fn is_signed(secret: &[u8], body: &[u8], signature: &str) -> bool {
    let (Some(tag), Ok(mac)) = (hex::read::<32>(signature), Hmac::<Sha256>::new_from_slice(secret))
    else {
        return false;
    };
    mac.chain_update(body).verify_slice(&tag).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From GitHub's page "Validating webhook deliveries".
    const SECRET: &[u8] = b"It's a Secret to Everybody";
    const TAG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn the_signature_is_the_one_that_git_servers_mean() {
        assert!(is_signed(SECRET, b"Hello, World!", TAG));
        assert!(is_signed(SECRET, b"Hello, World!", &TAG.to_uppercase()));
    }

    #[test]
    fn anything_else_is_no_signature() {
        let body = b"Hello, World!";
        assert!(!is_signed(b"another secret", body, TAG));
        assert!(!is_signed(SECRET, b"Hello, World?", TAG));
        let longer = format!("{TAG}00");
        let last = format!("{}8", &TAG[..63]);
        let sign = format!("+{}", &TAG[1..]);
        for wrong in ["", "75", &TAG[..62], &longer, &last, &sign, &"ä".repeat(32)] {
            assert!(!is_signed(SECRET, body, wrong), "{wrong}");
        }
    }
}
