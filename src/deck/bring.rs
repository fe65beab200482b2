//! Brings this machine's ledger into the one that a team shares.

use std::path::PathBuf;

use crate::callbacks::seal::Sealer;
use crate::clock::Clock;
use crate::config::{Config, Environ, Vault};
use crate::domain::Problem;
use crate::ledger::{ImportError, Imported, Ledger};

use super::ledger::{database, on_thread, unusable};
use super::receiving;

/// Copies this machine's ledger into the shared one; `None` if the config names none. Callbacks are sealed again, with
/// the key of all machines.
///
/// # Errors
/// If a key, the file or the database cannot be used; then nothing was copied.
pub async fn import(
    config: &Config,
    environ: &Environ,
    vault: Vault,
    file: PathBuf,
) -> Result<Option<Imported>, Problem> {
    let Some(settings) = database(&config.ledger, environ).await? else {
        return Ok(None);
    };
    let team = match &config.callbacks.seal_key {
        Some(source) => receiving::configured(source, environ, "seal_key").await,
        None => Err("`seal_key` in [callbacks] is missing".to_owned()),
    };
    let team = team.map_err(unusable)?;
    on_thread(move || {
        let own = match receiving::own_key(&vault) {
            Ok(own) => own?,
            Err(error) => return Err(error.to_string()),
        };
        let (own, team) = (own.map(Sealer::new), Sealer::new(team));
        let reseal = move |sealed: &[u8]| own.as_ref()?.reseal(&team, sealed);
        Ok(Ledger::import(&settings, &Clock::system(), &file, &reseal))
    })
    .await?
    .map(Some)
    .map_err(|error| match error {
        ImportError::File(why) => Problem::local(
            format!("the ledger of this machine cannot be imported: {why}"),
            "nothing was copied; the file stays as it is",
        ),
        ImportError::Database(why) => unusable(why),
    })
}
