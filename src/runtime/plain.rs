//! The console without a screen: the same loop, with lines in place of frames, and no keys.

use tokio_util::task::TaskTracker;

use super::running::{Opening, Running};
use super::{MESSAGES_A_FRAME, sleep};
use crate::config::Profile;
use crate::deck::Options;
use crate::domain::Problem;
use crate::net::redact;
use crate::tui::{Effect, Plain};

/// What the console without a screen needs.
pub struct PlainStart {
    /// The console before its first message.
    pub plain: Plain,
    /// The profile to open.
    pub profile: Profile,
    /// The deck's options; `events` is set here.
    pub options: Options,
    /// Whether real accounts are verified at start without asking.
    pub verify_on_start: bool,
}

/// Runs the console without a screen until `ended` is, which it returns. `print` gets each line, redacted and inert, and
/// must not block.
///
/// # Errors
/// If the profile cannot be opened.
pub async fn run_plain<E>(
    start: PlainStart,
    mut print: impl FnMut(&str),
    ended: impl Future<Output = E>,
) -> Result<E, Problem> {
    let mut plain = start.plain;
    let mut print = |line: String| print(&line);
    let scrub = |line: &str| redact::scrub(line).into_owned();
    let clock = start.options.clock.clone();
    let opening = Opening {
        profile: start.profile,
        options: start.options,
        recording: None,
        verify: start.verify_on_start,
        kept: Vec::new(),
    };
    let before = TaskTracker::new();
    before.close();
    let mut running = Running::start(opening, before.clone());
    let mut effects: Vec<Effect> = Vec::new();
    tokio::pin!(ended);
    let done = loop {
        for effect in effects.drain(..) {
            running.perform(effect);
        }
        let now = clock.now();
        plain.lines(now, scrub).into_iter().for_each(&mut print);
        if let Some(problem) = plain.failure() {
            break Err(problem.clone());
        }
        tokio::select! {
            biased;
            ended = &mut ended => break Ok(ended),
            Some(deck) = running.opened.recv() => running.use_deck(deck),
            Some(mut message) = running.inbox.recv() => {
                // As many as before a frame: a flood must not delay the end.
                for _ in 0..MESSAGES_A_FRAME {
                    effects.extend(plain.update(clock.now(), message));
                    let Ok(next) = running.inbox.try_recv() else { break };
                    message = next;
                }
            }
            () = sleep(plain.next_wake(now)) => {
                effects.extend(plain.update(clock.now(), crate::tui::Msg::Woke));
            }
        }
    };
    running.end(before.token()).await;
    if done.is_ok() {
        plain.end(clock.now(), scrub).into_iter().for_each(&mut print);
    }
    done
}
