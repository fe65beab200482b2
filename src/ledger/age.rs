//! From which instant age counts. A clock that was wrong for one run must not make all that is kept look old: that
//! cannot be undone.

use rusqlite::{Connection, OptionalExtension as _};

use crate::domain::WallTime;

const HOUR: i64 = 60 * 60 * 1000;

/// A clock that is further than this from the last time that is believed has jumped, and is believed once it has gone on
/// for as long. Meanwhile what is too much is dropped, and little or nothing for its age.
const JUMP: i64 = 24 * HOUR;

/// The time that is believed is written down no more often.
const NOTED: i64 = HOUR;

/// The time that ages count from: `now`, or the last one believed where the clock has jumped ahead. Takes note of `now`.
pub(super) fn reference(conn: &Connection, now: WallTime) -> rusqlite::Result<WallTime> {
    let known: Option<(i64, Option<i64>)> = conn
        .prepare_cached("SELECT believed, jumped_at FROM clock")?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let note = |believed: i64, jumped_at: Option<i64>| {
        conn.prepare_cached("INSERT OR REPLACE INTO clock VALUES (1, ?1, ?2)")?
            .execute((believed, jumped_at))
    };
    let Some((believed, jumped_at)) = known else {
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
    match same_way.map(|since| now.0.saturating_sub(since)) {
        Some(lasted) if lasted > JUMP => {
            note(now.0, None)?;
            return Ok(now);
        }
        Some(0..) => {}
        // It has just jumped, or by less than it seemed.
        _ => drop(note(believed, Some(now.0))?),
    }
    Ok(WallTime(believed.min(now.0)))
}
