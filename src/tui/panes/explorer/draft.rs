//! A call that is being prepared: its parameters, its body, and the request that they make.

use std::sync::Arc;

use ratatui::crossterm::event::KeyEvent;

use crate::domain::catalogue::{Param, ParamLocation};
use crate::domain::fill::{self, Piece};
use crate::domain::{
    Ability, Account, AccountId, AuthMethod, DocumentedCall, Environment, Exchange, FollowUp,
    RawCall, RequestId, RowIds, bad_json_reason,
};
use crate::tui::widgets::editor::{Edited, Editor};
use crate::tui::widgets::form::{Field, Form, Value};
use crate::tui::widgets::json;

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// The places of a free call's fields.
const METHOD: usize = 0;
const PATH: usize = 1;

/// The options of the authorization field: the documented one first, then [`AuthMethod::ALL`].
const AUTH: [&str; 3] = ["as documented", "basic", "bearer"];

/// Why a body is not JSON, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyError {
    /// Counted from 1.
    pub line: usize,
    /// In bytes, counted from 1.
    pub column: usize,
    pub words: String,
}

/// A call that was sent and has no response yet.
#[derive(Debug, Clone)]
pub struct InFlight {
    pub request: RequestId,
    pub call: RawCall,
    /// The parameters that it was sent with. Those of the draft may be edited meanwhile.
    pub values: Vec<String>,
    /// Whether it may change something at the provider.
    pub writes: bool,
    /// When it was sent, on the monotonic clock.
    pub since: std::time::Duration,
    /// The exchange of its last attempt, redacted.
    pub exchange: Option<Arc<Exchange>>,
}

#[derive(Debug, Clone)]
pub struct Draft {
    pub account: AccountId,
    /// `None` for a free call.
    pub call: Option<&'static DocumentedCall>,
    pub form: Form,
    /// The field that chooses the authorization, at providers that accept more than one.
    auth: Option<usize>,
    pub body: Option<Editor>,
    pub in_body: bool,
    pub wrong: Option<BodyError>,
    pub in_flight: Option<InFlight>,
    /// The number of its latest response in the history.
    pub past: Option<u64>,
    /// The row that it was made from.
    pub origin: Option<Origin>,
}

/// A row of an earlier response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The number of its call in the history.
    pub number: u64,
    pub row: usize,
}

impl Draft {
    /// Required parameters begin with their examples only where these are sure to work and can do no
    /// harm: at the built-in simulator.
    pub fn new(account: &Account, call: Option<&'static DocumentedCall>) -> Self {
        let embedded = account.environment == Environment::Embedded;
        let (mut fields, body): (Vec<Field>, _) = match call {
            None => {
                let methods = METHODS.map(str::to_owned).to_vec();
                let fields = vec![
                    Field::choice("Method", methods, 0),
                    Field::text("Path", "begins with /, with its query", "/"),
                ];
                (fields, Some(String::new()))
            }
            Some(call) => {
                let fields = call.params.iter().map(|param| {
                    let (need, value) = match (param.required, embedded) {
                        (true, true) => ("required", param.example),
                        (true, false) => ("required", ""),
                        (false, _) => ("optional", ""),
                    };
                    let hint = if param.example.is_empty() {
                        need.to_owned()
                    } else {
                        format!("{need}, like {}", param.example)
                    };
                    Field::text(param.name, &hint, value)
                });
                let body = call
                    .body
                    .map(|body| json::indented(body).unwrap_or_else(|| body.to_owned()));
                (fields.collect(), body)
            }
        };
        let in_body = fields.is_empty() && body.is_some();
        let auth = account.can(Ability::AuthMethods).then_some(fields.len());
        if auth.is_some() {
            let options = AUTH.map(str::to_owned).to_vec();
            fields.push(Field::choice("Authorization", options, 0));
        }
        let mut draft = Self {
            account: account.id.clone(),
            call,
            in_body,
            form: Form::new(fields),
            auth,
            body: body.map(|text| Editor::new(&text)),
            wrong: None,
            in_flight: None,
            past: None,
            origin: None,
        };
        // The method of a free call is mostly GET: the path is what to type first.
        draft.form.at = if call.is_none() { PATH } else { 0 };
        draft.check();
        draft
    }

