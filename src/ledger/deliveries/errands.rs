//! What is to be done about deliveries: taken by one process at a time, tried, and done or given up.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use crate::domain::{Delivery, DeliveryId, Duty, ErrandId, Standing, WallTime};

use super::super::{Ledger, LedgerError};
use super::keep::require_file;
use super::{Identity, NewErrand, Tried, rows};

/// In nobody's hand.
const FREE: i64 = i64::MIN;

impl Ledger {
    /// Adds an errand to a delivery of whatever verdict: it is handed on once more by hand.
    ///
    /// # Errors
    /// If it cannot be kept, or there is no such delivery.
    pub async fn add_errand(
        &self,
        delivery: DeliveryId,
        new: NewErrand,
    ) -> Result<Delivery, LedgerError> {
        self.ask(move |store| {
            require_file(store)?;
            let added = store.write_durably(|conn| add(conn, delivery, &new))?;
            require_file(store)?;
            added.ok_or(LedgerError::Gone)
        })
        .await
    }

    /// Takes errands of a realm of these duties that are due at `now`, the longest due first: until `till` no other process takes them.
    /// Each comes with its delivery.
    ///
    /// # Errors
    /// If it cannot be written that they are taken.
    pub async fn take_errands(
        &self,
        realm: &str,
        duties: &'static [Duty],
        now: WallTime,
        till: WallTime,
        limit: usize,
    ) -> Result<Vec<(Delivery, ErrandId)>, LedgerError> {
        let realm = realm.to_owned();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.ask(move |store| store.write(|conn| take(conn, &realm, duties, now, till, limit)))
            .await
    }

    /// When the next errand of a realm is due or no longer taken; `None` where there is none.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn next_errand(&self, realm: &str) -> Result<Option<WallTime>, LedgerError> {
        let realm = realm.to_owned();
        self.ask(move |store| {
            store.read(|conn| {
                conn.prepare_cached(
                    "SELECT max(due_at, taken_until) FROM errands
                     WHERE realm = ?1 AND due_at IS NOT NULL ORDER BY max(due_at, taken_until) LIMIT 1",
                )?
                .query_row([&realm], |row| row.get(0).map(WallTime))
                .optional()
            })
        })
        .await
    }

    /// Keeps what came of trying an errand, and returns its delivery as it stands now.
    ///
    /// # Errors
    /// If it cannot be kept: it will be tried again.
    pub async fn tried_errand(&self, id: ErrandId, tried: Tried) -> Result<Delivery, LedgerError> {
        self.ask(move |store| {
            let kept = store.write_durably(|conn| keep_tried(conn, id, &tried))?;
            kept.ok_or(LedgerError::Gone)
        })
        .await
    }

    /// Gives up what was due before `before` in realms whose names begin so: nobody is left who would take it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn forsake_errands(
        &self,
        realms: &'static str,
        before: WallTime,
    ) -> Result<(), LedgerError> {
        self.ask(move |store| store.write(|conn| forsake(conn, realms, before)))
            .await
    }

    /// What the shop's own server said to the first delivery of an identity, sealed, where it is known.
    ///
    /// # Errors
    /// If the ledger has stopped or cannot be read.
    pub async fn first_reply(&self, identity: Identity) -> Result<Option<Vec<u8>>, LedgerError> {
        self.ask(move |store| {
            store.read(|conn| {
                conn.prepare_cached(
                    "SELECT reply FROM errands
                     WHERE identity = (SELECT id FROM identities WHERE hash = ?1) AND reply IS NOT NULL
                     ORDER BY id LIMIT 1",
                )?
                .query_row([identity.hash()], |row| row.get(0))
                .optional()
            })
        })
        .await
    }
}

