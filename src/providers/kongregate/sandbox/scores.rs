//! Statistics of four kinds and the lists of the best made from them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fixtures::OTHER_USERS;
use super::{Call, CallResult, Failure, users};
use crate::domain::WallTime;
use crate::domain::words::words;
use crate::sandbox::simulator::seeded_hash;

const PER_PAGE: usize = 25;

const VALUE_MAX: u64 = i64::MAX as u64;

words! {
    /// A statistic of the game, which says how a new value is combined with the old one.
    pub enum Statistic {
        /// The largest value.
        HighScore = "HighScore",
        /// The smallest.
        FastestLap = "FastestLap",
        /// The last.
        Rank = "Rank",
        /// The sum.
        Lanterns = "Lanterns",
    }
}

impl Statistic {
    fn id(self) -> u64 {
        7001 + self as u64
    }

    fn join(self, old: Option<u64>, new: u64) -> u64 {
        match (self, old) {
            (Self::Rank, _) | (_, None) => new,
            (Self::HighScore, Some(old)) => old.max(new),
            (Self::FastestLap, Some(old)) => old.min(new),
            (Self::Lanterns, Some(old)) => old.saturating_add(new).min(VALUE_MAX),
        }
    }
}

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

impl Score {
    /// A player's first value.
    fn first(statistic: Statistic, user: u64, value: u64, at: WallTime) -> Self {
        let (day, week) = day_and_week(at);
        Self {
            statistic: statistic.id(),
            user,
            lifetime: value,
            daily: (day, value),
            weekly: (week, value),
        }
    }
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

    fn put(&mut self, statistic: Statistic, new: Score) {
        let mut all = self.0.iter_mut();
        let known = all.find(|known| known.statistic == new.statistic && known.user == new.user);
        let Some(known) = known else {
            self.0.push(new);
            return;
        };
        known.lifetime = statistic.join(Some(known.lifetime), new.lifetime);
        for (part, (now, value)) in [
            (&mut known.daily, new.daily),
            (&mut known.weekly, new.weekly),
        ] {
            // Yesterday's value does not count for today's list.
            let old = (part.0 == now).then_some(part.1);
            *part = (now, statistic.join(old, value));
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
    let all = ranked(call, statistic, value);
    Ok(listed(call, scope, &all, params.page(page)))
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
    Ok(listed(call, "friends", &ranked(call, statistic, value), 1))
}

fn of_path(call: &Call<'_>) -> CallResult<Statistic> {
    let text = call.param("statistic");
    let id = text.strip_suffix(".json").unwrap_or(text);
    let mut all = Statistic::ALL.into_iter();
    let found = all.find(|known| known.id().to_string() == id);
    found.ok_or_else(|| Failure::not_found("Statistic"))
}

/// The values of a statistic and their users, the best first.
fn ranked(
    call: &Call<'_>,
    statistic: Statistic,
    value: impl Fn(&Score) -> Option<u64>,
) -> Vec<(u64, u64)> {
    let all = call.state.scores.0.iter();
    let all = all.filter(|score| score.statistic == statistic.id());
    let mut all: Vec<_> = all
        .filter_map(|score| Some((value(score)?, score.user)))
        .collect();
    all.sort_by_key(|(value, user)| {
        let rank = if statistic == Statistic::FastestLap {
            *value
        } else {
            VALUE_MAX.saturating_sub(*value)
        };
        // Equal values by user, so that pages do not change between two calls.
        (rank, *user)
    });
    all
}

fn listed(call: &Call<'_>, scope: &str, all: &[(u64, u64)], page: usize) -> Value {
    let game_data = &call.state.game_data;
    let from = (page - 1).saturating_mul(PER_PAGE);
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
        format!("{scope}_scores"): rows.collect::<Value>(),
        "page_count": all.len().div_ceil(PER_PAGE),
        "per_page": PER_PAGE,
        "success": true,
    })
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
        news.extend(Statistic::from_word(name).map(|statistic| (statistic, value)));
    }
    for (statistic, value) in news {
        let new = Score::first(statistic, user, value, call.now);
        call.state.scores.put(statistic, new);
    }
    Ok(json!({ "success": true }))
}
