//! The console without a screen: the same loop, with lines in place of frames, and no keys.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::reload::{Preparing, prepared};
use super::running::Running;
use super::source::{ProfileSource, ProfileStart, Reload};
use super::{MESSAGES_A_FRAME, sleep};
use crate::clock::{Clock, time_zone};
use crate::deck::Prepared;
use crate::domain::Problem;
use crate::net::redact;
use crate::tui::msg::ConfigNews;
use crate::tui::{Detail, Effect, Msg, Plain};

/// What the console without a screen needs.
pub struct PlainStart {
    /// The profile that it opens.
    pub first: ProfileStart,
    /// Changes of the configuration.
    pub source: Arc<dyn ProfileSource>,
    /// Which events become lines.
    pub detail: Detail,
    /// Has it read the configuration again, even if that is not known to have changed.
    pub reload: Arc<Notify>,
}

/// Runs the console without a screen until `ended` is, which it returns. `print` gets each line, redacted and inert, and
/// must not block.
///
/// # Errors
/// If the profile cannot be opened at the start.
pub async fn run_plain<E>(
    start: PlainStart,
    mut print: impl FnMut(&str),
    ended: impl Future<Output = E>,
) -> Result<E, Problem> {
    let PlainStart {
        first,
        source,
        detail,
        reload,
    } = start;
    let mut changes = source.changes();
    let clock = first.options.clock.clone();
    let model = first.model.clone();
    let mut console = PlainConsole {
        plain: Plain::new(model, detail, time_zone(), clock.now()),
        running: Running::start(first),
        source,
        clock,
        preparing: None,
    };
    let mut print_all = |lines: Vec<String>| {
        for line in lines {
            print(&line);
        }
    };
    let mut effects: Vec<Effect> = Vec::new();
    tokio::pin!(ended);
    let done = loop {
        for effect in effects.drain(..) {
            console.running.perform(effect);
        }
        let now = console.clock.now();
        print_all(console.plain.lines(now, scrub));
        if let Some(problem) = console.plain.failure() {
            break Err(problem.clone());
        }
        tokio::select! {
            biased;
            ended = &mut ended => break Ok(ended),
            Some(deck) = console.running.opened.recv() => console.running.use_deck(deck),
            Some(()) = changes.recv() => console.reload(&mut effects),
            () = reload.notified() => console.reload(&mut effects),
            Some((start, prepared)) = prepared(&mut console.preparing) => {
                console.take_over(start, prepared, &mut effects);
            }
            Some(mut message) = console.running.inbox.recv() => {
                // As many as before a frame: a flood must not delay the end.
                for _ in 0..MESSAGES_A_FRAME {
                    console.update(message, &mut effects);
                    let Ok(next) = console.running.inbox.try_recv() else { break };
                    message = next;
                }
            }
            () = sleep(console.plain.next_wake(now)) => console.update(Msg::Woke, &mut effects),
        }
    };
    console.running.end().await;
    if done.is_ok() {
        print_all(console.plain.end(console.clock.now(), scrub));
    }
    done
}

fn scrub(line: &str) -> String {
    redact::scrub(line).into_owned()
}

struct PlainConsole {
    plain: Plain,
    running: Running,
    source: Arc<dyn ProfileSource>,
    clock: Clock,
    preparing: Option<Preparing>,
}

impl PlainConsole {
    fn update(&mut self, message: Msg, effects: &mut Vec<Effect>) {
        effects.extend(self.plain.update(self.clock.now(), message));
    }

    fn reload(&mut self, effects: &mut Vec<Effect>) {
        self.preparing = None;
        // No operator is in the middle of something that a change must wait for.
        let news = match self.source.reload(false) {
            Ok(Reload::Same | Reload::Waits | Reload::Screen(_)) => ConfigNews::Current,
            Ok(Reload::Deck(start)) => {
                let preparing = tokio::spawn(self.running.prepare(*start));
                self.preparing = Some(AbortOnDropHandle::new(preparing));
                return;
            }
            Err(problem) => ConfigNews::Unusable(problem),
        };
        self.report(news, effects);
    }

    /// Opens the profile anew, with other settings, or says why it cannot be: then the current deck goes on.
    fn take_over(
        &mut self,
        mut start: ProfileStart,
        prepared: Result<Prepared, Problem>,
        effects: &mut Vec<Effect>,
    ) {
        let news = match prepared {
            Err(problem) => ConfigNews::Unusable(problem),
            Ok(prepared) => {
                self.source.take_over();
                let unchanged = self.running.profile.unchanged(&start.profile);
                start.options.handover = self.running.hand_over(&unchanged, prepared);
                let model = start.model.clone();
                self.plain.reopen(model, &unchanged, self.clock.now());
                self.running.replace(start, unchanged);
                ConfigNews::Reloaded
            }
        };
        self.report(news, effects);
    }

    fn report(&mut self, news: ConfigNews, effects: &mut Vec<Effect>) {
        let news = news.or_awaits_restart(self.source.awaits_restart());
        tracing::info!(?news, "the configuration was read again");
        self.update(Msg::Config(news), effects);
    }
}
