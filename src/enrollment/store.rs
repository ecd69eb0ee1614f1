//! What a check found, on its way into the machine's row.

use rusqlite::Transaction;

use super::Inspection;
use crate::error::Result;
use crate::inventory::{self, EnrollmentCheck};

/// Stores the machine's health, and its enrolment when it answered: silence proves nothing. False
/// when the inventory means another machine by now, and nothing is stored.
///
/// # Errors
/// The database fails.
pub fn record(tx: &Transaction<'_>, found: &Inspection) -> Result<bool> {
    if found.checked.reached {
        record_enrollment(tx, found)?;
    }
    record_health(tx, found)
}

/// The same for somebody who asked whether the machine is enrolled: one that does not answer is
/// not.
pub(super) fn record_verified(tx: &Transaction<'_>, found: &Inspection) -> Result<bool> {
    record_enrollment(tx, found)?;
    record_health(tx, found)
}

fn record_enrollment(tx: &Transaction<'_>, found: &Inspection) -> Result<bool> {
    let check = EnrollmentCheck {
        found: found.checked.client_id_found,
        matches: found.checked.client_id_matches,
        error: found.checked.error.clone(),
        at: found.checked.verified_at,
    };
    inventory::store::record_enrollment(tx, &found.machine, &check)
}

fn record_health(tx: &Transaction<'_>, found: &Inspection) -> Result<bool> {
    inventory::store::record_health(tx, &found.machine, found.latency, found.checked.verified_at)
}
