//! Payments over time: observations, expectations, the watch list, handled marks.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::domain::{
    AccountId, Amount, Currency, Expectation, Expected, ExpectedBy, Handled, Mark, Note,
    Observation, Payment, PaymentId, PaymentState, Replaced, Reported, WallTime, Watch,
};

use super::selection::places;
use super::value::{Param, Row, params};
use super::{Area, Sql, SqlResult};
use crate::ledger::Ledger;
use crate::ledger::error::LedgerError;

/// A payment in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PaymentKey {
    /// The profile of its account.
    pub profile: String,
    /// Its account.
    pub account: AccountId,
    /// The shop's id.
    pub id: PaymentId,
}

/// A profile, and the base URL of the API that each of its accounts uses now. What an account's earlier host reported of a
/// payment is not read: the two may know different payments by one id.
#[derive(Debug, Clone, Default)]
pub struct ProfileApis {
    /// The profile.
    pub profile: String,
    /// The APIs.
    pub apis: HashMap<AccountId, String>,
}

/// A payment that was checked and is not watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwatched {
    /// Its account.
    pub account: AccountId,
    /// The shop's id.
    pub id: PaymentId,
    /// What its account's API reported last.
    pub last: Option<Observation>,
    /// The expectation in force.
    pub expected: Option<Expectation>,
    /// The newest note on it.
    pub note: Option<Note>,
}

/// An expectation in the columns that [`expectation`] reads.
const EXPECTATION: &str = "SELECT amount, currency, set_by, at, operator FROM expectations
     WHERE profile = $1 AND account = $2 AND payment = $3";

/// Two answers are saved within this time after the first of them arrived.
const TOGETHER: Duration = Duration::from_mins(1);

/// An API's observations, or those of all, in the columns that [`observation`] reads.
const OBSERVATION: &str = "SELECT at, state, amount, currency, payment FROM observations
     WHERE profile = $1 AND account = $2 AND payment = $3 AND coalesce(api, '') = coalesce($4, api, '')";

impl PaymentKey {
    fn params(&self) -> [Param<'_>; 3] {
        [
            Param::from(&self.profile),
            Param::from(&self.account),
            Param::from(&self.id),
        ]
    }

    fn params_at<'a>(&'a self, api: Option<&'a str>) -> [Param<'a>; 4] {
        let [profile, account, id] = self.params();
        [profile, account, id, Param::from(api)]
    }
}

impl ProfileApis {
    /// The account of a row, its API's observation, and whether that is the one it uses now. An account that is not
    /// configured has no other.
    fn observation(
        &self,
        row: Row<'_>,
        account: usize,
    ) -> SqlResult<(AccountId, Observation, bool)> {
        let api: Option<String> = row.get(account + 1)?;
        let account = row.parsed(account, |name: String| AccountId::new(name))?;
        let is_current = self
            .apis
            .get(&account)
            .is_none_or(|now| api.as_ref() == Some(now));
        Ok((account, observation(row)?, is_current))
    }
}

impl Ledger {
    /// Saves an observation of an API if state, amount or currency differ from its last; returns whether they did. Its first
    /// is no change where another API has reported the same: then the host has moved, or the row is of an earlier version.
    pub async fn observe(
        &self,
        account: &AccountId,
        (profile, api): (&str, &str),
        observation: &Observation,
    ) -> Result<bool, LedgerError> {
        let of = PaymentKey {
            profile: profile.to_owned(),
            account: account.clone(),
            id: observation.payment.id.clone(),
        };
        let (seen, api) = (observation.clone(), api.to_owned());
        self.write(move |sql| observe(sql, &of, &api, &seen)).await
    }

    /// All observations of a payment by an API, oldest first.
    pub async fn observations(
        &self,
        of: PaymentKey,
        api: String,
    ) -> Result<Vec<Observation>, LedgerError> {
        self.read(move |sql| {
            sql.all(
                &format!("{OBSERVATION} ORDER BY id"),
                &of.params_at(Some(&api)),
                observation,
            )
        })
        .await
    }

