//! What happens behind the screen, as the console hears it.

use std::time::Duration;

use crate::domain::{AccountId, time};
use crate::net::Event;
use crate::tui::Msg;
use crate::tui::msg::{Level, Notice};

/// What is told behind the screen, as a message.
pub fn hear(event: Event) -> Msg {
    match event {
        Event::Exchange(exchange) => Msg::Exchange(exchange),
        Event::Waiting(request, waiting) => Msg::Waiting { request, waiting },
        Event::Token(account, status) => Msg::Token { account, status },
        Event::Budget(account, gauge) => Msg::Budget { account, gauge },
        Event::Delivery(delivery) => Msg::Delivery(delivery),
        Event::Listening(listening) => Msg::Listening(listening),
        Event::Asked {
            account,
            op,
            result,
            expected,
        } => Msg::Asked {
            account,
            op,
            result,
            expected,
        },
        Event::Missed => Msg::Notice(Notice {
            level: Level::Info,
            about: "events missed".into(),
            text: "too many events to show them all; all are saved: `tilldeck log` lists the requests, and \
                   `tilldeck log --deliveries` the callbacks"
                .into(),
        }),
        Event::Warning { about, text } => Msg::Notice(Notice {
            level: Level::Warning,
            about,
            text,
        }),
        Event::ClockAhead(account, by) => Msg::Notice(Notice {
            level: Level::Warning,
            about: format!("clock {account}"),
            text: clock_ahead(&account, by),
        }),
    }
}

/// Why a clock that is ahead matters.
#[must_use]
pub fn clock_ahead(account: &AccountId, by: Duration) -> String {
    format!(
        "this machine's clock is {} ahead of {account}'s provider: nonces made from it could lock out a shop that \
         shares the key; set the clock",
        time::fine(by)
    )
}