fn add(
    conn: &Connection,
    delivery: DeliveryId,
    new: &NewErrand,
) -> rusqlite::Result<Option<Delivery>> {
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let known: Option<String> = change
        .prepare_cached("SELECT realm FROM deliveries WHERE id = ?1")?
        .query_row([delivery.0], |row| row.get(0))
        .optional()?;
    let Some(realm) = known else { return Ok(None) };
    // Without an identity: what is done by hand makes no later delivery a repeat.
    rows::insert_errand(&change, delivery, &realm, None, new)?;
    rows::classify(&change, delivery)?;
    let now = rows::one(&change, delivery)?;
    change.commit()?;
    Ok(now)
}

fn take(
    conn: &Connection,
    realm: &str,
    duties: &[Duty],
    now: WallTime,
    till: WallTime,
    limit: i64,
) -> rusqlite::Result<Vec<(Delivery, ErrandId)>> {
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let words = duties.iter().map(|duty| format!(" {} ", duty.as_str()));
    let words: String = words.collect();
    let due: Vec<(i64, i64)> = change
        .prepare_cached(
            "SELECT id, delivery FROM errands
             WHERE realm = ?1 AND due_at IS NOT NULL AND max(due_at, taken_until) <= ?2
                 AND instr(?4, ' ' || duty || ' ') > 0
             ORDER BY max(due_at, taken_until), id LIMIT ?3",
        )?
        .query_map((realm, now.0, limit, &words), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut taken = Vec::with_capacity(due.len());
    for (errand, delivery) in due {
        change
            .prepare_cached("UPDATE errands SET taken_until = ?2 WHERE id = ?1")?
            .execute((errand, till.0))?;
        if let Some(delivery) = rows::one(&change, DeliveryId(delivery))? {
            taken.push((delivery, ErrandId(errand)));
        }
    }
    change.commit()?;
    Ok(taken)
}

fn forsake(conn: &Connection, realms: &str, before: WallTime) -> rusqlite::Result<()> {
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let forsaken: Vec<i64> = change
        .prepare_cached(
            "UPDATE errands SET due_at = NULL
             WHERE due_at IS NOT NULL AND max(due_at, taken_until) < ?2 AND substr(realm, 1, length(?1)) = ?1
             RETURNING delivery",
        )?
        .query_map((realms, before.0), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for delivery in forsaken {
        rows::classify(&change, DeliveryId(delivery))?;
    }
    change.commit()
}

fn keep_tried(
    conn: &Connection,
    id: ErrandId,
    tried: &Tried,
) -> rusqlite::Result<Option<Delivery>> {
    let change = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let known: Option<(i64, Option<i64>, i64)> = change
        .prepare_cached(
            "SELECT delivery, identity, coalesce(length(reply), 0) FROM errands WHERE id = ?1",
        )?
        .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((delivery, identity, had)) = known else {
        return Ok(None);
    };
    let due_at = match tried.standing {
        Standing::Due { at } => Some(at.0),
        Standing::Done | Standing::GivenUp => None,
    };
    let nanos = |took: Duration| i64::try_from(took.as_nanos()).unwrap_or(i64::MAX);
    change
        .prepare_cached(
            "UPDATE errands SET tries = tries + 1, due_at = ?2, taken_until = ?3, done = ?4, tried_at = ?5, told = ?6,
                 status = ?7, took = ?8, reply = coalesce(?9, reply)
             WHERE id = ?1",
        )?
        .execute((
            id.0,
            due_at,
            FREE,
            tried.standing == Standing::Done,
            tried.at.0,
            &tried.told,
            tried.status,
            tried.took.map(nanos),
            &tried.reply,
        ))?;
    if let Some(reply) = &tried.reply {
        let more = i64::try_from(reply.len()).unwrap_or(i64::MAX) - had;
        change
            .prepare_cached("UPDATE deliveries SET size = size + ?2 WHERE id = ?1")?
            .execute((delivery, more))?;
    }
    if tried.settles {
        change
            .prepare_cached("UPDATE identities SET settled = 1 WHERE id = ?1")?
            .execute([identity])?;
    }
    rows::classify(&change, DeliveryId(delivery))?;
    let now = rows::one(&change, DeliveryId(delivery))?;
    change.commit()?;
    Ok(now)
}
