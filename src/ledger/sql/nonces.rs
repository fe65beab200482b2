//! What the next nonce of a key may be. It follows the provider's time, as its responses show it, where this machine's
//! clock contradicts it.

use std::time::Duration;

use crate::clock::{Clock, SharedInstant};
use crate::domain::{Now, WallTime};

use super::value::{Row, params};
use super::{Area, Sql, SqlResult};
use crate::ledger::error::LedgerError;
use crate::ledger::nonces::{NONCE_LEAD_MAX, Nonce, NonceRules};

/// `Date` has whole seconds (RFC 9110 6.6.1): on average the provider's time is this much later, and never more than
/// twice that.
pub(in crate::ledger) const ROUNDED: Duration = Duration::from_millis(500);

/// A `Date` that contradicts the trusted time is trusted after this many responses in a row agree: a single one may
/// come from a cache, a proxy, or one machine of many.
const REPLIES_BELIEVED: i64 = 3;

/// The trusted time is saved again after this time, at least.
const CONFIRMED_EVERY: Duration = Duration::from_mins(1);

/// An older trusted time no longer blocks a request that this machine's clock allows: without requests, no response
/// could correct it.
pub(in crate::ledger) const STOPS_FOR: Duration = Duration::from_mins(10);

/// Whether two clocks agree, within the precision of `Date`.
pub(in crate::ledger) fn agree(one: i64, other: i64) -> bool {
    Duration::from_millis(one.abs_diff(other)) <= NONCE_LEAD_MAX + ROUNDED
}

/// This machine's clocks at one instant.
#[derive(Clone, Copy)]
pub(in crate::ledger) struct Clocks {
    pub(in crate::ledger) shared: SharedInstant,
    pub(in crate::ledger) wall: WallTime,
}

impl Clocks {
    pub(in crate::ledger) fn of(clock: &Clock, now: Now) -> Self {
        Self {
            shared: clock.shared(now),
            wall: now.wall,
        }
    }
}

/// Notes the `Date` of a provider's response, seen now.
pub(in crate::ledger) fn note(
    sql: &dyn Sql,
    key: &str,
    date: WallTime,
    now: Clocks,
) -> SqlResult<()> {
    let date = date.plus(ROUNDED).0;
    let believed = ProviderTime::of(sql, key, true)?;
    // A response that agrees with either clock needs no second witness.
    let at_once = believed
        .as_ref()
        .is_some_and(|known| agree(known.at(now), date))
        || agree(now.wall.0, date);
    if at_once && believed.is_some_and(|known| known.is_confirmed(date, now)) {
        return Ok(());
    }
    let claimed = ProviderTime::of(sql, key, false)?;
    let replies = claimed
        .filter(|claimed| agree(claimed.at(now), date))
        .map_or(1, |claimed| claimed.replies + 1);
    let change = sql.change(Area::Nonces)?;
    let believed = at_once || replies >= REPLIES_BELIEVED;
    if believed {
        change.execute("DELETE FROM provider_times WHERE key = $1", params![key])?;
    }
    change.execute(
        "INSERT INTO provider_times (key, believed, replies, date, boot, at, wall)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (key, believed) DO UPDATE SET replies = excluded.replies, date = excluded.date,
             boot = excluded.boot, at = excluded.at, wall = excluded.wall",
        params![
            key,
            believed,
            replies,
            date,
            now.shared.boot,
            now.shared.ms,
            now.wall.0,
        ],
    )?;
    change.commit()
}

/// A provider's clock, and this machine's clocks at the same instant.
pub(in crate::ledger) struct ProviderTime {
    replies: i64,
    date: i64,
    boot: String,
    at: i64,
    wall: i64,
}

impl ProviderTime {
    fn of(sql: &dyn Sql, key: &str, believed: bool) -> SqlResult<Option<Self>> {
        sql.optional(
            "SELECT replies, date, boot, at, wall FROM provider_times WHERE key = $1 AND believed = $2",
            params![key, believed],
            |row| Self::from_row(row, 0),
        )
    }

    /// From five columns, the first of which is `from`.
    pub(in crate::ledger) fn from_row(row: Row<'_>, from: usize) -> SqlResult<Self> {
        Ok(Self {
            replies: row.get(from)?,
            date: row.get(from + 1)?,
            boot: row.get(from + 2)?,
            at: row.get(from + 3)?,
            wall: row.get(from + 4)?,
        })
    }

