//! Background events as messages to the console.

use crate::domain::{AccountId, WallTime, time};
use crate::ledger::FailedHook;
use crate::net::{ClockWarning, Event};
use crate::tui::Msg;
use crate::tui::msg::{Level, Notice};

pub fn message_of(event: Event) -> Msg {
    match event {
        Event::Exchange(exchange) => Msg::Exchange(exchange),
        Event::Waiting(request, waiting) => Msg::Waiting(request, waiting),
        Event::Running(request, exchange) => Msg::Running(request, exchange),
        Event::Token(account, status) => Msg::Token(account, status),
        Event::Budget(account, gauge) => Msg::Budget(account, gauge),
        Event::Delivery(delivery) => Msg::Delivery(delivery),
        Event::ListenerStatus(listening) => Msg::ListenerStatus(listening),
        Event::Player(account, claim) => Msg::Player(account, claim),
        Event::Checked(checked) => Msg::Checked(checked),
        Event::PlayerItems(loaded) => Msg::PlayerItems(loaded),
        Event::Lagged => Msg::Notice(Notice {
            level: Level::Info,
            about: "events missed".into(),
            text: "there are too many events to show; all are saved: `tilldeck log` lists the requests, and \
                   `tilldeck log --deliveries` the callbacks"
                .into(),
        }),
        Event::Warning { about, text } => Msg::Notice(Notice {
            level: Level::Warning,
            about,
            text,
        }),
        Event::Resolved(about) => Msg::Resolved(about),
        Event::ClockWarning(account, warning) => Msg::Notice(Notice {
            level: Level::Warning,
            about: format!("clock {account}"),
            text: clock_warning(&account, warning),
        }),
    }
}

/// The warning about a hook that failed in an earlier run or another program, and when it began.
pub fn failed_hook(failed: FailedHook) -> (Notice, WallTime) {
    let FailedHook { run, at, why } = failed;
    let about = run.event.about(Some((&run.of.account, &run.of.id)));
    let notice = Notice {
        level: Level::Warning,
        text: format!("{about}: {why}"),
        about,
    };
    (notice, at)
}

/// Why a wrong clock matters, and what to do.
pub fn clock_warning(account: &AccountId, warning: ClockWarning) -> String {
    match warning {
        ClockWarning::Clock(by, has_nonces) => {
            let why = if has_nonces {
                "A nonce from the future blocks other programs that use the key. Once several responses agree, tilldeck \
                 uses the provider's time"
            } else {
                "The times of requests and callbacks are wrong"
            };
            format!(
                "this machine's clock is {} ahead of {account}'s provider: set it. {why}",
                time::fine(by)
            )
        }
        ClockWarning::Nonces(by) => format!(
            "the nonces of account {account} are {} ahead of the provider's time: other programs that use its key are \
             rejected until then. Wait, or create a new key at the provider",
            time::fine(by)
        ),
    }
}
