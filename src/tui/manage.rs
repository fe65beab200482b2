//! Adding, rotating and removing accounts: opens the windows, sends the change, and shows its result.

use super::msg::{Level, Notice};
use super::overlays::{Overlay, Stage, account_add, guide, remove, rotate};
use super::panes::Pane;
use super::{Effect, Model};
use crate::domain::manage::{Change, Changed, GuideTopic, ProviderSetup};
use crate::domain::{Account, CredentialStatus, Environment, Now, Problem, RequestId};

impl Model {
    fn selected_account(&self) -> Option<Account> {
        let known = self.credentials.selected(&self.store)?;
        Some(known.account.clone())
    }

    /// Whether the profile's accounts can be changed. If not, a notice shows why.
    fn may_manage(&mut self) -> bool {
        if !self.may_manage {
            self.store.flash(
                Level::Info,
                "the accounts of the built-in simulator are fixed; `tilldeck account add` adds your own",
            );
        }
        self.may_manage
    }

    pub(super) fn open_add_account(&mut self) {
        if !self.may_manage() || self.setups.is_empty() {
            return;
        }
        let taken = self.store.accounts.iter().map(|k| k.id().clone());
        self.overlay = Overlay::AddAccount(account_add::State::new(
            self.setups.clone(),
            taken.collect(),
            self.profile.clone(),
        ));
    }

    /// Whether the secret of the selected account can be replaced: always at a provider, and in the built-in simulator
    /// where it plays that.
    pub(super) fn can_rotate(&self) -> bool {
        let selected = self.credentials.selected(&self.store);
        selected.is_some_and(|known| {
            let simulated = known.account.environment == Environment::Embedded;
            let setup = self.setup_of(&known.account);
            setup.is_some_and(|setup| setup.simulates_rotation || !simulated)
        })
    }

    fn setup_of(&self, account: &Account) -> Option<&ProviderSetup> {
        let mut setups = self.setups.iter();
        setups.find(|setup| setup.provider == account.provider)
    }

    pub(super) fn open_rotation(&mut self) {
        let Some(account) = self.selected_account() else {
            return;
        };
        if !self.can_rotate() {
            let text = format!(
                "{} has a fixed secret: it is an account of the built-in simulator",
                account.id
            );
            self.store.flash(Level::Info, text);
        } else if let Some(setup) = self.setup_of(&account) {
            self.overlay = Overlay::Rotate(rotate::State::new(account, setup));
        }
    }

    pub(super) fn open_removal(&mut self) {
        if self.may_manage()
            && let Some(account) = self.selected_account()
        {
            let setup = self.setup_of(&account);
            let guide = setup.and_then(|setup| setup.guide_about(GuideTopic::Deletion));
            let deletable = guide.is_some();
            self.overlay = Overlay::Remove(remove::State::new(account, deletable));
        }
    }

    /// Whether the open window is a form about an account, which the guide explains.
    pub(super) fn is_about_accounts(&self) -> bool {
        matches!(self.overlay, Overlay::AddAccount(_) | Overlay::Rotate(_))
    }

    /// Opens the guide over the current form.
    pub(super) fn open_guide(&mut self) {
        let selected = self.selected_account().map(|account| account.provider.0);
        let (provider, resume) = match &self.overlay {
            Overlay::AddAccount(form) => (Some(form.setup().provider.0), true),
            Overlay::Rotate(form) => (Some(form.account.provider.0), true),
            Overlay::None => (selected, false),
            _ => return,
        };
        let resume = resume.then(|| Box::new(self.overlay.clone()));
        let state = guide::State::new(self.setups.clone(), provider, resume);
        self.overlay = Overlay::Guide(state);
    }

    pub(super) fn submit_change(&mut self, out: &mut Vec<Effect>) {
        let stage = self.overlay.stage();
        if stage.is_some_and(|stage| stage.request().is_some()) {
            return;
        }
        let (account, change) = match &mut self.overlay {
            Overlay::AddAccount(form) => {
                let Some(new) = form.submit() else {
                    return;
                };
                (new.name.clone(), Change::Add(Box::new(new)))
            }
            Overlay::Rotate(form) => {
                let Some(secret) = form.submit() else {
                    return;
                };
                let account = form.account.id.clone();
                let change = Change::Rotate {
                    account: account.clone(),
                    key: form.key().to_owned(),
                    secret,
                    unverified: form.is_unprovable(),
                };
                (account, change)
            }
            Overlay::Remove(form) => {
                if !form.submit() {
                    return;
                }
                let account = form.account.id.clone();
                (account.clone(), Change::Remove(account))
            }
            _ => return,
        };
        let request = self.store.manage(account, change, out);
        if let Some(stage) = self.overlay.stage() {
            *stage = Stage::Asked(request);
        }
    }

