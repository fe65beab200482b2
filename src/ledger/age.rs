//! From which instant age counts. A clock that was wrong for one run must not make all that is kept look old: that
//! cannot be undone.

use rusqlite::{Connection, OptionalExtension as _};

use crate::clock::Clock;
use crate::domain::WallTime;

const HOUR: i64 = 60 * 60 * 1000;

/// A clock that is further than this from the last time that is believed has jumped, and is believed once it has gone on
/// for as long. Meanwhile what is too much is dropped, and little or nothing for its age.
const JUMP: i64 = 24 * HOUR;

/// Nor is it believed before the machine has run for this long with it, by the clock that nobody sets: two short runs
/// with two wrong clocks are a day apart at once.
const RUN: i64 = HOUR;

/// The time that is believed is written down no more often.
const NOTED: i64 = HOUR;

/// The time that ages count from: that of `clock`, or the last one believed where it has jumped ahead. Takes note of it.
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
        // Each running of the machine bears it out by itself.
        Some(0..) => drop(note(believed, same_way)?),
        // It has just jumped, or by less than it seemed.
        _ => drop(note(believed, Some(now.0))?),
    }
    Ok(WallTime(believed.min(now.0)))
}
