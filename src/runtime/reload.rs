//! Opens another profile in the running console, and takes over changes of the configuration.

use std::io;

use tokio_util::task::AbortOnDropHandle;

use super::Console;
use super::attention::Attention;
use super::first_account::{Added, Adding};
use super::perform::{crashed_change, send};
use super::source::{ProfileStart, Reload};
use crate::config::Environ;
use crate::deck::Prepared;
use crate::domain::manage::NewAccount;
use crate::domain::{Problem, ProblemKind, RequestId};
use crate::tui::msg::ConfigNews;
use crate::tui::{self, Effect, Msg};

/// A deck that may open in place of the current one: what it opens with, and what that one got for it.
pub(super) type Preparing = AbortOnDropHandle<(ProfileStart, Result<Prepared, Problem>)>;

/// Waits until the next deck may open, or cannot. Nothing comes where none is prepared.
pub(super) async fn prepared(
    preparing: &mut Option<Preparing>,
) -> Option<(ProfileStart, Result<Prepared, Problem>)> {
    match preparing {
        Some(task) => {
            let prepared = task.await;
            *preparing = None;
            prepared.ok()
        }
        None => std::future::pending().await,
    }
}

impl Console {
    /// Closes the current profile and opens another one, which looks as it did when it was left. Returns whether it can be
    /// opened.
    pub(super) fn switch(&mut self, name: &str, effects: &mut Vec<Effect>) -> io::Result<bool> {
        let screen = self.model.screen_state();
        self.source.save_screen(&self.running.profile.name, &screen);
        let mut start = match self.source.open(name) {
            Ok(start) => start,
            Err(problem) => {
                self.update(Msg::Done(Err(problem)), effects);
                return Ok(false);
            }
        };
        tracing::info!(profile = name, "the profile is switched");
        start.model.follow(&mut self.model, self.clock.now());
        std::mem::swap(&mut self.model, &mut start.model);
        self.reload_waits = false;
        self.preparing = None;
        self.set_preferences(&start, effects)?;
        self.running.replace(start, Vec::new());
        if self.source.awaits_restart() {
            self.report(ConfigNews::AwaitsRestart, effects);
        }
        Ok(true)
    }

    /// Opens the profile of an account that was added from the built-in one.
    pub(super) fn open_with(&mut self, added: Added, effects: &mut Vec<Effect>) -> io::Result<()> {
        let Added {
            request,
            profile,
            changed,
        } = added;
        if !self.running.profile.built_in {
            // The operator did not wait for it.
            let text = format!(
                "account {} is saved in profile {profile}",
                changed.account()
            );
            self.update(Msg::Done(Ok(text)), effects);
            return Ok(());
        }
        let (request, result) = if self.switch(&profile, effects)? {
            // The numbers of the new model are its own.
            (RequestId(0), Ok(changed))
        } else {
            let problem = Problem::new(
                ProblemKind::Config,
                format!("the account is saved in profile {profile}, which cannot be opened now"),
                "check the config file, then switch to the profile",
            );
            (request, Err(problem))
        };
        // Not by the deck that is open now: it has the account from its start.
        let message = Msg::AccountChanged(request, result);
        effects.extend(tui::update(&mut self.model, self.clock.now(), message));
        Ok(())
    }

    /// Adds an account to a profile of the configuration, from the built-in one.
    pub(super) fn add_first(&mut self, request: RequestId, new: NewAccount) {
        let messages = self.running.messages.clone();
        let adding = Adding {
            source: self.source.clone(),
            added: self.added_to.clone(),
            messages: messages.clone(),
            endings: self.running.endings.clone(),
        };
        let crashed = Box::pin(send(messages, crashed_change(request)));
        let adding = Box::pin(adding.add(request, new));
        let tasks = &mut self.running.tasks;
        tasks.start_request(request, adding, crashed);
    }

    /// Reads the configuration again, and takes over what differs.
    pub(super) fn reload(&mut self, effects: &mut Vec<Effect>) -> io::Result<()> {
        let reload = self.source.reload(self.model.is_busy());
        self.reload_waits = matches!(reload, Ok(Reload::Waits));
        self.preparing = None;
        let news = match reload {
            Ok(Reload::Same) => ConfigNews::Current,
            Ok(Reload::Waits) => ConfigNews::Waits,
            Ok(Reload::Screen(start)) => {
                self.model.set_preferences(&start.model);
                self.set_preferences(&start, effects)?;
                ConfigNews::Current
            }
            Ok(Reload::Deck(start)) => {
                // Beside the loop: a program may give the sealing key.
                let preparing = tokio::spawn(self.running.prepare(*start));
                self.preparing = Some(AbortOnDropHandle::new(preparing));
                return Ok(());
            }
            Err(problem) => ConfigNews::Unusable(problem),
        };
        self.report(news, effects);
        Ok(())
    }

    /// Takes over a changed configuration, or says why its deck cannot be opened: then the current one goes on.
    pub(super) fn take_over(
        &mut self,
        start: ProfileStart,
        prepared: Result<Prepared, Problem>,
        effects: &mut Vec<Effect>,
    ) -> io::Result<()> {
        let news = match prepared {
            Err(problem) => ConfigNews::Unusable(problem),
            // A window was opened in the meantime: it is read once more.
            Ok(_) if self.model.is_busy() => {
                self.reload_waits = true;
                ConfigNews::Waits
            }
            Ok(prepared) => {
                self.source.take_over();
                self.reopen(start, prepared, effects)?;
                ConfigNews::Reloaded
            }
        };
        self.report(news, effects);
        Ok(())
    }

    fn report(&mut self, news: ConfigNews, effects: &mut Vec<Effect>) {
        let news = news.or_awaits_restart(self.source.awaits_restart());
        tracing::info!(?news, "the configuration was read again");
        self.update(Msg::Config(news), effects);
    }

    /// Opens the current profile anew, with other settings.
    fn reopen(
        &mut self,
        mut start: ProfileStart,
        prepared: Prepared,
        effects: &mut Vec<Effect>,
    ) -> io::Result<()> {
        let unchanged = self.running.profile.unchanged(&start.profile);
        start.options.handover = self.running.hand_over(&unchanged, prepared);
        self.set_preferences(&start, effects)?;
        let model = start.model.clone();
        self.model.reopen(model, &unchanged, self.clock.now());
        self.fit(effects);
        self.running.replace(start, unchanged);
        Ok(())
    }

    /// Takes over how the terminal is used.
    fn set_preferences(
        &mut self,
        start: &ProfileStart,
        effects: &mut Vec<Effect>,
    ) -> io::Result<()> {
        self.attention = Attention::new(start.notify.clone(), &Environ::process());
        if !self.attention.sets_title() {
            self.entered.restore_title()?;
        }
        self.entered.set_mouse(self.model.mouse_wanted())?;
        self.fit(effects);
        Ok(())
    }
}
