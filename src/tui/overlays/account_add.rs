//! The form that adds an account. Its fields depend on the chosen provider. It checks the fields only: verifying and
//! saving happen behind the console.

use super::form_window::{FormAction, FormState, FormWindow, Stage, WindowText};
use crate::domain::manage::{Change, NewAccount, Proof, ProviderSetup, leaves_open};
use crate::domain::{AccountId, Environment, Problem, ProviderId};
use crate::tui::prelude::*;

/// The providers to choose from, and the names in use.
#[derive(Debug, Clone)]
pub struct ProviderChoice {
    setups: Vec<ProviderSetup>,
    shown: usize,
    names_in_use: Vec<AccountId>,
    /// The profile that gets the account; `None`: one of the config file, which opens then.
    profile: Option<String>,
}

pub type State = FormState<ProviderChoice>;

const PROVIDER: usize = 0;
const ENVIRONMENT: usize = 1;
const NAME: usize = 2;
const NEEDS: usize = 3;

const UNVERIFIED: &str = "save unverified";

impl State {
    pub fn of(store: &Store) -> Self {
        // The built-in profile's accounts stay in it.
        let own = store.accounts.iter().filter(|_| store.may_manage);
        let names_in_use = own.map(|known| known.id().clone());
        let choice = ProviderChoice {
            setups: store.setups.clone(),
            shown: 0,
            names_in_use: names_in_use.collect(),
            profile: store.may_manage.then(|| store.profile.clone()),
        };
        let mut state = Self::new(Form::new(Vec::new()), choice);
        state.form.fields = state.fields("");
        state
    }

    fn setup(&self) -> &ProviderSetup {
        &self.data.setups[self.data.shown]
    }

    fn fields(&self, name: &str) -> Vec<Field> {
        let setup = self.setup();
        let titles = self.data.setups.iter().map(|setup| setup.title.to_owned());
        let environments = setup.environments.iter();
        let mut fields = vec![
            Field::choice("provider", titles.collect(), self.data.shown),
            Field::choice(
                "environment",
                environments
                    .map(|environment| environment.as_str().to_owned())
                    .collect(),
                0,
            ),
            Field::text("name", "your name for it, like shop", name),
        ];
        fields.extend(setup.fields.iter().map(|need| {
            let optional = if need.required { "" } else { ", optional" };
            let hint = format!("{}{optional}", need.about);
            if need.is_secret() {
                Field::hidden(need.name, &hint)
            } else {
                Field::text(need.name, &hint, "")
            }
        }));
        let hint = format!(
            "optional: {}",
            setup
                .endpoints
                .iter()
                .map(|name| format!("{name}=URL"))
                .collect::<Vec<_>>()
                .join(" ")
        );
        fields.push(Field::text("endpoints", &hint, ""));
        fields
    }

    fn environment(&self) -> Environment {
        let chosen = self.form.fields[ENVIRONMENT].chosen();
        // If in doubt, real money: then the form warns.
        let known = self.setup().environments.get(chosen).copied();
        known.unwrap_or(Environment::Production)
    }

    /// The index of the endpoints' field: the last one, except for the choice to save unverified.
    fn last(&self) -> usize {
        NEEDS + self.setup().fields.len()
    }

