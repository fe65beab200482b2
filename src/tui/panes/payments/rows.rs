//! Which watched payments are shown, in which order, and their totals.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{Amount, Currency, PaymentVerdict, Total};
use crate::tui::prelude::*;
use crate::tui::watched::Watched;
use crate::tui::widgets::text::contains;

/// What decides the order of the payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum SortKey {
    /// Those that need attention first, then the newest.
    #[default]
    Attention,
    /// The latest added first.
    Newest,
    /// The latest change of state first.
    Changed,
    Id,
    State,
    Account,
    /// The received amount, or the expected one before the first response; by currency first.
    Amount,
    Expected,
    /// The latest response first.
    Answered,
    /// The next check first.
    Due,
}

/// The keys that a column's title stands for, and their words.
const SORTS: [(SortKey, &str, &str); 10] = [
    (SortKey::Attention, "vs. order", "needs attention first"),
    (SortKey::Newest, "", "newest first"),
    (SortKey::Changed, "since", "latest change first"),
    (SortKey::Id, "payment", "by id"),
    (SortKey::State, "  state", "by state"),
    (SortKey::Account, "account", "by account"),
    (SortKey::Amount, "amount", "by amount"),
    (SortKey::Expected, "expected", "by expected amount"),
    (SortKey::Answered, "response", "latest response first"),
    (SortKey::Due, "check", "next check first"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sort {
    by: SortKey,
    is_reversed: bool,
}

impl Sort {
    /// The order after this one in [`SORTS`], after the last one the first.
    pub fn next(self) -> Self {
        let mut after = SORTS.iter().skip_while(|(by, ..)| *by != self.by);
        Self {
            by: after.nth(1).map_or_else(SortKey::default, |(by, ..)| *by),
            is_reversed: false,
        }
    }

    /// By the column with this title; again: the other way round.
    pub fn by_column(self, title: &str) -> Self {
        let mut all = SORTS.iter();
        let Some((by, ..)) = all.find(|(_, column, _)| *column == title) else {
            return self;
        };
        Self {
            by: *by,
            is_reversed: self.by == *by && !self.is_reversed,
        }
    }

    /// The arrow of the column with this title; `None` where it is not sorted by that, or in the usual order.
    pub fn arrow(self, title: &str) -> Option<&'static str> {
        let mut all = SORTS.iter();
        let is_by = all.any(|(by, column, _)| *by == self.by && *column == title);
        let is_latest_first = matches!(self.by, SortKey::Changed | SortKey::Answered);
        let is_shown = is_by && !title.is_empty() && self != Self::default();
        is_shown.then_some(if is_latest_first == self.is_reversed {
            "▲"
        } else {
            "▼"
        })
    }

    /// By its words; `None` if there are no such words.
    pub fn of(words: &str) -> Option<Self> {
        let each = SORTS.iter().flat_map(|(by, ..)| {
            let of = |is_reversed| Self {
                by: *by,
                is_reversed,
            };
            [of(false), of(true)]
        });
        each.into_iter().find(|sort| sort.words() == words)
    }

    pub fn words(self) -> String {
        let mut all = SORTS.iter();
        let row = all.find(|(by, ..)| *by == self.by);
        let words = row.map_or("", |(.., words)| words);
        if self.is_reversed {
            format!("{words}, reversed")
        } else {
            words.to_owned()
        }
    }
}

/// The places in [`Store::payments`] of the payments that match the filter, in their order.
pub fn order(store: &Store, filter: &str, sort: Sort) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..store.payments.len())
        .filter(|at| passes(&store.payments[*at], filter))
        .collect();
    let payment = |at: &usize| &store.payments[*at];
    if sort.by == SortKey::Attention {
        rows.sort_by_cached_key(|at| rank(payment(at), store));
    } else {
        rows.sort_by(|a, b| compare(sort.by, payment(a), payment(b)));
    }
    if sort.is_reversed {
        rows.reverse();
    }
    rows
}

