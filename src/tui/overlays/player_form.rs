//! The form that authenticates a player. The token typed in it is gone once it was sent.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Stage, draw_form};
use crate::domain::{AccountId, PlayerId, Secret};
use crate::tui::panes::Look;
use crate::tui::theme::Tone;
use crate::tui::widgets::form::{Field, Form};

const PLAYER: usize = 0;
const TOKEN: usize = 1;
const ACCOUNT: usize = 2;

/// The form and the accounts it offers.
#[derive(Debug, Clone)]
pub struct State {
    pub form: Form,
    accounts: Vec<AccountId>,
    pub stage: Stage,
}

fn token_field() -> Field {
    Field::hidden("Token", "game_auth_token; without it only the inventory")
}

impl State {
    pub fn new(accounts: Vec<AccountId>, player: Option<PlayerId>) -> Self {
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
        }
    }

    /// Whom to ask for, and the token where one was typed; it is in the form no more.
    pub fn submit(&mut self) -> Option<(AccountId, PlayerId, Option<Secret>)> {
        let chosen = self.form.fields.get(ACCOUNT).map_or(0, Field::chosen);
        let fields = &mut self.form.fields;
        let player = fields[PLAYER].typed().parse::<u64>().ok().map(PlayerId);
        fields[PLAYER].error = player
            .is_none()
            .then(|| "write the player's number, like 765; Kongregate calls it user_id".into());
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

    pub fn view(&self, look: Look<'_>, screen: Rect, buf: &mut Buffer) -> Option<Position> {
        let (note, tone) = match &self.stage {
            Stage::Filling => (
                "The token is what the game's client gets from Kongregate. It is sent once and kept nowhere."
                    .to_owned(),
                Tone::Dim,
            ),
            Stage::Asked(_) => ("asking Kongregate…".to_owned(), Tone::Busy),
            Stage::Failed(problem) => (problem.told(), Tone::Bad),
        };
        draw_form(
            &self.form,
            look,
            ("Authenticate a player", &note, tone),
            look.store.is_live(),
            screen,
            buf,
        )
    }
}
