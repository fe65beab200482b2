//! What the symbols, badges and columns on screen mean. Text only; the help window shows it below the keys.

/// A heading, and each symbol or column with its meaning.
pub type Section = (&'static str, &'static [(&'static str, &'static str)]);

/// At most 57 columns a meaning: the help window shows it whole in 80 columns.
// One row, one line.
#[rustfmt::skip]
pub const LEGEND: &[Section] = &[
    ("Symbols", &[
        ("✔", "success: paid as expected, 2xx, accepted, valid"),
        ("✘", "failed or rejected"),
        ("!", "needs attention"),
        ("◉", "in progress; on the state line: the current state"),
        ("◌", "waiting, or not opened by the payer yet"),
        ("○", "not started, not checked, or off"),
        ("●", "reached this state; no amount to compare; or on"),
        ("•", "passed between two checks"),
        ("×", "cancelled or expired"),
        ("?", "not found, or unknown to tilldeck"),
        ("↻", "repeated callback: recorded, not processed again"),
        ("→  ←", "timeline: request sent, callback received"),
        ("✎", "write call; in a timeline: expected amount set"),
        ("▪", "marked payment"),
    ]),
    ("Badges", &[
        ("LIVE", "live account: real money"),
        ("TEST", "the provider's own test environment"),
        ("SIM", "built-in simulator: no real money"),
        ("ARMED", "write calls are allowed for this account"),
        ("! 2 alerts", "open alerts; the list shows each of them"),
    ]),
    ("Columns of Payments", &[
        ("state", "the provider's state; PAID: amount and currency match"),
        ("LESS, MORE", "differs from the order; in place of FINALIZED if narrow"),
        ("payment", "your order id"),
        ("▲  ▼", "sorted by this column, ascending or descending"),
        ("¶", "has a note, which the details show"),
        ("account", "the account that receives the payment"),
        ("amount", "the amount that the provider reports"),
        ("expected", "the amount and currency that you expect"),
        ("vs. order", "the amount compared with the expected amount"),
        ("=  <  >", "as expected, less, more than expected"),
        ("≠  ·", "other currency, no expected amount"),
        ("! old", "time since the last answer: a check failed or is late"),
        ("since", "age of the state; a clock time when final"),
        ("response", "age of the provider's last response; in a wide pane"),
        ("check", "time until the next check"),
    ]),
    ("Columns of Requests", &[
        ("time", "when the request was sent"),
        ("status", "HTTP status; — if there was no response"),
        ("account", "whose credentials were used"),
        ("method, path", "what was sent"),
        ("payment", "the payment; in a team, also who sent it"),
        ("response", "the start of the response body; in a wide pane"),
        ("try", "number of the attempt, from the second on"),
        ("ms", "time until the end of the response"),
        ("B", "size of the response body"),
        ("running", "sent over a second ago, no response yet"),
        ("waiting", "not sent yet, or waiting for a retry; can be cancelled"),
        ("19/600", "requests in the period, and how many are allowed"),
    ]),
    ("Columns of Callbacks", &[
        ("time", "when the callback arrived; a date if not today"),
        ("self-test", "when the listener last answered itself; every few seconds"),
        ("3 jobs queued", "checks and forwards that callbacks caused, not done yet"),
        ("accepted", "no check failed; details say whether it was verified"),
        ("repeat 2", "delivered again, the second time; not processed again"),
        ("rejected", "failed a check (signature, key, id); not processed"),
        ("unreadable", "not in the provider's format; not processed"),
        ("unverified", "its secret could not be read; tilldeck verifies it later"),
        ("no account", "its address names no account of this profile"),
        ("account", "the account in its address"),
        ("payment", "the payment or player that it is about"),
        ("event", "the provider's name for what happened"),
        ("HTTP", "the status that answered it; in a wide pane"),
        ("check: …", "the state that tilldeck then got from the provider"),
        ("forwarded: …", "the response of your shop's server"),
        ("!", "the last attempt failed: its reason, and the next retry"),
        ("✘", "gave up: the reason, and what is not retried"),
    ]),
    ("Columns of Credentials", &[
        ("account", "the account's name in the config"),
        ("valid", "the provider accepted the credentials"),
        ("rejected", "the provider did not accept the credentials"),
        ("unreadable", "tilldeck cannot read the secret; it sent nothing"),
        ("unreachable", "no response: the credentials may still be valid"),
        ("unverified", "the response says nothing about the credentials"),
        ("untested", "not verified yet"),
        ("2m ago", "age of the last verification"),
    ]),
    ("Columns of Tokens", &[
        ("account", "the account that uses the token"),
        ("valid", "in use; tilldeck renews it in time"),
        ("due", "still valid; its renewal is due"),
        ("ends soon", "valid for less than a minute, and not renewed yet"),
        ("renewing", "tilldeck requests a new token"),
        ("waiting", "the request for a new token is not sent yet"),
        ("rejected", "the provider rejected the credentials"),
        ("expired", "not valid any more, and not renewed yet"),
        ("none yet", "no token yet; requested when needed"),
        ("missing", "no token: its request failed"),
        ("bar, 59:32", "the time until the token expires"),
    ]),
    ("Search in Requests and Callbacks", &[
        ("words", "all must occur, in upper or lower case"),
        ("about:ORDER-1", "this payment, order or player: the whole id"),
        ("account:shop", "this account"),
        ("status:4xx", "requests with this status: also 404, failed"),
        ("method:post", "requests with this method"),
        ("operator:anna", "requests of this operator, in a team"),
    ]),
    ("Columns of Estimates", &[
        ("currency", "what the payer can pay in"),
        ("price", "the amount that the payer would pay"),
        ("+0.2 %", "the change since the estimate before"),
        ("last column", "the last estimates, the newest at the right"),
    ]),
    ("Columns of Explorer", &[
        ("method", "GET reads; POST, PUT, PATCH and DELETE write"),
        ("path", "the address of the call at the provider"),
        ("purpose", "what the call does"),
    ]),
    ("Columns of Players", &[
        ("instance", "the number of one item of the player"),
        ("item", "the item's name"),
        ("uses", "how often the player can still use it"),
        ("data", "what the game saved with it, or its description"),
    ]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::pane::Pane;
    use crate::tui::widgets::text::width;

    #[test]
    fn every_pane_has_its_columns_explained() {
        for pane in Pane::ALL {
            let title = format!("Columns of {}", pane.name());
            assert!(LEGEND.iter().any(|(of, _)| *of == title), "{title}");
        }
    }

    #[test]
    fn a_meaning_is_shown_whole_in_eighty_columns() {
        for (symbol, meaning) in LEGEND.iter().flat_map(|(_, rows)| *rows) {
            assert!(width(symbol) <= 16 && width(meaning) <= 57, "{meaning}");
        }
    }
}
