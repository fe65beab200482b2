//! The instant that ages count from. A clock that was wrong for one run must not make everything look old, since
//! deletion cannot be undone.

use rusqlite::{Connection, OptionalExtension as _};

use crate::clock::Clock;
use crate::domain::WallTime;

const HOUR: i64 = 60 * 60 * 1000;

/// A clock further than this from the last trusted time has jumped. It is trusted once it has gone on for as long;
/// until then rows are dropped for their number and hardly for their age.
const JUMP: i64 = 24 * HOUR;

/// Nor is it trusted before the machine has run this long with it, by the monotonic clock: two short runs with two
/// wrong clocks can be a day apart at once.
const RUN: i64 = HOUR;

/// The trusted time is saved at most this often.
const NOTED: i64 = HOUR;

/// The time that ages count from: `clock`, or the last trusted one after a jump ahead. Saves it.
pub(super) fn reference(conn: &Connection, clock: &Clock) -> rusqlite::Result<WallTime> {
    let now = clock.now();
    let (shared, now) = (clock.shared(now), now.wall);
    let known: Option<(i64, Option<i64>, String, i64)> = conn
        .prepare_cached("SELECT believed, jumped_at, boot, since FROM clock")?
        .query_row((), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let note = |believed: i64, jumped_at: Option<i64>| {
        conn.prepare_cached("INSERT OR REPLACE INTO clock VALUES (1, ?1, ?2, ?3, ?4)")?
            .execute((believed, jumped_at, shared.boot, shared.ms))
    };
    let Some((believed, jumped_at, boot, since)) = known else {
        note(now.0, None)?;
        return Ok(now);
    };
    let ahead = now.0.saturating_sub(believed);
    if (-JUMP..=JUMP).contains(&ahead) {
        // Noted only when it matters, or each callback would rewrite this row.
        if jumped_at.is_some() || !(0..NOTED).contains(&ahead) {
            note(now.0, None)?;
        }
        return Ok(now);
    }
    let same_way = jumped_at.filter(|at| (*at < believed) == (ahead < 0));
    let same_boot = boot == shared.boot;
    match same_way.map(|at| now.0.saturating_sub(at)) {
        Some(lasted) if lasted > JUMP && same_boot && shared.ms - since >= RUN => {
            note(now.0, None)?;
            return Ok(now);
        }
        Some(0..) if same_boot => {}
        // Each boot of the machine must confirm the jumped clock by itself.
        Some(0..) => drop(note(believed, same_way)?),
        // It has just jumped, or by less than it seemed.
        _ => drop(note(believed, Some(now.0))?),
    }
    // The earlier one: it deletes less.
    Ok(WallTime(believed.min(now.0)))
}
