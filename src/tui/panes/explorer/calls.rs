//! The list of calls: the documented ones of each account, and a free call; found by fuzzy search.

use std::cmp::Reverse;

use crate::domain::{AccountId, DocumentedCall, Now};
use crate::tui::finder::{Closeness, Finder, Rank};
use crate::tui::prelude::*;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    Account(AccountId),
    Call {
        account: AccountId,
        call: &'static DocumentedCall,
    },
    /// A free call: any method, any path.
    Other(AccountId),
    /// The number of write calls that are hidden until the account is armed.
    Locked(AccountId, usize),
}

impl Row {
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Account(account)
            | Self::Call { account, .. }
            | Self::Other(account)
            | Self::Locked(account, _) => account,
        }
    }

    pub fn is_heading(&self) -> bool {
        matches!(self, Self::Account(_))
    }

    /// Whether it is the same entry, whatever the search.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Call { account, call },
                Self::Call {
                    account: a,
                    call: c,
                },
            ) => account == a && is_same_call(Some(call), Some(c)),
            (Self::Locked(account, _), Self::Locked(other, _)) => account == other,
            _ => self == other,
        }
    }
}

/// Whether both are the same entry of a catalogue.
pub fn is_same_call(one: Option<&DocumentedCall>, other: Option<&DocumentedCall>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.method == other.method && one.path == other.path,
        _ => false,
    }
}

/// The text of a call that the filter looks at.
fn describe(call: &DocumentedCall, account: &AccountId) -> String {
    format!("{} {} {} {account}", call.method, call.path, call.about)
}

/// The rows, in the accounts' order and the best match first; and the place of the best match of all.
pub fn rows(store: &Store, query: &str, now: Now) -> (Vec<Row>, Option<usize>) {
    let mut finder = Finder::new(query);
    let mut found = Vec::new();
    for known in &store.accounts {
        let id = known.id();
        let mut here = Vec::new();
        for call in store.catalogue(known.account.provider) {
            if let Some(rank) = finder.find(&describe(call, id)) {
                here.push((rank, Some(call)));
            }
        }
        here.sort_by_key(|(rank, _)| Reverse(*rank));
        if let Some(rank) = finder.find(&format!("any other call {id}")) {
            here.push((rank, None));
        }
        found.push((known, here));
    }
    let scores = found
        .iter()
        .flat_map(|(_, here)| here)
        .map(|(rank, _)| rank.score);
    let most = scores.max().unwrap_or(0);
    let mut rows = Vec::new();
    let mut best: Option<(Rank, usize)> = None;
    for (known, here) in found {
        let id = known.id();
        let heading = rows.len();
        rows.push(Row::Account(id.clone()));
        let mut locked = (0, Rank::default());
        // Scattered letters fit nearly any text; a low score is no match.
        let is_match =
            |rank: &Rank| rank.closeness > Closeness::Scattered || rank.score * 3 >= most * 2;
        for (rank, call) in here.into_iter().filter(|(rank, _)| is_match(rank)) {
            if call.is_some_and(|call| is_hidden(known, call.writes, now)) {
                locked = (locked.0 + 1, rank.max(locked.1));
                continue;
            }
            if best.is_none_or(|(most, _)| rank > most) {
                best = Some((rank, rows.len()));
            }
            rows.push(match call {
                None => Row::Other(id.clone()),
                Some(call) => Row::Call {
                    account: id.clone(),
                    call,
                },
            });
        }
        if locked.0 > 0 {
            let after = matches!(rows.last(), Some(Row::Other(_)));
            // The free call stays the last row of its account.
            let at = rows.len() - usize::from(after);
            if best.is_none_or(|(most, _)| locked.1 > most) {
                best = Some((locked.1, at));
            }
            rows.insert(at, Row::Locked(id.clone(), locked.0));
        }
        // A heading without rows below it goes.
        if rows.len() == heading + 1 {
            rows.truncate(heading);
        }
    }
    (rows, best.map(|(_, at)| at))
}

/// Whether a call is hidden because its account is not armed.
pub fn is_hidden(known: &AccountState, writes: bool, now: Now) -> bool {
    writes && !known.may_write(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::testing::*;

    fn found(store: &Store, query: &str) -> Vec<String> {
        let (rows, best) = rows(store, query, second(0));
        let found = rows.iter().enumerate().map(|(at, row)| {
            let mark = if Some(at) == best { "*" } else { "" };
            match row {
                Row::Account(id) => format!("{mark}{id}:"),
                Row::Call { call, .. } => format!("{mark}{} {}", call.method, call.path),
                Row::Other(_) => format!("{mark}other"),
                Row::Locked(_, count) => format!("{mark}locked {count}"),
            }
        });
        found.collect()
    }

    #[test]
    fn a_few_letters_find_a_call() {
        let store = Store::new(&sandbox_setup());
        assert_eq!(found(&store, "").len(), 7);
        assert_eq!(
            found(&store, "calcpr")[..2],
            ["kanga:", "*POST /v1/calculations/price"]
        );
        assert_eq!(
            found(&store, "patch offer")[1],
            "*PATCH /v1/offers/{offerId}"
        );
        assert_eq!(
            found(&store, "key stock")[1],
            "*DELETE /v1/offers/{offerId}/stock/{stockId}"
        );
        assert_eq!(found(&store, "zzzz"), Vec::<String>::new());
    }

    #[test]
    fn writes_of_a_live_account_are_absent_until_it_is_armed() {
        let mut store = Store::new(&live_setup());
        let shown = found(&store, "shop");
        assert_eq!(shown[0], "shop:");
        assert!(shown.contains(&"locked 2".into()), "{shown:?}");
        assert!(!shown.iter().any(|row| row.contains("PATCH")), "{shown:?}");
        let shown = found(&store, "patch shop");
        assert!(shown.contains(&"*locked 1".into()), "{shown:?}");
        let shop = crate::domain::AccountId::new("shop").unwrap();
        store.known_mut(&shop).unwrap().arm(second(0));
        let shown = found(&store, "patch shop");
        assert!(
            shown.contains(&"*PATCH /v1/offers/{offerId}".into()),
            "{shown:?}"
        );
    }
}
