//! The form that authenticates a player. It clears the typed token when it submits.

use super::form_window::{FormState, FormWindow, Stage, WindowText};
use crate::domain::{AccountId, Answer, Environment, Op, PlayerId, PlayerToken, Secret};
use crate::tui::prelude::*;

const PLAYER: usize = 0;
const TOKEN: usize = 1;

/// A player of the sandbox with its token. The token protects nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    pub player: &'static str,
    pub token: &'static str,
}

#[derive(Debug, Clone)]
pub struct Claim {
    /// The player that is being authenticated.
    asked: Option<(AccountId, PlayerId)>,
    example: Option<Example>,
}

pub type State = FormState<Claim>;

fn token_field() -> Field {
    Field::hidden("Token", "game_auth_token; optional")
}

impl State {
    pub fn of(
        accounts: Vec<AccountId>,
        player: Option<PlayerId>,
        example: Option<Example>,
    ) -> Self {
        let player = player.map_or_else(String::new, |player| player.to_string());
        let fields = vec![
            Field::text("Player", "the player's number, user_id", &player),
            token_field(),
        ];
        let mut form = Form::about(fields, accounts, 0);
        if !player.is_empty() {
            form.at = TOKEN;
        }
        let asked = None;
        Self::new(form, Claim { asked, example })
    }

    /// The account, the player and the typed token, which the form no longer holds. On an error it marks the fields and
    /// returns `None`.
    fn read(&mut self) -> Option<(AccountId, PlayerId, Option<Secret>)> {
        let player = self.form.read(PLAYER, |number| {
            let hint = "enter the player's number (user_id), like 765";
            number.parse().map(PlayerId).map_err(|_| hint)
        });
        let token = self.form.fields[TOKEN].secret();
        self.form.fields[TOKEN].error = match &token {
            Some(Err(why)) => Some(why.clone()),
            _ => None,
        };
        if self.form.find_error() {
            return None;
        }
        let account = self.form.account()?.clone();
        self.form.fields[TOKEN] = token_field();
        Some((account, player?, token.and_then(Result::ok)))
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "authenticate";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let known = self
            .form
            .account()
            .and_then(|account| ctx.store.known(account));
        let embedded =
            known.is_some_and(|known| known.account.environment == Environment::Embedded);
        let example = self.data.example.filter(|_| embedded);
        let example = example.map(|example| format!(" {}", example.describe()));
        let note = format!(
            "The game's client gets the token from getGameAuthToken(). tilldeck does not save a typed token. \
             If empty, tilldeck uses the token of a callback, or loads only the inventory.{}",
            example.unwrap_or_default()
        );
        WindowText::new("Authenticate a player", note, ctx.store.is_live())
    }

    fn progress(&self, ctx: ViewContext<'_>) -> String {
        let known = self
            .form
            .account()
            .and_then(|account| ctx.store.known(account));
        let provider = known.map_or("the provider", |known| known.account.provider_title);
        format!("verifying with {provider}")
    }

    /// With a token it authenticates, without one it loads the inventory.
    fn submit_word(&self) -> &'static str {
        if self.form.fields[TOKEN].secret().is_some() {
            Self::SUBMIT
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
        let request = ctx.store.ask(account.clone(), op, false, ctx.out);
        self.stage = Stage::Asked(request);
        self.data.asked = Some((account, player));
    }

    fn done(&mut self, _answer: Option<&Answer>, ctx: &mut UpdateContext<'_>) {
        if let Some((account, player)) = self.data.asked.take() {
            ctx.intend(Intent::LoadPlayer(account, player));
        }
    }
}