    /// The provider's time now: within one boot by the monotonic clock, otherwise by the difference to this machine's
    /// clock.
    fn at(&self, now: Clocks) -> i64 {
        if self.boot == now.shared.boot {
            self.after(now.shared.ms.saturating_sub(self.at))
        } else {
            self.by_wall(now.wall)
        }
    }

    fn by_wall(&self, wall: WallTime) -> i64 {
        self.after(wall.0.saturating_sub(self.wall))
    }

    fn after(&self, passed: i64) -> i64 {
        // A clock that was set back must not take the provider's time back with it.
        self.date.saturating_add(passed.max(0))
    }

    /// How long ago it was saved; `None` if the machine was restarted since.
    fn age(&self, now: SharedInstant) -> Option<Duration> {
        let ms = now.ms.saturating_sub(self.at).max(0).unsigned_abs();
        (self.boot == now.boot).then(|| Duration::from_millis(ms))
    }

    /// Whether a response with `date` adds nothing new. Compares the wall clock too: after a restart there is no other.
    fn is_confirmed(&self, date: i64, now: Clocks) -> bool {
        let same = |at: i64| Duration::from_millis(at.abs_diff(date)) <= ROUNDED;
        same(self.at(now))
            && same(self.by_wall(now.wall))
            && self
                .age(now.shared)
                .is_some_and(|age| age <= CONFIRMED_EVERY)
    }
}

/// The lower and upper limits of the next nonce.
pub(in crate::ledger) struct Bounds {
    least: i64,
    /// The provider's time, if known.
    provider: Option<i64>,
    /// An old time, which no longer blocks a nonce that this machine's clock allows.
    unconfirmed: bool,
    wall: WallTime,
    allow_ahead: bool,
}

impl Bounds {
    pub(in crate::ledger) fn of(
        sql: &dyn Sql,
        key: &str,
        now: Clocks,
        rules: NonceRules,
    ) -> SqlResult<Self> {
        let believed = ProviderTime::of(sql, key, true)?;
        let claimed = ProviderTime::of(sql, key, false)?;
        Ok(Self::by(believed.as_ref(), claimed.as_ref(), now, rules))
    }

    /// As [`Bounds::of`], with the rows that it reads.
    pub(in crate::ledger) fn by(
        believed: Option<&ProviderTime>,
        claimed: Option<&ProviderTime>,
        now: Clocks,
        rules: NonceRules,
    ) -> Self {
        let wall = now.wall;
        let at = |known: &ProviderTime| known.at(now);
        let (believed_at, claimed_at) = (believed.map(at), claimed.map(at));
        let age = believed.and_then(|known| known.age(now.shared));
        Self {
            least: believed_at
                .filter(|at| !agree(*at, wall.0))
                // This machine's clock has milliseconds, `Date` only seconds: it is used unless the two contradict
                // each other.
                .unwrap_or(wall.0),
            // One response alone does not block what this machine's clock allows.
            provider: believed_at.or(claimed_at.map(|at| at.max(wall.0))),
            unconfirmed: age.is_none_or(|age| age > STOPS_FOR),
            wall,
            allow_ahead: rules.allow_ahead,
        }
    }

    /// One more than the last, or the time.
    pub(in crate::ledger) fn after(&self, last: Option<i64>) -> Result<Nonce, LedgerError> {
        let value = match last.map(|last| last.checked_add(1)) {
            None => self.least,
            Some(Some(next)) => next.max(self.least),
            Some(None) => return Err(LedgerError::NoncesExhausted),
        };
        let ahead_of = |at: i64| WallTime(value).since(WallTime(at).plus(ROUNDED));
        let ahead = self
            .provider
            .map(ahead_of)
            .filter(|by| *by > NONCE_LEAD_MAX);
        // An old belief stops no request: only a response could correct it.
        let tried = self.unconfirmed && ahead_of(self.wall.0) <= NONCE_LEAD_MAX;
        match ahead {
            Some(by) if !self.allow_ahead && !tried => Err(LedgerError::NonceAhead(by)),
            ahead => Ok(Nonce { value, ahead }),
        }
    }
}