    /// All observations of the watched payments of a profile, oldest first.
    pub async fn watched_observations(
        &self,
        of: ProfileApis,
    ) -> Result<Vec<(AccountId, Observation)>, LedgerError> {
        self.read(move |sql| {
            let mut found = sql.all(
                "SELECT o.at, o.state, o.amount, o.currency, o.payment, o.account, o.api
                 FROM watches w JOIN observations o
                     ON o.profile = w.profile AND o.account = w.account AND o.payment = w.payment
                 WHERE w.profile = $1 ORDER BY o.id",
                params![&of.profile],
                |row| of.observation(row, 5),
            )?;
            found.retain(|(.., is_current)| *is_current);
            let found = found.into_iter().map(|(account, seen, _)| (account, seen));
            Ok(found.collect())
        })
        .await
    }

    /// The observations of a profile after number `after`, oldest first, and the number of the last; with `None`, only that
    /// number. At most `limit`.
    pub async fn observations_after(
        &self,
        of: ProfileApis,
        after: Option<i64>,
        limit: usize,
    ) -> Result<(i64, Vec<(AccountId, Observation)>), LedgerError> {
        self.read(move |sql| {
            let Some(after) = after else {
                let newest = "SELECT coalesce(max(id), 0) FROM observations";
                return Ok((sql.value(newest, &[])?, Vec::new()));
            };
            let mut last = after;
            let mut own = Vec::new();
            sql.all(
                "SELECT at, state, amount, currency, payment, account, api, id, profile FROM observations
                 WHERE id > $1 ORDER BY id LIMIT $2",
                params![after, limit],
                |row| {
                    last = row.get(7)?;
                    let (account, seen, is_current) = of.observation(row, 5)?;
                    if is_current && row.get::<String>(8)? == of.profile {
                        own.push((account, seen));
                    }
                    Ok(())
                },
            )?;
            Ok((last, own))
        })
        .await
    }

    /// The last observation of a payment by an API, or by any.
    pub async fn last_observation(
        &self,
        of: PaymentKey,
        api: Option<String>,
    ) -> Result<Option<Observation>, LedgerError> {
        self.read(move |sql| last_observation(sql, &of, api.as_deref()))
            .await
    }

    /// All watched payments of a profile, the oldest watch first.
    pub async fn watches(&self, profile: &str) -> Result<Vec<Watch>, LedgerError> {
        let profile = profile.to_owned();
        self.read(move |sql| {
            sql.all(
                "SELECT w.account, w.payment, w.since, e.amount, e.currency, e.set_by, e.at, e.operator,
                     w.operator, n.text, n.at, n.operator
                 FROM watches w LEFT JOIN expectations e ON e.id = (
                     SELECT max(id) FROM expectations
                     WHERE profile = w.profile AND account = w.account AND payment = w.payment)
                 LEFT JOIN notes n ON n.id = (
                     SELECT max(id) FROM notes
                     WHERE profile = w.profile AND account = w.account AND payment = w.payment)
                 WHERE w.profile = $1 ORDER BY w.since, w.account, w.payment",
                params![&profile],
                watch,
            )
        })
        .await
    }

