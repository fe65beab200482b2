//! What the symbols, badges and columns on screen mean. Text only; the help window shows it below the keys.

/// A heading, and each symbol or column with its meaning.
pub type Section = (&'static str, &'static [(&'static str, &'static str)]);

/// At most 57 columns a meaning: the help window shows it whole in 80 columns.
pub const LEGEND: &[Section] = &[
    (
        "Symbols",
        &[
            ("✔", "success: paid as expected, 2xx, accepted, valid"),
            ("✘", "failed or rejected"),
            ("!", "needs attention"),
            ("◉", "in progress; on a track: the current state"),
            ("◌", "waiting, or not known yet"),
            ("○", "not started, not checked, or off"),
            ("●", "reached; finished, but no amount to compare; active"),
            ("•", "passed without being seen"),
            ("×", "cancelled or expired"),
            ("?", "not found, or unknown to tilldeck"),
            ("↻", "repeated callback: recorded, not processed again"),
            ("→  ←", "timeline: request sent, callback received"),
            ("✎", "write call; in a timeline: expected amount set"),
            ("▪", "marked payment"),
        ],
    ),
    (
        "Badges",
        &[
            ("LIVE", "live account: real money"),
            ("TEST", "the provider's own test environment"),
            ("SIM", "built-in simulator: no real money"),
            ("ARMED", "write calls are allowed for this account"),
            ("! 2 alerts", "open alerts; the list shows each of them"),
        ],
    ),
    (
        "Columns of Payments",
        &[
            (
                "state",
                "the provider's state; PAID: amount and currency match",
            ),
            ("payment", "your order id"),
            ("account", "the account that receives the payment"),
            ("amount", "the amount that the provider reports"),
            ("expected", "the amount and currency that you expect"),
            ("vs. order", "the amount compared with the expected amount"),
            ("=  <  >", "as expected, less, more than expected"),
            ("≠  ·", "other currency, no expected amount"),
            ("since", "age of the state; a clock time when final"),
            ("check", "time until the next check"),
        ],
    ),
    (
        "Columns of Requests",
        &[
            ("time", "when the request was sent"),
            ("status", "HTTP status; — if there was no response"),
            ("account", "whose credentials were used"),
            ("method, path", "what was sent"),
            ("payment", "the payment that the request is about"),
            ("try", "number of the attempt, from the second on"),
            ("ms", "time until the end of the response"),
            ("B", "size of the response body"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::widgets::text::width;

    #[test]
    fn a_meaning_is_shown_whole_in_eighty_columns() {
        for (symbol, meaning) in LEGEND.iter().flat_map(|(_, rows)| *rows) {
            assert!(width(symbol) <= 16 && width(meaning) <= 57, "{meaning}");
        }
    }
}
