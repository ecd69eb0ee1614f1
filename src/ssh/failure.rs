//! A failure of SSH: which target, what kind, and whether a command may have started.

use std::fmt;

/// Why something on a target failed. The text is for people; programs look at `kind`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The name of the target that failed; of the jump host when that one did.
    pub target: String,
    /// What kind of failure.
    pub kind: Kind,
    /// What happened, and on a second line what to do.
    pub message: String,
    /// Whether the command's input may have arrived whole.
    pub input_sent: bool,
}

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The private key's file is missing, too open, or not a usable key.
    KeyFile,
    /// The host's name has no address.
    Resolve,
    /// Nobody listens on the port.
    Refused,
    /// There is no way to the host.
    Unreachable,
    /// The deadline passed.
    TimedOut,
    /// The server hung up, or is no SSH server, before the connection was ready.
    Handshake,
    /// We and the server have no algorithm in common, or its key cannot be read.
    Algorithms,
    /// The host has another key than the known one.
    HostKeyChanged,
    /// The host's key is not known, and the policy is strict.
    HostKeyUnknown,
    /// The host's key is marked as revoked.
    HostKeyRevoked,
    /// The file of known host keys cannot be read or written.
    KnownHosts,
    /// The server does not let us in with this user and key.
    Authentication,
    /// The jump host does not connect us to the target.
    Jump,
    /// The server refuses a channel or a command.
    Channel,
    /// The connection died.
    Lost,
    /// The caller's latch was set.
    Stopped,
}

impl Kind {
    /// Whether the way to the target failed rather than the target's or our own decision: only
    /// then can another try end differently.
    pub fn is_transport(self) -> bool {
        matches!(
            self,
            Kind::Resolve
                | Kind::Refused
                | Kind::Unreachable
                | Kind::TimedOut
                | Kind::Handshake
                | Kind::Jump
                | Kind::Lost
        )
    }
}

impl Failure {
    /// A failure before anything was started.
    pub fn new(target: impl Into<String>, kind: Kind, message: impl Into<String>) -> Failure {
        Failure { target: target.into(), kind, message: message.into(), input_sent: false }
    }

    /// The message for a client of the API, without the directories of our files: key files and the
    /// like are quoted whole for the log.
    pub fn told(&self) -> String {
        let name = |(at, part): (usize, &str)| match part.rsplit_once('/') {
            // Between quotes, since what is quoted stands at the odd places.
            Some((_, name)) if at % 2 == 1 && part.starts_with('/') => name.to_owned(),
            _ => part.to_owned(),
        };
        self.message.split('"').enumerate().map(name).collect::<Vec<_>>().join("\"")
    }

    /// Whether a command that needs its whole input may have started. When this is false it has
    /// not, and it is safe to run it again.
    pub fn may_have_started(&self) -> bool {
        self.input_sent
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.target, self.message)
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for crate::error::Error {
    fn from(failure: Failure) -> Self {
        let message = failure.told();
        crate::error::Error::Ssh { target: failure.target, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_the_names_of_our_files_only() {
        let told = |message: &str| Failure::new("a", Kind::KeyFile, message).told();
        assert_eq!(
            told("the key \"/var/keys/id\" of \"a/b\" is bad\nrun: chmod 600 \"/var/keys/id\""),
            "the key \"id\" of \"a/b\" is bad\nrun: chmod 600 \"id\""
        );
        assert_eq!(told("/etc is not quoted"), "/etc is not quoted");
    }
}
