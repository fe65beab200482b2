//! `player`: verifies a player and lists items. The player's token is a secret and never an argument.

use serde_json::json;

use super::args::PlayerCommand;
use super::manage::{read_from, source_of};
use super::output::{Cell, Out, OutputError, Table, Tone, plain, toned};
use super::{Context, Exit, can_ask, prompt, request_options};
use crate::deck::Deck;
use crate::domain::{
    Ability, Account, Inventory, Item, Player, PlayerId, PlayerToken, Problem, ProblemKind, Secret,
    inert,
};

/// The hint about `--token`.
const WAYS: &str = "pass --token env:NAME, file:PATH, command:PROGRAM ARGUMENTS…, keyring:NAME or callback, or run it at a terminal \
                    to be prompted; never pass the token itself";

/// Prompts for the token.
const PROMPT: &str = "prompt";
/// Uses the token of the player's newest accepted callback.
const CALLBACK: &str = "callback";

pub async fn run(
    command: &PlayerCommand,
    context: &Context,
    deck: &Deck,
    out: &Out,
) -> Result<Exit, OutputError> {
    let account = match deck.pick(context.account(), Some(Ability::Players)) {
        Ok(account) => account,
        Err(problem) => return out.fail(&problem),
    };
    let options = request_options(false);
    match command {
        PlayerCommand::Auth { player, token } => {
            let player = *player;
            let token = match token.as_deref() {
                Some(CALLBACK) => deck.player_token(&account.id, player).await,
                source => token_of(player, source, &account, out).await,
            };
            let player = match token {
                Ok(token) => PlayerToken { player, token },
                Err(problem) => return out.fail(&problem),
            };
            match deck
                .authenticate_player(&account.id, &player, options)
                .await
            {
                Ok(player) => authenticated(&player, &account, out),
                Err(problem) => out.fail(&problem),
            }
        }
        PlayerCommand::Items { player } => {
            match deck.player_items(&account.id, *player, options).await {
                Ok(inventory) => items(&inventory, &account, out),
                Err(problem) => out.fail(&problem),
            }
        }
    }
}

fn usage(account: &Account, message: &str) -> Problem {
    Problem::new(
        ProblemKind::Usage,
        format!("account {}: {message}", account.id),
        WAYS,
    )
}

/// The player's `game_auth_token`, from its source or from a prompt.
async fn token_of(
    player: PlayerId,
    source: Option<&str>,
    account: &Account,
    out: &Out,
) -> Result<Secret, Problem> {
    let token = match source.filter(|source| *source != PROMPT) {
        Some(source) => {
            let source =
                source_of("--token", source).map_err(|problem| usage(account, &problem.message))?;
            let resolved = read_from(source).await.map_err(|error| {
                Problem::new(
                    ProblemKind::Config,
                    format!(
                        "account {}: tilldeck cannot read the token of player {player}: {error}",
                        account.id
                    ),
                    WAYS,
                )
            })?;
            for warning in &resolved.warnings {
                out.message(Tone::Warn, "warning:", warning);
            }
            resolved.secret
        }
        None if can_ask() => {
            let question = format!("game_auth_token of player {player} (not shown): ");
            prompt::hidden(&question).await?
        }
        None => {
            return Err(usage(
                account,
                &format!(
                    "not a terminal, so tilldeck cannot ask for the game_auth_token of player {player}"
                ),
            ));
        }
    };
    // A prompt accepts Enter alone.
    if token.expose().trim().is_empty() {
        return Err(usage(account, "the player's token is empty"));
    }
    Ok(token)
}

fn authenticated(player: &Player, account: &Account, out: &Out) -> Result<Exit, OutputError> {
    if out.json {
        out.object(&json!({
            "account": account.id,
            "player": player.id,
            "username": player.username,
            "authenticated": true,
        }))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::default();
    table.row([
        toned("✔", Tone::Good),
        toned(player.username.as_str(), Tone::Strong),
        plain(format!("player {}", player.id)),
        toned("is who they claim to be", Tone::Good),
    ]);
    out.table(&table)?;
    Ok(Exit::Done)
}

fn items(inventory: &Inventory, account: &Account, out: &Out) -> Result<Exit, OutputError> {
    let player = inventory.player;
    if out.json {
        for item in &inventory.items {
            out.object(&json!({
                "account": account.id,
                "player": player,
                "id": item.id,
                "identifier": item.identifier,
                "name": item.name,
                "description": item.description,
                "remaining_uses": item.remaining_uses,
                "data": item.data,
            }))?;
        }
        return Ok(Exit::Done);
    }
    let owns = match inventory.items.len() {
        0 => "nothing".to_owned(),
        1 => "one item".to_owned(),
        many => format!("{many} items"),
    };
    out.say(&format!("player {player} owns {owns}, at {}", account.id));
    let mut table = Table::default();
    if !inventory.items.is_empty() {
        let heading = ["item", "identifier", "uses left", "name", "data"];
        table.row(heading.map(|name| toned(name, Tone::Dim)));
    }
    for item in &inventory.items {
        table.row(row(item));
    }
    out.table(&table)?;
    Ok(Exit::Done)
}

fn row(item: &Item) -> [Cell; 5] {
    let uses = match item.remaining_uses {
        None => toned("unlimited", Tone::Dim),
        Some(uses) => plain(uses.to_string()),
    };
    let data = item.data.as_deref().unwrap_or_default();
    [
        plain(item.id.to_string()),
        toned(item.identifier.as_str(), Tone::Strong),
        uses,
        plain(item.name.as_str()),
        toned(inert::cut(data, 60), Tone::Dim),
    ]
}