    /// Whether it would send the same as a new one.
    pub fn is_new(&self, account: &Account) -> bool {
        self.as_it_stands() == Self::new(account, self.call).as_it_stands()
    }

    pub fn method(&self) -> &str {
        self.call.map_or_else(
            || METHODS[self.form.fields[METHOD].chosen().min(METHODS.len() - 1)],
            |call| call.method,
        )
    }

    /// The path with the values filled in so far.
    pub fn path(&self) -> Vec<Piece> {
        match self.call {
            None => vec![Piece::Fixed(self.form.fields[PATH].typed().to_owned())],
            Some(call) => fill::pieces(call, &self.values()),
        }
    }

    pub fn values(&self) -> Vec<&str> {
        self.form.fields.iter().map(Field::typed).collect()
    }

    /// The request as it is now, also with required values missing.
    pub fn as_it_stands(&self) -> RawCall {
        let body = self.body.as_ref().filter(|body| !body.is_blank());
        let auth = self.auth.map_or(0, |at| self.form.fields[at].chosen());
        RawCall {
            method: self.method().to_owned(),
            path: self.path().iter().map(Piece::text).collect(),
            body: body.map(|body| body.text().into_bytes()),
            auth: auth
                .checked_sub(1)
                .and_then(|at| AuthMethod::ALL.get(at))
                .copied(),
        }
    }

    /// Restores the values of an earlier call.
    pub fn fill(&mut self, values: &[String], call: &RawCall) {
        for (field, value) in self.form.fields.iter_mut().zip(values) {
            if let Value::Text(input) = &mut field.value {
                *input = value.as_str().into();
            }
            field.error = None;
        }
        if self.call.is_none()
            && let Value::Choice { at, .. } = &mut self.form.fields[METHOD].value
        {
            let known = METHODS.iter().position(|method| *method == call.method);
            *at = known.unwrap_or(0);
        }
        if let Some(field) = self.auth
            && let Value::Choice { at, .. } = &mut self.form.fields[field].value
        {
            let known = AuthMethod::ALL
                .iter()
                .position(|known| Some(*known) == call.auth);
            *at = known.map_or(0, |at| at + 1);
        }
        if let Some(body) = &mut self.body {
            body.replace(&String::from_utf8_lossy(
                call.body.as_deref().unwrap_or_default(),
            ));
        }
        self.check();
    }

    /// Fills a new draft with the ids that a follow-up takes, and goes to the first gap; returns whether there is none.
    pub fn fill_from(&mut self, follow_up: &FollowUp, ids: &RowIds) -> bool {
        let params = self.call.map_or(&[][..], |call| call.params);
        for (field, param) in self.form.fields.iter_mut().zip(params) {
            let takes = follow_up.takes.contains(&param.name);
            if let (Value::Text(input), Some(id)) = (&mut field.value, ids.get(param.name))
                && takes
            {
                *input = id.into();
            }
        }
        let mut gap = None;
        if let (Some(template), Some(body)) = (follow_up.body, &mut self.body) {
            let template = json::indented(template);
            let (text, at) = ids.fill(&template.unwrap_or_default());
            *body = Editor::new(&text);
            gap = at;
            if let Some(at) = at {
                let before = &text[..at];
                let line = before.matches('\n').count();
                let byte = at - before.rfind('\n').map_or(0, |end| end + 1);
                body.go_to(line, byte);
            }
        }
        let fields = self.form.fields.iter().zip(params);
        let missing = fields
            .map(|(field, param)| fill::check(param.place, param.required, field.typed()))
            .position(|checked| checked.is_err());
        if let Some(at) = missing {
            self.form.at = at;
        }
        self.in_body = missing.is_none() && (gap.is_some() || self.form.fields.is_empty());
        self.check();
        missing.is_none() && gap.is_none()
    }