    /// All payments of a profile that were checked and are not watched, the last change first.
    pub async fn unwatched(&self, of: ProfileApis) -> Result<Vec<Unwatched>, LedgerError> {
        self.read(move |sql| {
            let found = sql.all(
                "SELECT o.at, o.state, o.amount, o.currency, o.payment, o.account, o.api,
                        e.amount, e.currency, e.set_by, e.at, e.operator, n.text, n.at, n.operator
                 FROM (SELECT max(id) AS last FROM observations WHERE profile = $1 GROUP BY account, payment, api) AS seen
                 JOIN observations o ON o.id = seen.last
                 LEFT JOIN expectations e ON e.id = (
                     SELECT max(id) FROM expectations
                     WHERE profile = o.profile AND account = o.account AND payment = o.payment)
                 LEFT JOIN notes n ON n.id = (
                     SELECT max(id) FROM notes
                     WHERE profile = o.profile AND account = o.account AND payment = o.payment)
                 WHERE NOT EXISTS (SELECT 1 FROM watches w
                     WHERE w.profile = o.profile AND w.account = o.account AND w.payment = o.payment)
                 ORDER BY o.at DESC, o.id DESC",
                params![&of.profile],
                |row| unwatched(row, &of),
            )?;
            // One that only others have reported comes last, as not checked.
            let (current, others): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|it: &Unwatched| it.last.is_some());
            let mut listed = HashSet::new();
            let all = current.into_iter().chain(others);
            Ok(all
                .filter(|it| listed.insert((it.account.clone(), it.id.clone())))
                .collect())
        })
        .await
    }

    /// Adds a payment to the watch list; one that is on it already stays unchanged. Its expectation is not changed.
    pub async fn watch(&self, profile: &str, watch: &Watch) -> Result<(), LedgerError> {
        let (profile, watch) = (profile.to_owned(), watch.clone());
        self.write_durably(move |sql| {
            sql.execute(
                "INSERT INTO watches (profile, account, payment, since) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
                params![&profile, &watch.account, &watch.id, watch.since],
            )
        })
        .await
        .map(drop)
    }

    /// Removes a payment from the watch list; returns whether it was on it. Observations and expectations stay.
    pub async fn unwatch(&self, of: PaymentKey) -> Result<bool, LedgerError> {
        self.write_durably(move |sql| {
            sql.execute(
                "DELETE FROM watches WHERE profile = $1 AND account = $2 AND payment = $3",
                &of.params(),
            )
        })
        .await
        .map(|rows| rows > 0)
    }

    /// Sets the expected amount of a payment, unless one is in force that may not be replaced. Returns the previous
    /// one.
    ///
    /// # Errors
    /// If it cannot be stored. The inner error is the expectation that stays in force.
    pub async fn expect(
        &self,
        of: PaymentKey,
        new: Expectation,
        replaced: Replaced,
    ) -> Result<Result<Option<Expectation>, Expectation>, LedgerError> {
        self.write_durably(move |sql| {
            let change = sql.change(Area::Payments)?;
            let current = in_force(&*change, &of)?;
            match replaced.writes(current.as_ref(), &new.sum) {
                Err(stays) => return Ok(Err(stays)),
                Ok(false) => {}
                Ok(true) => {
                    change.execute(
                        "INSERT INTO expectations
                             (profile, account, payment, amount, currency, set_by, at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7)",
                        params![
                            &of.profile,
                            &of.account,
                            &of.id,
                            &new.sum.amount,
                            &new.sum.currency,
                            new.by.as_str(),
                            new.at
                        ],
                    )?;
                    change.commit()?;
                }
            }
            Ok(Ok(current))
        })
        .await
    }

    /// Every expectation of a payment, the oldest first; the last is in force.
    pub async fn expectations(&self, of: PaymentKey) -> Result<Vec<Expectation>, LedgerError> {
        self.read(move |sql| {
            sql.all(&format!("{EXPECTATION} ORDER BY id"), &of.params(), |row| {
                expectation(row, 0)
            })
        })
        .await
    }

    /// The expectation in force.
    pub async fn expectation(&self, of: PaymentKey) -> Result<Option<Expectation>, LedgerError> {
        self.read(move |sql| in_force(sql, &of)).await
    }

    /// Saves a note on a payment.
    pub async fn note(
        &self,
        of: PaymentKey,
        text: String,
        at: WallTime,
    ) -> Result<(), LedgerError> {
        self.write_durably(move |sql| {
            sql.execute(
                "INSERT INTO notes (profile, account, payment, text, at) VALUES ($1, $2, $3, $4, $5)",
                params![
                    &of.profile,
                    &of.account,
                    &of.id,
                    &text,
                    at
                ],
            )
        })
        .await
        .map(drop)
    }

    /// Every note on a payment, the oldest first.
    pub async fn notes(&self, of: PaymentKey) -> Result<Vec<Note>, LedgerError> {
        self.read(move |sql| {
            sql.all(
                "SELECT text, at, operator FROM notes WHERE profile = $1 AND account = $2 AND payment = $3
                 ORDER BY id",
                &of.params(),
                |row| note(row, 0),
            )
        })
        .await
    }

    /// The alerts of a profile that are marked as handled.
    pub async fn handled(&self, profile: &str) -> Result<Vec<Handled>, LedgerError> {
        let profile = profile.to_owned();
        self.read(move |sql| {
            sql.all(
                "SELECT alert, at, operator FROM handled WHERE profile = $1 ORDER BY at, alert",
                params![&profile],
                |row| {
                    Ok(Handled {
                        alert: row.get(0)?,
                        at: row.get(1)?,
                        operator: row.get(2)?,
                    })
                },
            )
        })
        .await
    }

    /// Marks an alert as handled, or unmarks it. The operator is this ledger's.
    pub async fn mark_handled(&self, profile: &str, mark: Mark) -> Result<(), LedgerError> {
        let profile = profile.to_owned();
        self.write_durably(move |sql| {
            let Mark {
                alert, at, handled, ..
            } = &mark;
            let change = sql.change(Area::Payments)?;
            change.execute(
                "INSERT INTO marks (profile, alert, at, handled) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (profile, alert, at) DO UPDATE
                     SET handled = excluded.handled, operator = excluded.operator",
                params![&profile, alert, *at, *handled],
            )?;
            if *handled {
                change.execute(
                    "INSERT INTO handled (profile, alert, at) VALUES ($1, $2, $3)
                     ON CONFLICT (profile, alert) DO UPDATE SET at = excluded.at, operator = excluded.operator",
                    params![&profile, alert, *at],
                )?;
            } else {
                change.execute(
                    "DELETE FROM handled WHERE profile = $1 AND alert = $2",
                    params![&profile, alert],
                )?;
            }
            change.commit()
        })
        .await
    }

    /// Each time that one of these alerts of a profile was marked or unmarked, the oldest first.
    pub async fn marks(
        &self,
        profile: &str,
        alerts: Vec<String>,
    ) -> Result<Vec<Mark>, LedgerError> {
        let profile = profile.to_owned();
        self.read(move |sql| {
            let mut params: Vec<Param<'_>> = alerts.iter().map(Param::from).collect();
            params.push(Param::from(&profile));
            sql.all(
                &format!(
                    "SELECT alert, at, handled, operator FROM marks WHERE alert IN ({}) AND profile = ${}
                     ORDER BY at, alert",
                    places(alerts.len()),
                    params.len()
                ),
                &params,
                |row| {
                    Ok(Mark {
                        alert: row.get(0)?,
                        at: row.get(1)?,
                        handled: row.get(2)?,
                        operator: row.get(3)?,
                    })
                },
            )
        })
        .await
    }
}

