//! Brings this machine's ledger into the one that a team shares.

use std::path::PathBuf;

use crate::callbacks::seal::Sealer;
use crate::clock::Clock;
use crate::config::{Config, Environ, SecretSource, Vault};
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
    let configured = async |source: Option<&SecretSource>, name| match source {
        Some(source) => {
            let key = receiving::configured(source, environ, name).await;
            key.map(Some).map_err(unusable)
        }
        None => Ok(None),
    };
    let team = configured(config.callbacks.seal_key.as_ref(), "seal_key").await?;
    let team = team.ok_or_else(|| unusable("`seal_key` in [callbacks] is missing".to_owned()))?;
    let previous = config.callbacks.previous_seal_key.as_ref();
    let previous = configured(previous, "previous_seal_key").await?;
    on_thread(move || {
        let own = match receiving::own_key(&vault) {
            Ok(own) => own?,
            Err(error) => return Err(error.to_string()),
        };
        let team = Sealer::new(team).with_previous(previous);
        // With a `seal_key` in its config, the machine has not used its own.
        let keys = [own.map(Sealer::new), Some(team.clone())];
        let reseal = move |sealed: &[u8]| {
            let mut keys = keys.iter().flatten();
            keys.find_map(|key| key.reseal(&team, sealed))
        };
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
