//! The SQL of what came of an execution, without its output in memory.

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::events::read_stream;
use super::read_status;
use crate::error::Result;
use crate::operations::{ExecutionStatus, Id};
use crate::ssh::Stream;

/// What came of an execution. Outputs stand here by their SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::operations) struct Fingerprint {
    /// Where it stands.
    pub(in crate::operations) status: ExecutionStatus,
    /// The script's exit code, when it is known.
    pub(in crate::operations) exit_code: Option<i32>,
    stdout: [u8; 32],
    stderr: [u8; 32],
}

/// What came of the execution at `position`, and whether its output was cut.
pub(in crate::operations) fn fingerprint(
    db: &Connection,
    id: Id,
    position: usize,
) -> Result<(Fingerprint, bool)> {
    let (mut stdout, mut stderr) = (Sha256::new(), Sha256::new());
    let mut query = db.prepare_cached(
        "SELECT stream, data FROM operation_events
         WHERE operation = ?1 AND position = ?2 AND kind = 'output' ORDER BY seq",
    )?;
    let mut rows = query.query(params![id.0, position as i64])?;
    while let Some(row) = rows.next()? {
        let data = row.get_ref("data")?.as_blob().map_err(rusqlite::Error::from)?;
        match read_stream(row)? {
            Stream::Stdout => stdout.update(data),
            Stream::Stderr => stderr.update(data),
        }
    }
    let mut query = db.prepare_cached(
        "SELECT status, exit_code, truncated FROM operation_logs
         WHERE operation = ?1 AND position = ?2",
    )?;
    query
        .query_and_then(params![id.0, position as i64], |row| {
            let fingerprint = Fingerprint {
                status: read_status(row)?,
                exit_code: row.get("exit_code")?,
                stdout: stdout.clone().finalize().into(),
                stderr: stderr.clone().finalize().into(),
            };
            Ok((fingerprint, row.get("truncated")?))
        })?
        .next()
        .unwrap_or_else(|| Err(rusqlite::Error::QueryReturnedNoRows.into()))
}