fn in_force(sql: &dyn Sql, of: &PaymentKey) -> SqlResult<Option<Expectation>> {
    sql.optional(
        &format!("{EXPECTATION} ORDER BY id DESC LIMIT 1"),
        &of.params(),
        |row| expectation(row, 0),
    )
}

fn last_observation(
    sql: &dyn Sql,
    of: &PaymentKey,
    api: Option<&str>,
) -> SqlResult<Option<Observation>> {
    sql.optional(
        &format!("{OBSERVATION} ORDER BY id DESC LIMIT 1"),
        &of.params_at(api),
        observation,
    )
}

fn observe(sql: &dyn Sql, of: &PaymentKey, api: &str, seen: &Observation) -> SqlResult<bool> {
    let payment = &seen.payment;
    let change = sql.change(Area::Payments)?;
    let last = last_observation(&*change, of, Some(api))?;
    if let Some(last) = &last {
        // Answers may be saved in another order than they arrived in. A clock that was set back is further behind.
        let is_older = seen.at < last.at && last.at.since(seen.at) < TOGETHER;
        let is_over = match last.payment.state {
            PaymentState::Finalized => true,
            // It may yet be paid.
            PaymentState::Canceled | PaymentState::Failed => !payment.state.is_final(),
            _ => false,
        };
        if last.payment == *payment || is_over && is_older {
            return Ok(false);
        }
    }
    let same = match last {
        Some(_) => None,
        None => last_observation(&*change, of, None)?.filter(|it| it.payment == *payment),
    };
    change.execute(
        "INSERT INTO observations (profile, account, payment, at, state, amount, currency, api)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            &of.profile,
            &of.account,
            &of.id,
            same.as_ref().map_or(seen.at, |same| same.at),
            payment.state.as_str(),
            payment.amount.as_str(),
            payment.currency.as_str(),
            api
        ],
    )?;
    change.commit()?;
    Ok(same.is_none())
}

