//! `keys`: prints every action of the console with its keys.

use super::console;
use super::prelude::*;
use crate::tui;

/// Print every action of the console with its keys, as the config file binds them.
#[derive(Debug, Args)]
pub struct Keys {
    #[command(flatten)]
    format: AsCsv,
}

impl Command for Keys {
    fn execute(self, start: Start<'_>) -> CommandResult {
        let Start { global, out, .. } = start;
        let out = &self.format.on(out);
        let rows = tui::key_rows(&global.load_config()?.ui.keys);
        let heads = ["where", "keys", "what", "name"];
        let mut listing = Listing::new(out, heads, "scope,keys,help,action".split(','));
        for row in rows.map_err(console::misconfigured)? {
            let object = json!({
                "scope": row.place,
                "keys": row.written,
                "help": row.help,
                "action": row.action,
            });
            let cells = [
                toned(row.place, Tone::Dim),
                toned(row.keys, Tone::Accent),
                plain(row.help),
                toned(row.action, Tone::Dim),
            ];
            listing.row(&object, cells)?;
        }
        listing.flush()?;
        Ok(Exit::Done)
    }
}
