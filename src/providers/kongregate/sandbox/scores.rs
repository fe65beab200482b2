//! Statistics of four kinds and the lists of the best made from them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fixtures::OTHER_USERS;
use super::{Call, CallResult, Failure, users};
use crate::domain::WallTime;
use crate::sandbox::simulator::seeded_hash;

const PER_PAGE: usize = 25;

/// The largest accepted value.
const VALUE_MAX: u64 = i64::MAX as u64;

/// How a new value is combined with the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Max,
    Min,
    Replace,
    Add,
}

impl Kind {
    fn join(self, old: Option<u64>, new: u64) -> u64 {
        match (self, old) {
            (Self::Replace, _) | (_, None) => new,
            (Self::Max, Some(old)) => old.max(new),
            (Self::Min, Some(old)) => old.min(new),
            (Self::Add, Some(old)) => old.saturating_add(new).min(VALUE_MAX),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Statistic {
    id: u64,
    name: &'static str,
    kind: Kind,
}

const fn statistic(id: u64, name: &'static str, kind: Kind) -> Statistic {
    Statistic { id, name, kind }
}

const STATISTICS: [Statistic; 4] = [
    statistic(7001, "HighScore", Kind::Max),
    statistic(7002, "FastestLap", Kind::Min),
    statistic(7003, "Rank", Kind::Replace),
    statistic(7004, "Lanterns", Kind::Add),
];

const DAY: i64 = 24 * 60 * 60 * 1000;

/// The number of a time's day and week; weeks begin on Mondays.
fn day_and_week(at: WallTime) -> (i64, i64) {
    let day = at.0.div_euclid(DAY);
    // 1970 began on a Thursday.
    (day, (day + 3).div_euclid(7))
}

/// One player's values of one statistic.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Score {
    statistic: u64,
    user: u64,
    lifetime: u64,
    /// Day number and value.
    daily: (i64, u64),
    /// Week number and value.
    weekly: (i64, u64),
}

/// A value that a game submits for a player.
struct Submitted {
    statistic: Statistic,
    user: u64,
    value: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Scores(Vec<Score>);

impl Scores {
    /// The scores at the simulation's start: over two pages, fewer of this week, few of today.
    pub fn seeded(seed: u64, at: WallTime) -> Self {
        let (day, week) = day_and_week(at);
        let others = OTHER_USERS.take(62).map(|user| {
            let lifetime = 1_000 + seeded_hash(seed, "score", user) % 90_000;
            let daily = if user % 6 == 0 { day } else { day - 1 };
            let weekly = if user % 2 == 0 { week } else { week - 1 };
            Score {
                statistic: 7001,
                user,
                lifetime,
                daily: (daily, lifetime / 3),
                weekly: (weekly, lifetime / 2),
            }
        });
        Self(others.collect())
    }

    fn put(&mut self, new: &Submitted, at: WallTime) {
        let &Submitted {
            statistic,
            user,
            value,
        } = new;
        let (day, week) = day_and_week(at);
        let mut all = self.0.iter_mut();
        let known = all.find(|score| score.statistic == statistic.id && score.user == user);
        let Some(known) = known else {
            self.0.push(Score {
                statistic: statistic.id,
                user,
                lifetime: value,
                daily: (day, value),
                weekly: (week, value),
            });
            return;
        };
        let kind = statistic.kind;
        known.lifetime = kind.join(Some(known.lifetime), value);
        for (part, now) in [(&mut known.daily, day), (&mut known.weekly, week)] {
            // Yesterday's value does not count for today's list.
            let old = (part.0 == now).then_some(part.1);
            *part = (now, kind.join(old, value));
        }
    }
}

pub fn best(call: &mut Call<'_>) -> CallResult {
    let (params, scope) = (call.unlisted()?, call.param("scope"));
    let statistic = of_path(call)?;
    let (day, week) = day_and_week(call.now);
    let page = match scope {
        "daily" => "today_page",
        "weekly" => "weekly_page",
        "lifetime" => "lifetime_page",
        _ => return Err(Failure::not_found("Scope")),
    };
    let value = |score: &Score| match scope {
        "daily" => (score.daily.0 == day).then_some(score.daily.1),
        "weekly" => (score.weekly.0 == week).then_some(score.weekly.1),
        _ => Some(score.lifetime),
    };
    let page = params.page(page);
    let list = Best {
        statistic,
        scope,
        page,
    };
    Ok(list.of(call, value))
}

pub fn friends(call: &mut Call<'_>) -> CallResult {
    call.unlisted()?;
    let statistic = of_path(call)?;
    let user = call.param("user").strip_suffix(".json");
    let user = call.user(user.and_then(|id| id.parse().ok()))?;
    let friends = users::friends(user, &call.state.game_data);
    let value = |score: &Score| {
        (score.user == user || friends.contains(&score.user)).then_some(score.lifetime)
    };
    let list = Best {
        statistic,
        scope: "friends",
        page: 1,
    };
    Ok(list.of(call, value))
}

fn of_path(call: &Call<'_>) -> CallResult<Statistic> {
    let text = call.param("statistic");
    let id = text.strip_suffix(".json").unwrap_or(text);
    let mut all = STATISTICS.into_iter();
    let found = all.find(|known| known.id.to_string() == id);
    found.ok_or_else(|| Failure::not_found("Statistic"))
}

/// One page of a list of the best.
struct Best<'a> {
    statistic: Statistic,
    scope: &'a str,
    page: usize,
}

impl Best<'_> {
    /// The users that have a value, the best first.
    fn of(&self, call: &Call<'_>, value: impl Fn(&Score) -> Option<u64>) -> Value {
        let game_data = &call.state.game_data;
        let all = call.state.scores.0.iter();
        let all = all.filter(|score| score.statistic == self.statistic.id);
        let mut all: Vec<_> = all
            .filter_map(|score| Some((value(score)?, score.user)))
            .collect();
        all.sort_by_key(|(value, user)| {
            let rank = if self.statistic.kind == Kind::Min {
                *value
            } else {
                VALUE_MAX.saturating_sub(*value)
            };
            // Equal values by user, so that pages do not change between two calls.
            (rank, *user)
        });
        let from = (self.page - 1).saturating_mul(PER_PAGE);
        let rows = all.iter().skip(from).take(PER_PAGE);
        let rows = rows.map(|(value, user)| {
            json!({
                "username": game_data.name(*user),
                "level": game_data.player(*user).map_or(1 + user % 30, |player| player.level),
                "score": value,
                "avatar_url": users::avatar(*user),
            })
        });
        json!({
            format!("{}_scores", self.scope): rows.collect::<Value>(),
            "page_count": all.len().div_ceil(PER_PAGE),
            "per_page": PER_PAGE,
            "success": true,
        })
    }
}

/// POST `submit_statistics`: all or nothing if a value is invalid. Unknown names are ignored; Kongregate does not
/// document them.
pub fn submit(call: &mut Call<'_>) -> CallResult {
    let params = call.keyed()?;
    let [user] = params.required(["user_id"])?;
    let user = user.parse().ok();
    let user = user.and_then(|id| call.state.game_data.player(id));
    let user = user.ok_or_else(|| Failure::not_found("User"))?;
    let token = params.get("game_auth_token");
    if token.is_some_and(|token| token != user.token()) {
        return Err(Failure::credentials());
    }
    let user = user.id;
    let mut news = Vec::new();
    for (name, value) in params.0.iter() {
        if ["api_key", "user_id", "game_auth_token"].contains(&name) {
            continue;
        }
        let value = value.parse().ok().filter(|value| *value <= VALUE_MAX);
        let message = "statistics must be non-negative whole numbers";
        let value: u64 = value.ok_or_else(|| Failure::new(400, message))?;
        let known = STATISTICS.into_iter().find(|known| known.name == name);
        news.extend(known.map(|statistic| Submitted {
            statistic,
            user,
            value,
        }));
    }
    for new in &news {
        call.state.scores.put(new, call.now);
    }
    Ok(json!({ "success": true }))
}
