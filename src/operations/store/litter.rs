//! The SQL of what runs leave on their targets.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction};

use super::read_place;
use crate::error::Result;
use crate::inventory::Place;

/// Where runs left something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::operations) struct Spot {
    /// The link's id.
    pub(in crate::operations) target: String,
    /// Where it was then; none when an older version did not write it down.
    pub(in crate::operations) place: Option<Place>,
}

/// What may still be on a target of runs whose results are in the database.
#[derive(Debug, Default)]
pub(in crate::operations) struct Litter {
    /// Runs that have ended.
    pub(in crate::operations) ended: Vec<String>,
    /// Runs of which only the database says that they are over.
    pub(in crate::operations) unknown: Vec<String>,
}

/// What may still be on the targets.
pub(in crate::operations) fn litter(db: &Connection) -> Result<BTreeMap<Spot, Litter>> {
    let mut query = db.prepare_cached(
        "SELECT target, run_id, exit_code IS NOT NULL AS known, host, port, user, jump
         FROM operation_logs WHERE litter = 1",
    )?;
    let mut rows = query.query([])?;
    let mut litter: BTreeMap<Spot, Litter> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let spot = Spot { target: row.get("target")?, place: read_place(row)? };
        let of_spot = litter.entry(spot).or_default();
        let list = if row.get("known")? { &mut of_spot.ended } else { &mut of_spot.unknown };
        list.push(row.get("run_id")?);
    }
    Ok(litter)
}

/// Those directories are gone.
pub(in crate::operations) fn cleaned(tx: &Transaction<'_>, run_ids: &[String]) -> Result<()> {
    let mut update = tx.prepare_cached("UPDATE operation_logs SET litter = 0 WHERE run_id = ?1")?;
    for run_id in run_ids {
        update.execute([run_id])?;
    }
    Ok(())
}