fn observation(row: Row<'_>) -> SqlResult<Observation> {
    Ok(Observation {
        at: row.get(0)?,
        payment: Payment {
            id: payment_id(row, 4)?,
            currency: Reported::currency(&row.get::<String>(3)?),
            amount: Reported::amount(&row.get::<String>(2)?),
            state: PaymentState::from_word(&row.get::<String>(1)?),
        },
    })
}

fn unwatched(row: Row<'_>, of: &ProfileApis) -> SqlResult<Unwatched> {
    let (account, seen, is_current) = of.observation(row, 5)?;
    Ok(Unwatched {
        account,
        id: seen.payment.id.clone(),
        last: is_current.then_some(seen),
        expected: expectation_if_any(row, 7)?,
        note: note_if_any(row, 12)?,
    })
}

fn watch(row: Row<'_>) -> SqlResult<Watch> {
    Ok(Watch {
        account: row.parsed(0, |name: String| AccountId::new(name))?,
        id: payment_id(row, 1)?,
        since: row.get(2)?,
        expected: expectation_if_any(row, 3)?,
        operator: row.get(8)?,
        note: note_if_any(row, 9)?,
    })
}

/// As [`note`]; `None` where the payment has none.
fn note_if_any(row: Row<'_>, from: usize) -> SqlResult<Option<Note>> {
    let is_there = row.get::<Option<i64>>(from + 1)?.is_some();
    is_there.then(|| note(row, from)).transpose()
}

/// From three columns, the first of which is `from`.
fn note(row: Row<'_>, from: usize) -> SqlResult<Note> {
    Ok(Note {
        text: row.get(from)?,
        at: row.get(from + 1)?,
        operator: row.get(from + 2)?,
    })
}

/// As [`expectation`]; `None` where the payment has none.
fn expectation_if_any(row: Row<'_>, from: usize) -> SqlResult<Option<Expectation>> {
    let is_there = row.get::<Option<i64>>(from + 3)?.is_some();
    is_there.then(|| expectation(row, from)).transpose()
}

/// From five columns, the first of which is `from`.
fn expectation(row: Row<'_>, from: usize) -> SqlResult<Expectation> {
    let by = row.get::<String>(from + 2)?;
    Ok(Expectation {
        sum: Expected {
            amount: row.parsed(from, |text: String| Amount::received(&text))?,
            currency: row.parsed(from + 1, |text: String| Currency::new(text))?,
        },
        by: ExpectedBy::from_word(&by).unwrap_or(ExpectedBy::Command),
        at: row.get(from + 3)?,
        operator: row.get(from + 4)?,
    })
}

fn payment_id(row: Row<'_>, column: usize) -> SqlResult<PaymentId> {
    row.parsed(column, |text: String| PaymentId::new(text))
}