    pub(super) fn managed(
        &mut self,
        request: RequestId,
        result: Result<Changed, Problem>,
        now: Now,
        out: &mut Vec<Effect>,
    ) {
        // A change that was cancelled too late is done and must be shown. Its failure needs no notice.
        let is_expected = self.store.answered(request).is_some();
        match result {
            Ok(changed) => {
                self.close_form_of(request);
                self.changed(changed, now, out);
            }
            Err(problem) if is_expected => self.change_failed(request, problem),
            Err(_) => {}
        }
    }

    /// The form that waits for a request. The guide may be open over it.
    fn form_of(overlay: &mut Overlay, request: RequestId) -> Option<&mut Overlay> {
        if let Overlay::Guide(state) = overlay {
            return Self::form_of(state.resume.as_mut()?, request);
        }
        let waits = overlay.stage()?.request() == Some(request);
        waits.then_some(overlay)
    }

    fn close_form_of(&mut self, request: RequestId) {
        if Self::form_of(&mut self.overlay, request).is_some() {
            self.overlay = Overlay::None;
        }
    }

    fn change_failed(&mut self, request: RequestId, problem: Problem) {
        match Self::form_of(&mut self.overlay, request) {
            Some(Overlay::AddAccount(form)) => form.failed(problem),
            Some(Overlay::Rotate(form)) => form.stage = Stage::Failed(problem),
            Some(Overlay::Remove(form)) => form.stage = Stage::Failed(problem),
            _ => self.store.flash(Level::Error, problem.describe()),
        }
    }

    fn changed(&mut self, changed: Changed, now: Now, out: &mut Vec<Effect>) {
        let (id, level, text) = match changed {
            Changed::Added {
                account,
                unverified,
                kept,
                proved,
            } => {
                let id = account.id.clone();
                let verdict = unverified.as_ref().map_or(Ok(()), Err);
                let status = CredentialStatus::after(verdict, now.wall);
                self.store.adopt(account, status);
                self.credentials.list.selected = self.store.accounts.len() - 1;
                self.focus = Pane::Credentials;
                let places: Vec<String> = kept
                    .iter()
                    .map(|(key, place)| {
                        let only = unverified.is_none() && !proved.contains(key);
                        let how = if only { ", not verified" } else { "" };
                        format!("{key} in {place}{how}")
                    })
                    .collect();
                let places = places.join(", ");
                if unverified.is_none() {
                    (
                        id.clone(),
                        Level::Info,
                        format!("{id} is valid and saved: {places}"),
                    )
                } else {
                    let text = format!("{id} is saved unverified: {places}");
                    (id, Level::Warning, text)
                }
            }
            Changed::Rotated {
                account,
                verified,
                kept,
                todo,
            } => {
                let id = account.id.clone();
                let (status, is) = if verified {
                    (CredentialStatus::Good { at: now.wall }, "valid and in use")
                } else {
                    // The old secret's status stays until the new one was used.
                    let known = self.store.accounts.iter().find(|k| *k.id() == id);
                    let status = known.map_or(CredentialStatus::Untested, |k| k.status.clone());
                    (status, "in use, not verified,")
                };
                self.store.adopt(account, status);
                let place = match (&kept, todo.is_empty()) {
                    (Some(place), _) => format!(", in {place}"),
                    (None, false) => " in this console".to_owned(),
                    (None, true) => ", and the account's source already has it".to_owned(),
                };
                let left = if todo.is_empty() {
                    String::new()
                } else {
                    format!("; {todo}")
                };
                let level = if verified && left.is_empty() {
                    Level::Info
                } else {
                    Level::Warning
                };
                let is = if place.starts_with(',') {
                    is.trim_end_matches(',')
                } else {
                    is
                };
                (
                    id.clone(),
                    level,
                    format!("{id}: the new secret is {is}{place}{left}"),
                )
            }
            Changed::Removed { account, left } => {
                // Before the next draw: no pane may show an account that is not in the config any more.
                self.store.forget(&account, out);
                self.estimates.forget(&account);
                self.players.forget(&account);
                let accounts = self.store.accounts.len();
                let list = &mut self.credentials.list;
                list.selected = list.selected.min(accounts.saturating_sub(1));
                if left.is_empty() {
                    let text = format!("{account} is removed");
                    (account, Level::Info, text)
                } else {
                    let text = format!("{account} is removed; {left}");
                    (account, Level::Warning, text)
                }
            }
        };
        self.store.notice(
            Notice {
                level,
                about: format!("account {id}"),
                text,
            },
            now,
        );
    }
}
