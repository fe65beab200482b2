//! `player`: verifies a player and lists items. The player's token is a secret and never an argument.

use super::prelude::*;
use super::prompt::{self, can_ask};
use super::secret::{read_from, source_of};
use super::values::player_id;
use crate::domain::{Account, Item, PlayerId, PlayerToken, Secret};

commands! {
    /// Verify a player and list the player's items (Kongregate).
    pub enum Player {
        Auth(AuthenticatePlayer),
        Items(ListItems),
    }
}

const WAYS: &str = "pass --token env:NAME, file:PATH, command:PROGRAM ARGUMENTS…, keyring:NAME or callback, or run it at a terminal \
                    to be prompted; never pass the token itself";

/// Prompts for the token.
const PROMPT: &str = "prompt";
/// Uses the token of the player's newest accepted callback.
const CALLBACK: &str = "callback";

/// Verify a player's identity by the `game_auth_token` of the game's client.
///
/// Exits with 3 if the player's number, the token and the game's key do not match.
#[derive(Debug, Args)]
pub struct AuthenticatePlayer {
    /// The player's number (Kongregate's `user_id`). Names may change; the number does not.
    #[arg(value_name = "USER_ID", value_parser = player_id, allow_negative_numbers = true)]
    player: PlayerId,
    /// The source of the player's token: `env:NAME`, `file:PATH`, `command:PROGRAM ARGUMENTS…`, `keyring:NAME`;
    /// `callback` takes it from the player's newest callback; `prompt` (the default) reads it from the terminal.
    /// Never pass the token itself.
    #[arg(long, value_name = "SOURCE")]
    token: Option<String>,
}

impl DeckCommand for AuthenticatePlayer {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let (deck, player) = (cx.deck, self.player);
        let account = cx.account(Ability::Players)?;
        let token = match self.token.as_deref() {
            Some(CALLBACK) => deck.player_token(&account.id, player).await?,
            source => token_of(player, source, &account, cx.out).await?,
        };
        let player = PlayerToken { player, token };
        let options = request_options(false);
        let verified = deck.send(&account.id, options, |client| {
            client.authenticate_player(&player)
        });
        let player = verified.await?;
        let object = json!({
            "account": account.id,
            "player": player.id,
            "username": player.username,
            "authenticated": true,
        });
        let mut table = Table::default();
        table.row([
            toned("✔", Tone::Good),
            toned(player.username.as_str(), Tone::Accent),
            plain(format!("player {}", player.id)),
            toned("is who they claim to be", Tone::Good),
        ]);
        cx.out.result(&object, &table.lines(cx.out).concat())?;
        Ok(Exit::Done)
    }
}

/// List a player's items, each with its number and the uses left.
#[derive(Debug, Args)]
pub struct ListItems {
    /// The player's number (Kongregate's `user_id`).
    #[arg(value_name = "USER_ID", value_parser = player_id, allow_negative_numbers = true)]
    player: PlayerId,
    #[command(flatten)]
    format: AsCsv,
}

const ITEM_HEADS: [&str; 5] = ["item", "identifier", "uses left", "name", "data"];
const ITEM_FIELDS: &str = "account,player,id,identifier,name,description,remaining_uses,data";

impl DeckCommand for ListItems {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let (player, out) = (self.player, &self.format.on(cx.out));
        let account = cx.account(Ability::Players)?.id;
        let options = request_options(false);
        let items = cx
            .deck
            .send(&account, options, |client| client.player_items(player));
        let items = items.await?.items;
        let owns = match items.len() {
            0 => "nothing".to_owned(),
            1 => "one item".to_owned(),
            many => format!("{many} items"),
        };
        out.explain(&format!("player {player} owns {owns}, at {account}"));
        let mut listing = Listing::new(out, ITEM_HEADS, ITEM_FIELDS.split(','));
        for item in &items {
            let object = json!({
                "account": account,
                "player": player,
                "id": item.id,
                "identifier": item.identifier,
                "name": item.name,
                "description": item.description,
                "remaining_uses": item.remaining_uses,
                "data": item.data,
            });
            listing.row(&object, cells(item))?;
        }
        listing.flush()?;
        Ok(Exit::Done)
    }
}

fn unusable(account: &Account, message: &str) -> Problem {
    usage(format!("account {}: {message}", account.id), WAYS)
}

async fn token_of(
    player: PlayerId,
    source: Option<&str>,
    account: &Account,
    out: &Out,
) -> Result<Secret, Problem> {
    let token = match source.filter(|source| *source != PROMPT) {
        Some(source) => {
            let source = source_of("--token", source)
                .map_err(|problem| unusable(account, &problem.message))?;
            let what = format!(
                "account {}: tilldeck cannot read the token of player {player}",
                account.id
            );
            let resolved = read_from(source, &what, WAYS).await?;
            for warning in &resolved.warnings {
                out.warn(warning);
            }
            resolved.secret
        }
        None if can_ask() => {
            let question = format!("game_auth_token of player {player}");
            prompt::secret(&question).await?
        }
        None => {
            return Err(unusable(
                account,
                &format!(
                    "not a terminal, so tilldeck cannot ask for the game_auth_token of player {player}"
                ),
            ));
        }
    };
    // A prompt accepts Enter alone.
    if token.expose().trim().is_empty() {
        return Err(unusable(account, "the player's token is empty"));
    }
    Ok(token)
}

fn cells(item: &Item) -> [Cell; 5] {
    let uses = match item.remaining_uses {
        None => toned("unlimited", Tone::Dim),
        Some(uses) => plain(uses.to_string()),
    };
    let data = item.data.as_deref().unwrap_or_default();
    [
        plain(item.id.to_string()),
        toned(item.identifier.as_str(), Tone::Accent),
        uses,
        plain(item.name.as_str()),
        toned(inert::cut(data, 60), Tone::Dim),
    ]
}
