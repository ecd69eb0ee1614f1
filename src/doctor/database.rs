//! The database: every page of it, its version, its audit log.

use super::{Finding, Tell};
use crate::audit;
use crate::config::Config;
use crate::error::Result;
use crate::store::Store;

const PART: &str = "database";
const RESTORE: &str = "stop the server and put a backup back: linkopsd restore FILE";

/// Looks through the database; gives it where it can be read.
pub(super) fn examine(config: &Config, tell: Tell<'_>) -> Result<Option<Store>> {
    let path = &config.database;
    if !path.exists() {
        let text = format!("there is no {} yet: the first start makes it", path.display());
        tell(Finding::note(PART, text, ""))?;
        return Ok(None);
    }
    let examined = match Store::examine(path) {
        Ok(examined) => examined,
        Err(error) => {
            tell(Finding::failed(PART, &error.chain(), RESTORE))?;
            return Ok(None);
        }
    };
    if !examined.damage.is_empty() {
        examined.damage.iter().try_for_each(|one| tell(Finding::wrong(PART, one, RESTORE)))?;
        return Ok(None);
    }
    tell(Finding::good(PART, format!("whole; {}", examined.counts())))?;
    let store = match Store::look(path) {
        Ok(store) => store,
        Err(error) => {
            tell(Finding::failed(PART, &error.chain(), RESTORE))?;
            return Ok(None);
        }
    };
    let verdict = audit::verify(&store, None)?;
    tell(match verdict.broken {
        None => Finding::good("audit log", format!("intact, head {}", verdict.head)),
        Some(broken) => Finding::wrong(
            "audit log",
            broken.to_string(),
            "somebody wrote to the database by hand: compare it with the last backup",
        ),
    })?;
    Ok(Some(store))
}
