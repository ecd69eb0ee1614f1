//! Executions of one script put together by what came of them: among many machines the few that
//! differ are what people look for.

use std::collections::HashMap;

use super::store::{self, Fingerprint};
use super::{ExecutionStatus, Operation, Operations};
use crate::error::Result;

/// Executions with the same status, exit code and output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Where they stand.
    pub status: ExecutionStatus,
    /// The script's exit code, when it is known.
    pub exit_code: Option<i32>,
    /// Whether the output of one of them was cut.
    pub truncated: bool,
    /// Their places in the operation, at least one, in order.
    pub positions: Vec<usize>,
}

impl Operations {
    /// The executions of the script at `index` in groups, the largest first, equally large ones in
    /// the order of their first target. Outputs are read one after the other and not kept; before
    /// each, `go_on` can end it.
    ///
    /// # Errors
    /// That of `go_on`; the database cannot be read.
    pub fn groups(
        &self,
        operation: &Operation,
        index: usize,
        go_on: &dyn Fn() -> Result<()>,
    ) -> Result<Vec<Group>> {
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<Fingerprint, usize> = HashMap::new();
        for position in (index..operation.total()).step_by(operation.scripts.len()) {
            go_on()?;
            let (found, truncated) =
                self.shared.store.read(|db| store::fingerprint(db, operation.id, position))?;
            let (status, exit_code) = (found.status, found.exit_code);
            let place = *places.entry(found).or_insert(groups.len());
            match groups.get_mut(place) {
                Some(group) => {
                    group.truncated |= truncated;
                    group.positions.push(position);
                }
                None => {
                    groups.push(Group { status, exit_code, truncated, positions: vec![position] });
                }
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.positions.len())); // stable
        Ok(groups)
    }
}
