//! The form that authenticates a player. It clears the typed token when it submits.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::form_window::{FormView, FormWindow, Stage};
use crate::domain::{AccountId, Environment, Op, PlayerId, PlayerToken, Secret};
use crate::tui::component::{Intent, UpdateContext, ViewContext};
use crate::tui::panes::players::Example;
use crate::tui::store::Purpose;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

const PLAYER: usize = 0;
const TOKEN: usize = 1;
const ACCOUNT: usize = 2;

/// The form and the accounts to choose from.
#[derive(Debug, Clone)]
pub struct State {
    form: Form,
    accounts: Vec<AccountId>,
    stage: Stage,
    /// The player that is being authenticated.
    asked: Option<(AccountId, PlayerId)>,
    example: Option<Example>,
}

fn token_field() -> Field {
    Field::hidden("Token", "game_auth_token; optional")
}

impl State {
    pub fn new(
        accounts: Vec<AccountId>,
        player: Option<PlayerId>,
        example: Option<Example>,
    ) -> Self {
        let player = player.map_or_else(String::new, |player| player.to_string());
        let mut fields = vec![
            Field::text("Player", "the player's number, user_id", &player),
            token_field(),
        ];
        if accounts.len() > 1 {
            let names = accounts.iter().map(ToString::to_string).collect();
            fields.push(Field::choice("Account", names, 0));
        }
        let mut form = Form::new(fields);
        if !player.is_empty() {
            form.at = TOKEN;
        }
        Self {
            form,
            accounts,
            stage: Stage::Filling,
            asked: None,
            example,
        }
    }

    /// The account, the player and the typed token, which the form no longer holds. On an error it marks the fields and
    /// returns `None`.
    fn read(&mut self) -> Option<(AccountId, PlayerId, Option<Secret>)> {
        let chosen = self.form.fields.get(ACCOUNT).map_or(0, Field::chosen);
        let fields = &mut self.form.fields;
        let player = fields[PLAYER].typed().parse::<u64>().ok().map(PlayerId);
        fields[PLAYER].error = player
            .is_none()
            .then(|| "enter the player's number (user_id), like 765".into());
        let token = fields[TOKEN].secret();
        fields[TOKEN].error = match &token {
            Some(Err(why)) => Some(why.clone()),
            _ => None,
        };
        if self.form.find_error() {
            return None;
        }
        let account = self.accounts.get(chosen)?.clone();
        self.form.fields[TOKEN] = token_field();
        Some((account, player?, token.and_then(Result::ok)))
    }
}

impl FormWindow for State {
    fn form_mut(&mut self) -> &mut Form {
        &mut self.form
    }

    fn stage(&self) -> Option<&Stage> {
        Some(&self.stage)
    }

    fn stage_mut(&mut self) -> Option<&mut Stage> {
        Some(&mut self.stage)
    }

    /// With a token it authenticates, without one it loads the inventory.
    fn submit_word(&self) -> &'static str {
        if self.form.fields[TOKEN].secret().is_some() {
            "authenticate"
        } else {
            "look up"
        }
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        let Some((account, player, token)) = self.read() else {
            return;
        };
        // A callback brings the player's token too (docs/providers/kongregate.md).
        let known = ctx.store.player_token(&account, player);
        let Some(token) = token.or(known) else {
            ctx.intend(Intent::LoadPlayer(account, player));
            return;
        };
        let op = Op::AuthenticatePlayer(PlayerToken { player, token });
        let purpose = Purpose::Authenticate(player);
        let request = ctx.store.ask(account.clone(), op, purpose, false, ctx.out);
        self.stage = Stage::Asked(request);
        self.asked = Some((account, player));
    }

    fn done(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some((account, player)) = self.asked.take() {
            ctx.intend(Intent::LoadPlayer(account, player));
        }
    }

    fn view(&self, ctx: ViewContext<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let chosen = self.form.fields.get(ACCOUNT).map_or(0, Field::chosen);
        let known = self.accounts.get(chosen);
        let known = known.and_then(|account| ctx.store.known(account));
        let embedded =
            known.is_some_and(|known| known.account.environment == Environment::Embedded);
        let (note, tone) = match &self.stage {
            Stage::Filling => {
                let example = self.example.filter(|_| embedded);
                let example = example.map(|example| format!(" {}", example.describe()));
                let note = format!(
                    "The game's client gets the token from getGameAuthToken(). tilldeck does not save a typed token. \
                     If empty, tilldeck uses the token of a callback, or loads only the inventory.{}",
                    example.unwrap_or_default()
                );
                (note, Tone::Dim)
            }
            Stage::Asked(_) => {
                let provider = known.map_or("the provider", |known| known.account.provider_title);
                (format!("verifying with {provider}…"), Tone::Busy)
            }
            Stage::Failed(problem) => (problem.describe(), Tone::Bad),
        };
        FormView {
            form: &self.form,
            title: "Authenticate a player",
            note: &note,
            tone,
            live: ctx.store.is_live(),
        }
        .draw(ctx, screen, buf)
    }
}
