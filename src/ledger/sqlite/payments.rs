//! Payments over time: observations, expectations, the watch list, handled marks.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior};

use crate::domain::{
    AccountId, Amount, Currency, Expectation, Expected, ExpectedBy, Observation, Payment,
    PaymentId, PaymentState, Replaced, Reported, WallTime, Watch,
};

use super::Sqlite;
use super::exchanges::{account, malformed};
use crate::ledger::error::LedgerError;
use crate::ledger::payments::{PaymentKey, Payments};

/// An expectation in the columns `amount, currency, set_by, at`.
const EXPECTATION: &str = "SELECT amount, currency, set_by, at FROM expectations
     WHERE profile = ?1 AND account = ?2 AND payment = ?3";

/// An observation in the columns that [`observation`] reads.
const OBSERVATION: &str = "SELECT at, state, amount, currency, payment FROM observations
     WHERE profile = ?1 AND account = ?2 AND payment = ?3";

impl PaymentKey {
    fn params(&self) -> (&str, &str, &str) {
        (&self.profile, self.account.as_str(), self.id.as_str())
    }
}

#[async_trait]
impl Payments for Sqlite {
    async fn observe(
        &self,
        account: &AccountId,
        profile: &str,
        observation: &Observation,
    ) -> Result<bool, LedgerError> {
        let of = PaymentKey {
            profile: profile.to_owned(),
            account: account.clone(),
            id: observation.payment.id.clone(),
        };
        let seen = observation.clone();
        self.run(move |store| store.write(|conn| observe(conn, &of, &seen)))
            .await
    }

    async fn observations(&self, of: PaymentKey) -> Result<Vec<Observation>, LedgerError> {
        self.run(move |store| {
            store.read(|conn| {
                conn.prepare_cached(&format!("{OBSERVATION} ORDER BY id"))?
                    .query_map(of.params(), observation)?
                    .collect()
            })
        })
        .await
    }

    async fn last_observation(&self, of: PaymentKey) -> Result<Option<Observation>, LedgerError> {
        self.run(move |store| store.read(|conn| last_observation(conn, &of)))
            .await
    }

    async fn watches(&self, profile: &str) -> Result<Vec<Watch>, LedgerError> {
        let profile = profile.to_owned();
        self.run(move |store| {
            store.read(|conn| {
                conn.prepare_cached(
                    "SELECT w.account, w.payment, w.since, e.amount, e.currency, e.set_by, e.at
                     FROM watches w LEFT JOIN expectations e ON e.id = (
                         SELECT max(id) FROM expectations
                         WHERE profile = w.profile AND account = w.account AND payment = w.payment)
                     WHERE w.profile = ?1 ORDER BY w.since, w.account, w.payment",
                )?
                .query_map([&profile], watch)?
                .collect()
            })
        })
        .await
    }

    async fn watch(&self, profile: &str, watch: &Watch) -> Result<(), LedgerError> {
        let (profile, watch) = (profile.to_owned(), watch.clone());
        self.run(move |store| {
            store.write(|conn| {
                conn.prepare_cached(
                    "INSERT INTO watches (profile, account, payment, since) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO NOTHING",
                )?
                .execute((
                    &profile,
                    watch.account.as_str(),
                    watch.id.as_str(),
                    watch.since.0,
                ))
            })
        })
        .await
        .map(drop)
    }

    async fn unwatch(&self, of: PaymentKey) -> Result<bool, LedgerError> {
        self.run(move |store| {
            store.write(|conn| {
                conn.prepare_cached(
                    "DELETE FROM watches WHERE profile = ?1 AND account = ?2 AND payment = ?3",
                )?
                .execute(of.params())
            })
        })
        .await
        .map(|rows| rows > 0)
    }

    async fn expect(
        &self,
        of: PaymentKey,
        new: Expectation,
        replaced: Replaced,
    ) -> Result<Result<Option<Expectation>, Expectation>, LedgerError> {
        self.run(move |store| {
            store.write(|conn| {
                let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
                let current = in_force(&change, &of)?;
                match replaced.writes(current.as_ref(), &new.sum) {
                    Err(stays) => return Ok(Err(stays)),
                    Ok(false) => {}
                    Ok(true) => {
                        change
                            .prepare_cached(
                                "INSERT INTO expectations
                                     (profile, account, payment, amount, currency, set_by, at)
                                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                            )?
                            .execute((
                                &of.profile,
                                of.account.as_str(),
                                of.id.as_str(),
                                new.sum.amount.as_str(),
                                new.sum.currency.as_str(),
                                new.by.as_str(),
                                new.at.0,
                            ))?;
                        change.commit()?;
                    }
                }
                Ok(Ok(current))
            })
        })
        .await
    }