    /// The account that the form describes. On an error it marks the fields and returns `None`.
    fn read(&mut self) -> Option<NewAccount> {
        let setup = self.setup().clone();
        let environment = self.environment();
        let last = self.last();
        let fields = &mut self.form.fields;
        let name = AccountId::new(fields[NAME].typed());
        let same = |other: &&AccountId| {
            name.as_ref()
                .is_ok_and(|name| other.as_str().eq_ignore_ascii_case(name.as_str()))
        };
        fields[NAME].error = match (&name, self.data.names_in_use.iter().find(same)) {
            (Err(error), _) => Some(error.to_string()),
            (Ok(_), Some(other)) => Some(format!("account {other} already exists")),
            (Ok(_), None) => None,
        };
        let (mut texts, mut secrets) = (Vec::new(), Vec::new());
        for (field, need) in fields[NEEDS..last].iter_mut().zip(setup.fields) {
            let missing = || format!("required: {}", need.about);
            field.error = None;
            if need.is_secret() {
                match field.secret() {
                    Some(Ok(secret)) => secrets.push((need.name, secret)),
                    Some(Err(why)) => field.error = Some(why),
                    None => field.error = need.required.then(missing),
                }
            } else if !field.typed().is_empty() {
                texts.push((need.name, field.typed().to_owned()));
            } else {
                field.error = need.required.then(missing);
            }
        }
        let endpoints = endpoints(fields[last].typed(), &setup);
        fields[last].error = endpoints.as_ref().err().cloned();
        let save_unverified = fields.get(last + 1).is_some_and(Field::is_on);
        if self.form.find_error() {
            return None;
        }
        Some(NewAccount {
            name: name.ok()?,
            provider: setup.provider,
            environment,
            texts,
            endpoints: endpoints.ok()?,
            secrets,
            proof: if save_unverified {
                Proof::Waived
            } else {
                Proof::Needed
            },
        })
    }
}

impl FormWindow for State {
    const SUBMIT: &'static str = "verify and save";

    fn text(&self, ctx: ViewContext<'_>) -> WindowText {
        let (place, then) = match &self.data.profile {
            Some(profile) => (profile.as_str(), ""),
            None => ("your config file", " and opens their profile"),
        };
        let note = format!(
            "{} verifies them with {}, then saves them{then}. {} shows how to get them.",
            ctx.key(FormAction::Submit),
            self.setup().title,
            ctx.key(FormAction::FormGuide)
        );
        let live = self.environment().is_live();
        let mark = if live { "LIVE, real money: " } else { "" };
        WindowText::new(format!("{mark}New account in {place}"), note, live)
    }

    fn progress(&self, _ctx: ViewContext<'_>) -> String {
        format!("verifying with {}", self.setup().title)
    }

    fn trouble(&self, problem: &Problem) -> (String, Tone) {
        let text = problem.describe();
        if leaves_open(problem) {
            (
                format!("{text}. Try again, or save the account unverified."),
                Tone::Warn,
            )
        } else {
            (text, Tone::Bad)
        }
    }

    fn guide(&self) -> Option<ProviderId> {
        Some(self.setup().provider)
    }

    fn submit(&mut self, ctx: &mut UpdateContext<'_>) {
        if let Some(new) = self.read() {
            let account = new.name.clone();
            let change = Change::Add(Box::new(new));
            self.stage = Stage::Asked(ctx.store.manage(&account, change, ctx.out));
        }
    }

    fn refit(&mut self) {
        let chosen = self.form.fields[PROVIDER].chosen();
        if chosen == self.data.shown {
            return;
        }
        self.data.shown = chosen.min(self.data.setups.len() - 1);
        // The other fields belong to the provider; the name is the operator's and stays.
        let name = self.form.fields[NAME].typed().to_owned();
        self.form.fields = self.fields(&name);
        self.stage = Stage::Filling;
    }

    /// If the provider did not answer, the form offers to save the account unverified.
    fn failed(&mut self, problem: &Problem) {
        let offered = self.form.fields.len() > self.last() + 1;
        if leaves_open(problem) && !offered {
            let field = Field::switch(UNVERIFIED, "");
            self.form.fields.push(field);
            self.form.at = self.form.fields.len() - 1;
        } else if !leaves_open(problem) && offered {
            self.form.fields.pop();
            self.form.at = self.form.at.min(self.last());
        }
    }
}

/// `name=URL`, as many as there are endpoints.
fn endpoints(text: &str, setup: &ProviderSetup) -> Result<Vec<(String, String)>, String> {
    let mut endpoints = Vec::new();
    for word in text.split_whitespace() {
        let (name, url) = word
            .split_once('=')
            .ok_or_else(|| format!("write {}=URL", setup.endpoints.join("=URL ")))?;
        if !setup.endpoints.contains(&name) {
            return Err(format!("the endpoints are: {}", setup.endpoints.join(", ")));
        }
        endpoints.push((name.to_owned(), url.to_owned()));
    }
    Ok(endpoints)
}