    /// The request, or what is wrong with it; the error also stands beside its field.
    pub fn submit(&mut self) -> Result<RawCall, String> {
        if let Some(call) = self.call {
            for (field, param) in self.form.fields.iter_mut().zip(call.params) {
                let checked = fill::check(param.place, param.required, field.typed());
                field.error = checked.err().map(str::to_owned);
            }
        } else {
            let path = &mut self.form.fields[PATH];
            let bare = path.typed();
            let wrong = !bare.starts_with('/') || bare.contains(char::is_whitespace);
            path.error = wrong.then(|| {
                let words = if bare.starts_with('/') {
                    "the path must not contain spaces; write %20"
                } else {
                    "the path must begin with /"
                };
                words.into()
            });
        }
        if self.form.find_error() {
            self.in_body = false;
            let field = &self.form.fields[self.form.at];
            let why = field.error.as_deref().unwrap_or_default();
            return Err(format!("{}: {why}", field.label));
        }
        // A free call may have a body that is not JSON.
        if let (Some(wrong), Some(body), true) = (&self.wrong, &mut self.body, self.call.is_some())
        {
            body.go_to(wrong.line.saturating_sub(1), wrong.column.saturating_sub(1));
            self.in_body = true;
            return Err(format!(
                "the body is not JSON, line {}, column {}: {}",
                wrong.line, wrong.column, wrong.words
            ));
        }
        Ok(self.as_it_stands())
    }

    /// Moves to the next field, then to the body, then around.
    pub fn next(&mut self, forward: bool) {
        let last = self.form.fields.len().saturating_sub(1);
        let has_fields = !self.form.fields.is_empty();
        let to_body = self.body.is_some() && self.form.at == if forward { last } else { 0 };
        if self.in_body {
            self.in_body = !has_fields;
            self.form.at = if forward { 0 } else { last };
        } else if to_body {
            self.in_body = true;
        } else if forward {
            self.form.next();
        } else {
            self.form.previous();
        }
    }

    pub fn key(&mut self, key: &KeyEvent, height: u16) -> Edited {
        if !self.in_body {
            return if self.form.key(key) {
                Edited::Changed
            } else {
                Edited::No
            };
        }
        let Some(body) = &mut self.body else {
            return Edited::No;
        };
        let edited = body.key(key, height);
        self.check_after(edited)
    }

    pub fn paste(&mut self, text: &str, height: u16) -> Edited {
        match (&mut self.body, self.in_body) {
            (Some(body), true) => {
                let edited = body.paste(text, height);
                self.check_after(edited)
            }
            _ if self.form.paste(text) => Edited::Changed,
            _ => Edited::No,
        }
    }

    pub fn tidy(&mut self) -> bool {
        let Some(body) = &mut self.body else {
            return false;
        };
        let tidied = json::indented(&body.text());
        if let Some(text) = &tidied {
            body.replace(text);
        }
        tidied.is_some()
    }

    pub fn undo(&mut self) -> bool {
        // Fields have no undo: there the key must not change the body unseen.
        let undone = self.in_body && self.body.as_mut().is_some_and(Editor::undo);
        self.check();
        undone
    }

    fn check_after(&mut self, edited: Edited) -> Edited {
        if edited == Edited::Changed {
            self.check();
        }
        edited
    }

    fn check(&mut self) {
        let text = match &self.body {
            Some(body) if !body.is_blank() => body.text(),
            _ => {
                self.wrong = None;
                return;
            }
        };
        let checked = serde_json::from_slice::<serde::de::IgnoredAny>(text.as_bytes());
        self.wrong = checked.err().map(|error| BodyError {
            line: error.line(),
            column: error.column(),
            words: bad_json_reason(&error),
        });
    }

    /// What the catalogue says about each field of a documented call.
    pub fn field_helps(&self) -> impl Iterator<Item = String> {
        let params = self.call.map_or(&[][..], |call| call.params);
        params.iter().map(help)
    }
}

