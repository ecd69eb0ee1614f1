//! A role says what its user may do. The whole policy is one pure function, [`may`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a user is. Each role may do all that the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Changes machines: runs scripts, opens terminals, verifies, syncs.
    Operator,
    /// Decides who may do what, and sees who did it.
    Admin,
}

impl Role {
    /// The name on the wire, in the database and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Role> {
        [Role::Viewer, Role::Operator, Role::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| {
                Error::invalid(
                    "role",
                    format!("{text:?} is not \"admin\", \"operator\" or \"viewer\""),
                )
            })
    }
}

/// What can be done once it is known who is calling; section 3 of the contract, call by call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// `GET /api/auth/me`, `POST /api/auth/{logout,ticket}`, `GET /api/tokens`.
    UseOwnAccount,
    /// `POST /api/auth/{refresh,password}`, `POST /api/tokens`, `DELETE /api/tokens/{id}`.
    ManageOwnAccess,
    /// `GET /api/health`, `GET /api/openapi.json`.
    ReadServer,
    /// `GET /api/links…`, `GET /api/scripts…`.
    ReadInventory,
    /// `GET /api/operations…`, with their events.
    ReadOperations,
    /// `GET /api/terminal/workspaces…`, `GET /api/recordings…`.
    ReadTerminals,
    /// `GET /api/git/status`.
    ReadSync,
    /// `POST /api/tables/query`, except `tbl_audit`.
    ReadTables,
    /// `POST /api/links/verify`, `POST /api/links/{id}/verify`.
    Verify,
    /// `POST /api/operations/run`.
    Run,
    /// `POST /api/operations/{id}/stop`.
    Stop,
    /// `POST /api/git/sync`.
    Sync,
    /// All on workspaces that is not reading: make, assign, connect, type into, close.
    OpenTerminal,
    /// `DELETE /api/recordings/{id}`.
    DeleteRecording,
    /// `GET /api/users`.
    ReadUsers,
    /// All else on `/api/users…`.
    ManageUsers,
    /// `GET /api/audit/verify`, `POST /api/tables/query` for `tbl_audit`.
    ReadAudit,
}

impl Act {
    /// The least role that may do it.
    #[must_use]
    pub fn needs(self) -> Role {
        match self {
            Act::UseOwnAccount
            | Act::ManageOwnAccess
            | Act::ReadServer
            | Act::ReadInventory
            | Act::ReadOperations
            | Act::ReadTerminals
            | Act::ReadSync
            | Act::ReadTables => Role::Viewer,
            Act::Verify | Act::Run | Act::Stop | Act::Sync | Act::OpenTerminal => Role::Operator,
            Act::DeleteRecording | Act::ReadUsers | Act::ManageUsers | Act::ReadAudit => {
                Role::Admin
            }
        }
    }

    /// Whether an API token is not enough, whatever its role: who gives out access must be somebody
    /// who can sign in, or a token that was stolen could make itself others that last.
    #[must_use]
    pub fn needs_login(self) -> bool {
        matches!(self, Act::ManageOwnAccess | Act::ManageUsers)
    }
}

/// Whether a user of this role may do this.
#[must_use]
pub fn may(role: Role, act: Act) -> bool {
    role >= act.needs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_may_do_what_the_table_says() {
        // act, viewer, operator, admin
        for (act, viewer, operator, admin) in [
            (Act::UseOwnAccount, true, true, true),
            (Act::ManageOwnAccess, true, true, true),
            (Act::ReadServer, true, true, true),
            (Act::ReadInventory, true, true, true),
            (Act::ReadOperations, true, true, true),
            (Act::ReadTerminals, true, true, true),
            (Act::ReadSync, true, true, true),
            (Act::ReadTables, true, true, true),
            (Act::Verify, false, true, true),
            (Act::Run, false, true, true),
            (Act::Stop, false, true, true),
            (Act::Sync, false, true, true),
            (Act::OpenTerminal, false, true, true),
            (Act::DeleteRecording, false, false, true),
            (Act::ReadUsers, false, false, true),
            (Act::ManageUsers, false, false, true),
            (Act::ReadAudit, false, false, true),
        ] {
            assert_eq!(may(Role::Viewer, act), viewer, "viewer {act:?}");
            assert_eq!(may(Role::Operator, act), operator, "operator {act:?}");
            assert_eq!(may(Role::Admin, act), admin, "admin {act:?}");
        }
    }

    #[test]
    fn a_role_is_read_as_it_is_written_and_in_no_other_way() {
        for role in [Role::Viewer, Role::Operator, Role::Admin] {
            assert_eq!(role.to_string().parse::<Role>().unwrap(), role);
        }
        for wrong in ["", "Admin", "root", "admin "] {
            let error = wrong.parse::<Role>().unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }
}
