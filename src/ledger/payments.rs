//! Payments over time: what was seen of each, and which are watched.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior};

use crate::domain::{
    AccountId, Amount, Currency, Expected, Observation, Payment, PaymentId, PaymentState, WallTime,
    Watch,
};

use super::exchanges::{account, malformed};
use super::{Ledger, LedgerError};

impl Ledger {
    /// Keeps an observation if state, amount or currency differ from the last; tells whether they did.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn observe(
        &self,
        account: &AccountId,
        profile: &str,
        observation: &Observation,
    ) -> Result<bool, LedgerError> {
        let (account, profile) = (account.clone(), profile.to_owned());
        let seen = observation.clone();
        self.ask(move |store| store.write(|conn| observe(conn, &profile, &account, &seen)))
            .await
    }

    /// All that was seen of a payment, the oldest first.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn observations(
        &self,
        profile: &str,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<Vec<Observation>, LedgerError> {
        let (account, profile, id) = (account.clone(), profile.to_owned(), id.clone());
        self.ask(move |store| {
            store.read(|conn| {
                conn.prepare_cached(
                    "SELECT at, state, amount, currency, payment FROM observations
                     WHERE profile = ?1 AND account = ?2 AND payment = ?3 ORDER BY id",
                )?
                .query_map((&profile, account.as_str(), id.as_str()), observation)?
                .collect()
            })
        })
        .await
    }

    /// All watched payments of a profile, the oldest watch first.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn watches(&self, profile: &str) -> Result<Vec<Watch>, LedgerError> {
        let profile = profile.to_owned();
        self.ask(move |store| {
            store.read(|conn| {
                conn.prepare_cached(
                    "SELECT account, payment, amount, currency, since FROM watches
                     WHERE profile = ?1 ORDER BY since, account, payment",
                )?
                .query_map([&profile], watch)?
                .collect()
            })
        })
        .await
    }

    /// Watches a payment. One that is watched already keeps its beginning and takes the new expectation.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn watch(&self, profile: &str, watch: &Watch) -> Result<(), LedgerError> {
        let (profile, watch) = (profile.to_owned(), watch.clone());
        self.ask(move |store| {
            let expected = watch.expected.as_ref();
            store.write(|conn| {
                conn.prepare_cached(
                    "INSERT INTO watches (profile, account, payment, amount, currency, since)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT DO UPDATE SET amount = excluded.amount, currency = excluded.currency",
                )?
                .execute((
                    &profile,
                    watch.account.as_str(),
                    watch.id.as_str(),
                    expected.map(|expected| expected.amount.as_str()),
                    expected.map(|expected| expected.currency.as_str()),
                    watch.since.0,
                ))
            })
        })
        .await
        .map(drop)
    }

    /// No longer watches a payment. What was seen of it stays.
    ///
    /// # Errors
    /// If that cannot be kept.
    pub async fn unwatch(
        &self,
        profile: &str,
        account: &AccountId,
        id: &PaymentId,
    ) -> Result<(), LedgerError> {
        let (account, profile, id) = (account.clone(), profile.to_owned(), id.clone());
        self.ask(move |store| {
            store.write(|conn| {
                conn.prepare_cached(
                    "DELETE FROM watches WHERE profile = ?1 AND account = ?2 AND payment = ?3",
                )?
                .execute((&profile, account.as_str(), id.as_str()))
            })
        })
        .await
        .map(drop)
    }
}

fn observe(
    conn: &Connection,
    profile: &str,
    account: &AccountId,
    seen: &Observation,
) -> rusqlite::Result<bool> {
    let payment = &seen.payment;
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let last = change
        .prepare_cached(
            "SELECT at, state, amount, currency, payment FROM observations
             WHERE profile = ?1 AND account = ?2 AND payment = ?3 ORDER BY id DESC LIMIT 1",
        )?
        .query_row(
            (profile, account.as_str(), payment.id.as_str()),
            observation,
        )
        .optional()?;
    if last.is_some_and(|last| last.payment == *payment) {
        return Ok(false);
    }
    change
        .prepare_cached(
            "INSERT INTO observations (profile, account, payment, at, state, amount, currency)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((
            profile,
            account.as_str(),
            payment.id.as_str(),
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
            currency: currency(row, 3)?,
            amount: amount(row, 2)?,
            state: PaymentState::from_word(&row.get::<_, String>(1)?),
        },
    })
}

fn watch(row: &Row<'_>) -> rusqlite::Result<Watch> {
    let expects = row.get::<_, Option<String>>(2)?.is_some();
    let expected = || -> rusqlite::Result<Expected> {
        Ok(Expected {
            amount: amount(row, 2)?,
            currency: currency(row, 3)?,
        })
    };
    Ok(Watch {
        account: account(row, 0)?,
        id: payment_id(row, 1)?,
        expected: expects.then(expected).transpose()?,
        since: WallTime(row.get(4)?),
    })
}

fn payment_id(row: &Row<'_>, column: usize) -> rusqlite::Result<PaymentId> {
    PaymentId::new(row.get::<_, String>(column)?).map_err(|error| malformed(column, error))
}

fn amount(row: &Row<'_>, column: usize) -> rusqlite::Result<Amount> {
    Amount::received(&row.get::<_, String>(column)?).map_err(|error| malformed(column, error))
}

fn currency(row: &Row<'_>, column: usize) -> rusqlite::Result<Currency> {
    Currency::new(row.get::<_, String>(column)?).map_err(|error| malformed(column, error))
}