fn compare(by: SortKey, a: &Watched, b: &Watched) -> Ordering {
    match by {
        // The list itself is newest first; by attention, it is sorted by `rank`.
        SortKey::Newest | SortKey::Attention => Ordering::Equal,
        SortKey::Changed => b.changed_at().cmp(&a.changed_at()),
        SortKey::Answered => b.answered_at().cmp(&a.answered_at()),
        SortKey::Id => a.watch.id.as_str().cmp(b.watch.id.as_str()),
        SortKey::Account => a.watch.account.as_str().cmp(b.watch.account.as_str()),
        SortKey::State => state(a).cmp(&state(b)),
        SortKey::Amount => sum(a).cmp(&sum(b)),
        SortKey::Expected => expected(a).cmp(&expected(b)),
        SortKey::Due => due(a).cmp(&due(b)),
    }
}

fn state(watched: &Watched) -> Option<&str> {
    watched.latest().map(|payment| payment.state.as_str())
}

type Sum<'a> = (Option<&'a Currency>, Option<&'a Amount>);

fn sum(watched: &Watched) -> Option<Sum<'_>> {
    let latest = watched.latest();
    let sum = latest.map(|payment| (payment.currency.read(), payment.amount.read()));
    sum.or_else(|| expected(watched))
}

fn expected(watched: &Watched) -> Option<Sum<'_>> {
    let expected = watched.expected()?;
    Some((Some(&expected.currency), Some(&expected.amount)))
}

/// What is checked now comes first, what is not checked any more last.
fn due(watched: &Watched) -> Duration {
    let running = watched.asking.map(|_| Duration::ZERO);
    running.or(watched.due()).unwrap_or(Duration::MAX)
}

/// What needs attention and is not handled comes first, the worst on top.
fn rank(watched: &Watched, store: &Store) -> u8 {
    if !needs_attention(watched, store) {
        return u8::MAX;
    }
    match watched.verdict() {
        Some(PaymentVerdict::Less | PaymentVerdict::OtherCurrency) => 0,
        Some(PaymentVerdict::UnreadableAmount | PaymentVerdict::More) => 1,
        Some(PaymentVerdict::Open) => 2,
        Some(
            PaymentVerdict::Failed
            | PaymentVerdict::NotCompared
            | PaymentVerdict::Paid
            | PaymentVerdict::Cancelled,
        )
        | None => 3,
    }
}

/// Whether an operator should look at it and has not marked it as handled.
pub fn needs_attention(watched: &Watched, store: &Store) -> bool {
    watched.needs_attention()
        && store
            .handled(&watched.alert_key(), watched.began())
            .is_none()
}

/// Whether nothing is left to do: its page was never opened, it was cancelled, the expected amount arrived, or its
/// problem was marked as handled.
pub fn is_settled(watched: &Watched, store: &Store) -> bool {
    match watched.verdict() {
        None => watched.is_unopened(),
        Some(PaymentVerdict::Paid | PaymentVerdict::Cancelled) => true,
        Some(PaymentVerdict::Open | PaymentVerdict::NotCompared) => false,
        Some(
            PaymentVerdict::Less
            | PaymentVerdict::More
            | PaymentVerdict::OtherCurrency
            | PaymentVerdict::UnreadableAmount
            | PaymentVerdict::Failed,
        ) => !needs_attention(watched, store),
    }
}

/// Whether every word of the filter is in its id, state, verdict or account.
fn passes(watched: &Watched, filter: &str) -> bool {
    let payment = watched.latest();
    let state = payment.map_or("", |payment| payment.state.as_str());
    let verdict = watched.verdict();
    let name = verdict.map_or("", PaymentVerdict::as_str);
    let unseen = payment.is_none().then(|| watched.badge().1);
    let note = watched.watch.note.as_ref();
    let texts = [
        note.map_or("", |note| note.text.as_str()),
        watched.watch.id.as_str(),
        watched.watch.account.as_str(),
        state,
        name,
        unseen.as_deref().unwrap_or_default(),
    ];
    filter
        .split_whitespace()
        .all(|word| texts.iter().any(|text| contains(text, word)))
}