    async fn expectations(&self, of: PaymentKey) -> Result<Vec<Expectation>, LedgerError> {
        self.run(move |store| {
            store.read(|conn| {
                conn.prepare_cached(&format!("{EXPECTATION} ORDER BY id"))?
                    .query_map(of.params(), |row| expectation(row, 0))?
                    .collect()
            })
        })
        .await
    }

    async fn expectation(&self, of: PaymentKey) -> Result<Option<Expectation>, LedgerError> {
        self.run(move |store| store.read(|conn| in_force(conn, &of)))
            .await
    }

    async fn handled(&self, profile: &str) -> Result<Vec<(String, WallTime)>, LedgerError> {
        let profile = profile.to_owned();
        self.run(move |store| {
            store.read(|conn| {
                conn.prepare_cached("SELECT matter, at FROM handled WHERE profile = ?1")?
                    .query_map([&profile], |row| Ok((row.get(0)?, WallTime(row.get(1)?))))?
                    .collect()
            })
        })
        .await
    }

    async fn mark_handled(
        &self,
        profile: &str,
        alert: &str,
        at: Option<WallTime>,
    ) -> Result<(), LedgerError> {
        let (profile, alert) = (profile.to_owned(), alert.to_owned());
        self.run(move |store| {
            store.write(|conn| match at {
                Some(at) => conn.execute(
                    "INSERT INTO handled (profile, matter, at) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET at = excluded.at",
                    (&profile, &alert, at.0),
                ),
                None => conn.execute(
                    "DELETE FROM handled WHERE profile = ?1 AND matter = ?2",
                    (&profile, &alert),
                ),
            })
        })
        .await
        .map(drop)
    }
}

fn in_force(conn: &Connection, of: &PaymentKey) -> rusqlite::Result<Option<Expectation>> {
    conn.prepare_cached(&format!("{EXPECTATION} ORDER BY id DESC LIMIT 1"))?
        .query_row(of.params(), |row| expectation(row, 0))
        .optional()
}

fn last_observation(conn: &Connection, of: &PaymentKey) -> rusqlite::Result<Option<Observation>> {
    conn.prepare_cached(&format!("{OBSERVATION} ORDER BY id DESC LIMIT 1"))?
        .query_row(of.params(), observation)
        .optional()
}

fn observe(conn: &Connection, of: &PaymentKey, seen: &Observation) -> rusqlite::Result<bool> {
    let payment = &seen.payment;
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let last = last_observation(&change, of)?;
    if last.is_some_and(|last| last.payment == *payment) {
        return Ok(false);
    }
    change
        .prepare_cached(
            "INSERT INTO observations (profile, account, payment, at, state, amount, currency)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            &of.profile,
            of.account.as_str(),
            of.id.as_str(),
            seen.at.0,
            payment.state.as_str(),
            payment.amount.as_str(),
            payment.currency.as_str(),
        ))?;
    change.commit()?;
    Ok(true)
}

fn observation(row: &Row<'_>) -> rusqlite::Result<Observation> {
    Ok(Observation {
        at: WallTime(row.get(0)?),
        payment: Payment {
            id: payment_id(row, 4)?,
            currency: Reported::currency(&row.get::<_, String>(3)?),
            amount: Reported::amount(&row.get::<_, String>(2)?),
            state: PaymentState::from_word(&row.get::<_, String>(1)?),
        },
    })
}

fn watch(row: &Row<'_>) -> rusqlite::Result<Watch> {
    let expects = row.get::<_, Option<i64>>(6)?.is_some();
    Ok(Watch {
        account: account(row, 0)?,
        id: payment_id(row, 1)?,
        since: WallTime(row.get(2)?),
        expected: expects.then(|| expectation(row, 3)).transpose()?,
    })
}

/// From four columns, the first of which is `from`.
fn expectation(row: &Row<'_>, from: usize) -> rusqlite::Result<Expectation> {
    let by = row.get::<_, String>(from + 2)?;
    let amount = Amount::received(&row.get::<_, String>(from)?);
    let currency = Currency::new(row.get::<_, String>(from + 1)?);
    Ok(Expectation {
        sum: Expected {
            amount: amount.map_err(|error| malformed(from, error))?,
            currency: currency.map_err(|error| malformed(from + 1, error))?,
        },
        by: ExpectedBy::from_word(&by).unwrap_or(ExpectedBy::Command),
        at: WallTime(row.get(from + 3)?),
    })
}

fn payment_id(row: &Row<'_>, column: usize) -> rusqlite::Result<PaymentId> {
    PaymentId::new(row.get::<_, String>(column)?).map_err(|error| malformed(column, error))
}