/// The help of a parameter: its purpose, whether it is required, where it goes, and an example.
fn help(param: &Param) -> String {
    let place = match param.place {
        ParamLocation::Path => "in the path",
        ParamLocation::Query => "in the query",
    };
    let need = if param.required {
        "required"
    } else {
        "optional"
    };
    let example = if param.example.is_empty() {
        String::new()
    } else {
        format!(", like {}", param.example)
    };
    format!("{}; {need}, {place}{example}", param.about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::*;
    use ratatui::crossterm::event::{KeyCode, KeyModifiers};

    fn typed(draft: &mut Draft, text: &str) {
        for c in text.chars() {
            draft.key(&KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE), 9);
        }
    }

    #[test]
    fn examples_stand_only_where_they_can_do_no_harm() {
        let call = Some(&CATALOGUE[2]);
        let draft = Draft::new(&account("sim", Environment::Embedded), call);
        assert_eq!(draft.values(), ["5f9e2c", ""]);
        let mut draft = Draft::new(&account("shop", Environment::Production), call);
        assert_eq!(draft.values(), ["", ""]);
        assert_eq!(
            draft.submit().unwrap_err(),
            "offerId: the call requires a value"
        );
        assert_eq!(draft.as_it_stands().path, "/v1/offers/{offerId}");
        typed(&mut draft, "a/b");
        draft.next(true);
        typed(&mut draft, "true");
        let sent = draft.submit().unwrap();
        assert_eq!(sent.path, "/v1/offers/a%2Fb?dryRun=true");
        assert_eq!(
            sent.body.as_deref(),
            Some(
                &b"{\n  \"price\": {\n    \"amount\": 1250,\n    \"currency\": \"EUR\"\n  },\n  \"status\": \"ACTIVE\"\n}"[..]
            )
        );
    }

    #[test]
    fn a_body_that_is_not_json_is_not_sent_where_json_is_due() {
        let mut draft = Draft::new(&account("sim", Environment::Embedded), Some(&CATALOGUE[3]));
        assert!(draft.in_body, "there is no other field");
        typed(&mut draft, "x");
        assert_eq!(
            draft.submit().unwrap_err(),
            "the body is not JSON, line 1, column 1: a value is missing or invalid"
        );
        assert!(draft.undo());
        assert!(draft.submit().is_ok());
    }

    #[test]
    fn the_authorisation_is_chosen_where_the_provider_leaves_a_choice() {
        let mut account = account("sim", Environment::Embedded);
        account.abilities = &[Ability::AuthMethods];
        let mut draft = Draft::new(&account, Some(&CATALOGUE[2]));
        assert_eq!(draft.submit().unwrap().auth, None);
        draft.form.at = draft.form.fields.len() - 1;
        let space = KeyEvent::new(KeyCode::Char(' '), KeyModifiers::NONE);
        draft.key(&space, 9);
        let sent = draft.submit().unwrap();
        assert_eq!(sent.auth, Some(AuthMethod::Basic));
        assert_eq!(sent.path, "/v1/offers/5f9e2c", "it is not a parameter");
        draft.key(&space, 9);
        let values: Vec<String> = draft.values().iter().map(ToString::to_string).collect();
        let bearer = draft.submit().unwrap();
        assert_eq!(bearer.auth, Some(AuthMethod::Bearer));
        let mut again = Draft::new(&account, Some(&CATALOGUE[2]));
        again.fill(&values, &bearer);
        assert_eq!(again.submit(), Ok(bearer));
    }

    #[test]
    fn another_call_takes_method_path_and_any_body() {
        let mut draft = Draft::new(&account("sim", Environment::Embedded), None);
        typed(&mut draft, "v9/x?y=%20 z");
        assert!(draft.submit().is_err());
        for _ in 0..2 {
            draft.key(&KeyEvent::new(KeyCode::Backspace, KeyModifiers::NONE), 9);
        }
        draft.next(true);
        typed(&mut draft, "a=1");
        draft.next(true);
        draft.key(&KeyEvent::new(KeyCode::Right, KeyModifiers::NONE), 9);
        let call = RawCall {
            method: "POST".into(),
            path: "/v9/x?y=%20".into(),
            body: Some("a=1".into()),
            auth: None,
        };
        assert_eq!(draft.submit(), Ok(call));
    }
}
