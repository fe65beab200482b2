//! `budget`: the use of each rate limit, read from the ledger. Sends nothing.

use std::time::Duration;

use super::prelude::*;
use crate::domain::BudgetGauge;
use crate::domain::time::{self, millis};

/// The width of the gauge in characters.
const BAR: u64 = 20;

/// Show how much of each rate limit is used, and when the next request may be sent.
#[derive(Debug, Args)]
pub struct Budget {
    #[command(flatten)]
    format: AsCsv,
}

const HEADS: [&str; 7] = ["account", "counts", "", "used", "period", "free", ""];
const FIELDS: &str = "account,counts,used,own,limit,period_ms,free,next_free_ms,held_ms";

impl DeckCommand for Budget {
    async fn run(self, cx: &CommandContext<'_>) -> CommandResult {
        let out = &self.format.on(cx.out);
        let only = match cx.settings.account() {
            Some(name) => Some(cx.deck.pick(Some(name), None)?.id),
            None => None,
        };
        // Without coordination, each command has a share of each limit by itself.
        if !cx.settings.global.uncoordinated {
            cx.must_read_ledger().await?;
        }
        let mut gauges = cx.deck.gauges().await?;
        gauges.retain(|(account, gauge)| {
            gauge.is_shown() && only.as_ref().is_none_or(|only| only == account)
        });
        let mut listing = Listing::new(out, HEADS, FIELDS.split(','));
        for (account, gauge) in &gauges {
            let object = json!({
                "account": account,
                "counts": gauge.calls(),
                "used": gauge.used,
                "own": gauge.own,
                "limit": (gauge.limit < BudgetGauge::UNCOUNTED).then_some(gauge.limit),
                "period_ms": millis(gauge.period),
                "free": free(gauge),
                "next_free_ms": gauge.next_free.map(millis),
                "held_ms": gauge.held.map(millis),
            });
            listing.row(&object, cells(account, gauge))?;
        }
        listing.flush()?;
        if gauges.is_empty() {
            out.explain(&format!(
                "profile {} has no account with a rate limit",
                cx.settings.profile.name
            ));
        }
        Ok(Exit::Done)
    }
}

/// Requests that may be sent right now.
fn free(gauge: &BudgetGauge) -> u32 {
    match gauge.held {
        Some(_) => 0,
        None => gauge.limit.saturating_sub(gauge.used),
    }
}

fn cells(account: &AccountId, gauge: &BudgetGauge) -> [Cell; 7] {
    let full = gauge.used >= gauge.limit;
    let tone = match (full || gauge.held.is_some(), gauge.is_nearly_used()) {
        (true, _) => Tone::Bad,
        (false, true) => Tone::Warn,
        (false, false) => Tone::Good,
    };
    let next = match (gauge.held, gauge.next_free) {
        (Some(left), _) => format!(
            "rate limit (429); another program may be using these credentials; next request in {}",
            whole(left)
        ),
        (None, Some(left)) if full => format!("next request in {}", whole(left)),
        (None, None) if full => {
            "each slot is in use by a request that waits for its response".into()
        }
        (None, _) => String::new(),
    };
    [
        toned(account.as_str(), Tone::Accent),
        plain(gauge.calls()),
        toned(bar(gauge), tone),
        plain(gauge.count()),
        toned(format!("per {}", time::exact(gauge.period)), Tone::Dim),
        plain(free(gauge).to_string()),
        toned(next, Tone::Warn),
    ]
}

/// `####----`: ASCII, which every terminal and log file shows.
fn bar(gauge: &BudgetGauge) -> String {
    let (used, limit) = (u64::from(gauge.used), u64::from(gauge.limit));
    let filled = if used >= limit {
        BAR
    } else {
        // One cell as soon as anything is used; the last one only when the limit is reached.
        (used * BAR / limit).max(u64::from(used > 0)).min(BAR - 1)
    };
    let cells = |count: u64| usize::try_from(count).unwrap_or(0);
    format!(
        "{}{}",
        "#".repeat(cells(filled)),
        "-".repeat(cells(BAR - filled))
    )
}

/// In whole seconds, rounded up: a wait of 200 ms must not read as 0 s.
fn whole(left: Duration) -> String {
    let seconds = u64::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    time::fine(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::{Out, Table};
    use crate::domain::Counts;

    fn gauge(used: u32) -> BudgetGauge {
        BudgetGauge {
            counts: Counts::Writes,
            used,
            own: used,
            limit: 2000,
            period: Duration::from_mins(1),
            next_free: Some(Duration::from_millis(11_200)),
            waiting: 0,
            held: None,
        }
    }

    fn describe(gauge: &BudgetGauge) -> String {
        let mut table = Table::default();
        table.row(cells(&AccountId::new("keys").unwrap(), gauge));
        table.lines(&Out::default()).join("\n")
    }

    #[test]
    fn a_row_says_when_the_next_slot_frees_and_who_else_spends() {
        assert_eq!(
            describe(&gauge(1)),
            "keys  writes  #-------------------  1/2000  per 1 min  1999"
        );
        assert_eq!(
            describe(&gauge(2000)),
            "keys  writes  ####################  2000/2000  per 1 min  0  next request in 12 s"
        );
        let shared = BudgetGauge {
            own: 1,
            ..gauge(12)
        };
        assert_eq!(
            describe(&shared),
            "keys  writes  #-------------------  12/2000 (1 yours)  per 1 min  1988"
        );
        let held = BudgetGauge {
            held: Some(Duration::from_millis(41_001)),
            ..gauge(3)
        };
        let words = describe(&held);
        assert!(
            words.contains("  0  ") && words.ends_with("next request in 42 s"),
            "{words}"
        );
    }
}