/// Counts and totals of the shown payments.
#[derive(Debug, Default, PartialEq)]
pub struct Totals {
    pub open: usize,
    /// Open ones that wait for their first check.
    unchecked: usize,
    pub paid: usize,
    /// FINALIZED, without an expected amount.
    uncompared: usize,
    pub attention: usize,
    /// In each currency: what was paid, and what is still open.
    sums: BTreeMap<Currency, (Total, Total)>,
}

impl Totals {
    pub fn of<'a>(shown: impl Iterator<Item = &'a Watched>, store: &Store) -> Self {
        let mut totals = Self::default();
        for watched in shown {
            totals.attention += usize::from(needs_attention(watched, store));
            // Nothing says that it is over.
            let Some(payment) = watched.latest() else {
                totals.open += 1;
                totals.unchecked += usize::from(watched.is_unchecked());
                continue;
            };
            let paid = match payment.verdict(watched.expected()) {
                PaymentVerdict::Paid => true,
                PaymentVerdict::Open => false,
                PaymentVerdict::NotCompared => {
                    totals.uncompared += 1;
                    continue;
                }
                PaymentVerdict::Less
                | PaymentVerdict::More
                | PaymentVerdict::OtherCurrency
                | PaymentVerdict::UnreadableAmount
                | PaymentVerdict::Failed
                | PaymentVerdict::Cancelled => continue,
            };
            totals.paid += usize::from(paid);
            totals.open += usize::from(!paid);
            if let (Some(amount), Some(currency)) = (payment.amount.read(), payment.currency.read())
            {
                let sums = totals.sums.entry(currency.clone()).or_default();
                // `Total` refuses a number that is too long; such a text is no amount of money.
                let _ = if paid {
                    sums.0.add(amount)
                } else {
                    sums.1.add(amount)
                };
            }
        }
        totals
    }

    /// `12 open (2 not checked yet) · 3 paid: 3249 EMT, 0.5 BTC`: the longest wording that fits; the counts always. Paid
    /// sums without room are counted: `3 paid: 3249 EMT, 2 more currencies`.
    pub fn words(&self, room: u16) -> String {
        let room = usize::from(room);
        let sums = |paid: bool| -> Vec<String> {
            let pick = |(currency, sums): (&Currency, &(Total, Total))| {
                let total = if paid { &sums.0 } else { &sums.1 };
                (*total != Total::default()).then(|| format!("{total} {currency}"))
            };
            self.sums.iter().filter_map(pick).collect()
        };
        let list = |sums: &[String]| {
            if sums.is_empty() {
                String::new()
            } else {
                format!(": {}", sums.join(", "))
            }
        };
        let join = |open: &str, paid: &str| {
            let parts = [
                (self.open, "open", open),
                (self.paid, "paid", paid),
                (self.uncompared, "not compared", ""),
            ];
            let some = parts.into_iter().filter(|(count, ..)| *count > 0);
            let words = some.map(|(count, word, sums)| format!("{count} {word}{sums}"));
            words.collect::<Vec<_>>().join(" · ")
        };
        let unchecked = match self.unchecked {
            0 => String::new(),
            n => format!(" ({n} not checked yet)"),
        };
        let open = format!("{unchecked}{}", list(&sums(false)));
        let paid = sums(true);
        let some_paid = |shown: usize| {
            let mut sums = paid[..shown].to_vec();
            if shown < paid.len() {
                sums.push(match paid.len() - shown {
                    1 => "1 more currency".to_owned(),
                    n => format!("{n} more currencies"),
                });
            }
            list(&sums)
        };
        let shorter = (1..=paid.len())
            .rev()
            .map(|shown| join("", &some_paid(shown)));
        let fits = |text: &String| text.chars().count() <= room;
        std::iter::once(join(&open, &list(&paid)))
            .chain([join(&unchecked, &list(&paid))])
            .chain(shorter)
            .find(fits)
            .unwrap_or_else(|| join("", ""))
    }
}
