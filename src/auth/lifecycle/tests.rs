//! The life cycle, rule by rule, and then by random histories.

use fastrand::Rng;

use super::*;
use crate::domain::{Problem, ProblemKind, TokenState, WallTime};

fn at(seconds: u64) -> Now {
    Now {
        mono: Duration::from_secs(seconds),
        wall: WallTime(1_000_000_000_000).plus(Duration::from_secs(seconds)),
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn failure(kind: ProblemKind, retry_after: Option<Duration>) -> Failure {
    Failure {
        error: NetError::Unauthorised(Problem::new(kind, "why", "")),
        retry_after,
    }
}

fn failing() -> Failure {
    failure(ProblemKind::Failing, None)
}

fn refusal() -> Failure {
    failure(ProblemKind::Refused, None)
}

const FULL: Jitter = Jitter(1000);
const NONE: Jitter = Jitter(0);

fn issued(token: Secret, life: TokenLife) -> IssuedToken {
    IssuedToken { token, life }
}

/// One with a token "one" of this life, asked for at 0.
fn with_token(life: u64) -> Lifecycle {
    let mut cycle = Lifecycle::default();
    let Next::Begin(fetch) = cycle.needed(at(0), false) else {
        panic!("nothing in hand")
    };
    assert!(cycle.granted(
        fetch.number,
        at(0),
        IssuedToken::granted(Secret::new("one"), secs(life), at(0), NONE)
    ));
    cycle
}

fn begun(next: Next) -> Fetch {
    match next {
        Next::Begin(fetch) | Next::Use(Some(fetch)) => fetch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_is_renewed_ahead_and_never_in_a_loop() {
    for (life, least, most) in [
        // The margin is a tenth, …
        (3600, 3600 - 360 - 72, 3600 - 360),
        (600, 600 - 60 - 12, 600 - 60),
        // … at least 30 s, …
        (120, 120 - 30 - 6, 120 - 30),
        // … at most half of the life.
        (20, 8, 10),
    ] {
        assert_eq!(renew_at(secs(life), NONE), secs(most), "{life}");
        assert_eq!(renew_at(secs(life), FULL), secs(least), "{life}");
    }
    assert_eq!(renew_at(secs(1), NONE), Duration::from_millis(500));
    // A life of a second is over before it is fetched again by itself.
    let mut cycle = with_token(1);
    assert_eq!(
        cycle.needed(
            Now {
                mono: Duration::from_millis(600),
                ..at(0)
            },
            true
        ),
        Next::Use(None)
    );
    assert_eq!(cycle.tick(at(4)), None);
    assert_eq!(cycle.wakes_in(at(4)), Some(secs(1)));
    assert_eq!(cycle.tick(at(5)).map(|fetch| fetch.why), Some(Why::Due));
}

#[test]
fn whoever_asks_while_it_is_due_is_served_and_one_fetch_happens_behind() {
    let mut cycle = with_token(600);
    assert_eq!(cycle.needed(at(539), false), Next::Use(None));
    assert_eq!(cycle.wakes_in(at(539)), Some(secs(1)));
    let fetch = begun(cycle.needed(at(541), false));
    assert_eq!(fetch.why, Why::Due);
    assert_eq!(cycle.needed(at(542), false), Next::Use(None));
    assert_eq!(cycle.tick(at(542)), None);
    assert_eq!(cycle.wakes_in(at(542)), None, "its end wakes");
    assert_eq!(cycle.status().state(at(542)), TokenState::Refreshing);
    assert!(cycle.granted(
        fetch.number,
        at(543),
        IssuedToken::granted(Secret::new("two"), secs(600), at(541), NONE)
    ));
    assert_eq!(cycle.valid(at(1140)), Some(&Secret::new("two")));
    assert_eq!(
        cycle.valid(at(1141)),
        None,
        "life counts from when it was asked for"
    );
}

#[test]
fn callers_without_a_token_share_one_fetch() {
    let mut cycle = Lifecycle::default();
    let fetch = begun(cycle.needed(at(0), true));
    assert_eq!(cycle.needed(at(1), false), Next::Wait(fetch));
    assert_eq!(cycle.requested(at(1)), Next::Wait(fetch));
    assert_eq!(cycle.outcome(fetch, at(1)), FetchOutcome::Waiting);
    cycle.failed(fetch.number, at(2), failing(), FULL);
    assert_eq!(
        cycle.outcome(fetch, at(2)),
        FetchOutcome::Failed(failing().error)
    );
    assert!(
        matches!(cycle.needed(at(2), true), Next::Fail(_)),
        "polling waits"
    );
    let again = begun(cycle.needed(at(2), false));
    assert_eq!(
        cycle.outcome(fetch, at(2)),
        FetchOutcome::Failed(failing().error)
    );
    assert!(cycle.granted(
        again.number,
        at(3),
        IssuedToken::granted(Secret::new("one"), secs(60), at(2), NONE)
    ));
    assert_eq!(cycle.outcome(fetch, at(3)), FetchOutcome::Valid);
}

#[test]
fn a_failed_renewal_keeps_the_token_and_waits_longer_each_time() {
    assert_eq!((backoff(1, NONE), backoff(1, FULL)), (secs(1) / 2, secs(1)));
    assert_eq!(backoff(3, FULL), secs(4));
    assert_eq!(
        (backoff(7, NONE), backoff(u32::MAX, FULL)),
        (secs(30), secs(60))
    );
    let mut cycle = with_token(600);
    let fetch = cycle.tick(at(540)).unwrap();
    cycle.failed(fetch.number, at(541), failing(), FULL);
    let status = cycle.status();
    assert_eq!(status.state(at(541)), TokenState::Due);
    assert_eq!(status.failure.unwrap().again, Some(secs(542)));
    assert_eq!(cycle.valid(at(541)), Some(&Secret::new("one")));
    assert_eq!(cycle.tick(at(541)), None);
    assert_eq!(cycle.wakes_in(at(541)), Some(secs(1)));
    let fetch = cycle.tick(at(542)).unwrap();
    cycle.failed(
        fetch.number,
        at(542),
        failure(ProblemKind::Failing, Some(secs(20))),
        FULL,
    );
    assert_eq!(
        cycle.wakes_in(at(542)),
        Some(secs(20)),
        "the provider's own wait"
    );
    let fetch = cycle.tick(at(562)).unwrap();
    assert!(cycle.granted(
        fetch.number,
        at(563),
        IssuedToken::granted(Secret::new("two"), secs(600), at(562), NONE)
    ));
    assert_eq!(cycle.status().failure, None);
    assert_eq!(cycle.status().fetched, 2);
}

#[test]
fn whoever_asked_for_a_new_token_is_told_that_it_failed_though_the_old_one_is_good() {
    let mut cycle = with_token(600);
    let fetch = begun(cycle.requested(at(10)));
    assert_eq!(cycle.needed(at(10), false), Next::Use(None));
    cycle.failed(fetch.number, at(11), refusal(), FULL);
    assert_eq!(
        cycle.outcome(fetch, at(11)),
        FetchOutcome::Failed(refusal().error)
    );
    assert_eq!(cycle.valid(at(11)), Some(&Secret::new("one")));
}

#[test]
fn a_wait_the_provider_asks_for_is_kept_by_all_but_the_operator() {
    let mut cycle = Lifecycle::default();
    let fetch = begun(cycle.needed(at(0), false));
    cycle.failed(
        fetch.number,
        at(0),
        failure(ProblemKind::Failing, Some(secs(30))),
        NONE,
    );
    assert!(matches!(cycle.needed(at(29), true), Next::Fail(_)));
    assert_eq!(cycle.tick(at(29)), None);
    assert_eq!(begun(cycle.needed(at(29), false)).why, Why::Needed);
}

#[test]
fn what_was_refused_is_fetched_again_only_with_other_credentials_or_when_asked() {
    let mut cycle = with_token(600);
    let fetch = cycle.tick(at(540)).unwrap();
    cycle.failed(fetch.number, at(540), refusal(), FULL);
    assert_eq!(
        cycle.needed(at(541), false),
        Next::Use(None),
        "a good token stays in use"
    );
    assert_eq!(cycle.status().state(at(541)), TokenState::Due);
    assert_eq!(cycle.status().failure.unwrap().again, None);
    assert_eq!(cycle.status().state(at(601)), TokenState::Refused);
    let look = cycle.tick(at(570)).unwrap();
    assert_eq!(look.why, Why::IfReplaced);
    cycle.not_replaced(look.number, at(570));
    assert_eq!(cycle.tick(at(599)), None);
    assert_eq!(cycle.wakes_in(at(599)), Some(secs(1)));
    assert!(matches!(cycle.needed(at(599), true), Next::Use(None)));
    let look = begun(cycle.needed(at(601), true));
    assert_eq!(look.why, Why::IfReplaced);
    cycle.not_replaced(look.number, at(601));
    assert_eq!(
        cycle.outcome(look, at(601)),
        FetchOutcome::Failed(refusal().error)
    );
    assert!(matches!(cycle.needed(at(602), true), Next::Fail(_)));
    assert_eq!(
        begun(cycle.needed(at(602), false)).why,
        Why::Needed,
        "a key press is an operator"
    );
}

#[test]
fn a_401_drops_the_token_in_hand_and_no_other() {
    let mut cycle = with_token(600);
    assert!(!cycle.reject(&Secret::new("older")));
    assert!(cycle.reject(&Secret::new("one")));
    assert!(!cycle.reject(&Secret::new("one")));
    assert_eq!(cycle.status().state(at(2)), TokenState::Missing);
    let life = TokenLife {
        since: at(1),
        aged: Duration::ZERO,
        life: secs(600),
        renew_at: secs(540),
    };
    let fetch = begun(cycle.needed(at(2), false));
    assert!(
        !cycle.found(Some(fetch), at(2), issued(Secret::new("one"), life)),
        "not from the vault either"
    );
    assert!(cycle.found(Some(fetch), at(2), issued(Secret::new("theirs"), life)));
    assert_eq!(cycle.outcome(fetch, at(2)), FetchOutcome::Valid);
    assert_eq!(cycle.status().fetched, 1, "another process fetched it");
}

#[test]
fn what_another_process_keeps_is_taken_where_it_serves() {
    let mut cycle = with_token(600);
    let lives = |until: u64| TokenLife {
        since: at(0),
        aged: Duration::ZERO,
        life: secs(until),
        renew_at: secs(until - 60),
    };
    assert!(!cycle.found(None, at(10), issued(Secret::new("older"), lives(500))));
    let younger = TokenLife {
        since: at(10),
        ..lives(600)
    };
    assert!(
        !cycle.found(None, at(10), issued(Secret::new("one"), younger)),
        "a clock that was set back makes none younger"
    );
    let fetch = cycle.tick(at(540)).unwrap();
    assert!(!cycle.found(Some(fetch), at(540), issued(Secret::new("due"), lives(590))));
    assert!(!cycle.found(Some(fetch), at(540), issued(Secret::new("due"), lives(599))));
    assert!(cycle.found(
        Some(fetch),
        at(540),
        issued(Secret::new("newer"), lives(1000))
    ));
    assert_eq!(cycle.under_way(), None);
    let requested = begun(cycle.requested(at(541)));
    assert!(
        !cycle.found(
            Some(requested),
            at(541),
            issued(Secret::new("newest"), lives(2000))
        ),
        "a new one was asked for"
    );
}

#[test]
fn nothing_is_fetched_before_anyone_asked() {
    let mut cycle = Lifecycle::default();
    let life = TokenLife {
        since: at(0),
        aged: Duration::ZERO,
        life: secs(60),
        renew_at: secs(30),
    };
    assert!(cycle.found(None, at(0), issued(Secret::new("kept"), life)));
    assert_eq!((cycle.tick(at(50)), cycle.wakes_in(at(50))), (None, None));
    assert_eq!(cycle.tick(at(70)), None);
    assert_eq!(begun(cycle.needed(at(70), false)).why, Why::Needed);
}

#[test]
fn a_token_that_came_too_late_is_none() {
    let mut cycle = Lifecycle::default();
    let fetch = begun(cycle.needed(at(0), false));
    assert!(!cycle.granted(
        fetch.number,
        at(6),
        IssuedToken::granted(Secret::new("late"), secs(5), at(0), NONE)
    ));
    assert_eq!(
        cycle.outcome(fetch, at(6)),
        FetchOutcome::Waiting,
        "it is yet to fail"
    );
    cycle.failed(fetch.number, at(6), failing(), NONE);
    assert!(matches!(
        cycle.outcome(fetch, at(6)),
        FetchOutcome::Failed(_)
    ));
}

#[test]
fn a_laptop_that_slept_past_expiry_renews_as_soon_as_it_looks() {
    let mut cycle = with_token(600);
    let woken = Now {
        mono: secs(20),
        wall: at(3600).wall,
    };
    assert_eq!(cycle.valid(woken), None);
    assert_eq!(cycle.wakes_in(woken), Some(Duration::ZERO));
    assert_eq!(cycle.tick(woken).map(|fetch| fetch.why), Some(Why::Due));
}

/// What a history knows to be true, told apart from what the life cycle believes.
struct History {
    rng: Rng,
    now: Now,
    cycle: Lifecycle,
    /// Each token granted so far: its text, when it was asked for, its life, and whether a call was refused with it.
    tokens: Vec<(String, Now, Duration, bool)>,
    under_way: Option<(Fetch, Now)>,
    waiters: Vec<Fetch>,
    /// When the latest fetch began.
    began: Duration,
    /// No fetch may begin by itself before.
    quiet_until: Duration,
    used: u32,
    fetches: u32,
}

impl History {
    fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            now: at(1_000),
            cycle: Lifecycle::default(),
            tokens: Vec::new(),
            under_way: None,
            waiters: Vec::new(),
            began: Duration::ZERO,
            quiet_until: Duration::ZERO,
            used: 0,
            fetches: 0,
        }
    }

    fn is_good(&self, text: &str) -> bool {
        let (_, requested, life, refused) = self
            .tokens
            .iter()
            .find(|(t, ..)| t == text)
            .expect("granted");
        let mono = self.now.mono.saturating_sub(requested.mono);
        let wall = self.now.wall.since(requested.wall);
        !refused && mono.max(wall) < *life
    }

    fn current_token(&self) -> Option<String> {
        self.cycle
            .valid(self.now)
            .map(|token| token.expose().to_owned())
    }

    fn begins(&mut self, fetch: Fetch, by_itself: bool) {
        assert!(self.under_way.is_none(), "two fetches at once");
        if by_itself {
            assert!(self.now.mono >= self.quiet_until, "fetched too early");
        }
        self.under_way = Some((fetch, self.now));
        self.began = self.now.mono;
        self.quiet_until = self.now.mono + PAUSE;
        self.fetches += 1;
    }

    fn need(&mut self) {
        let background = self.rng.bool();
        match self.cycle.needed(self.now, background) {
            Next::Use(fetch) => {
                let token = self.current_token().expect("a token to use");
                assert!(
                    self.is_good(&token),
                    "a call with a token known to be expired or refused"
                );
                self.used += 1;
                if let Some(fetch) = fetch {
                    self.begins(fetch, true);
                }
            }
            Next::Begin(fetch) => {
                assert_eq!(self.current_token(), None);
                let after_failure = self.cycle.failed.is_some();
                self.begins(fetch, background && after_failure);
                self.waiters.push(fetch);
            }
            Next::Wait(fetch) => {
                assert_eq!(
                    self.current_token(),
                    None,
                    "made to wait with a good token in hand"
                );
                assert_eq!(self.under_way.map(|(under_way, _)| under_way), Some(fetch));
                self.waiters.push(fetch);
            }
            Next::Fail(_) => {
                assert_eq!((self.current_token(), self.under_way), (None, None));
            }
        }
    }

    fn ask(&mut self) {
        match self.cycle.requested(self.now) {
            Next::Begin(fetch) => {
                self.begins(fetch, false);
                self.waiters.push(fetch);
            }
            Next::Wait(fetch) => self.waiters.push(fetch),
            other => panic!("{other:?}"),
        }
    }

    fn grow(&mut self, requested: Now) -> (Secret, Duration) {
        let longest = [3, 40, 7_200][self.rng.usize(..3)];
        let life = secs(self.rng.u64(1..=longest));
        let text = format!("token-{}", self.tokens.len());
        self.tokens.push((text.clone(), requested, life, false));
        (Secret::new(text), life)
    }

    fn elsewhere(&mut self, of: Option<Fetch>) {
        let (token, life) = self.grow(self.now);
        let about = TokenLife {
            since: self.now,
            aged: Duration::ZERO,
            life,
            renew_at: renew_at(life, NONE),
        };
        let is_used = self.cycle.found(of, self.now, issued(token, about));
        if is_used {
            // Credentials that brought another process a token are good, so a failure holds nobody up.
            self.quiet_until = self.began + PAUSE;
        }
        if is_used && of.is_some() {
            self.under_way = None;
        }
    }

    fn end(&mut self) {
        let Some((fetch, began)) = self.under_way else {
            return;
        };
        let jitter = Jitter::new(self.rng.u32(0..=1000));
        let failure = match self.rng.u8(..8) {
            0 if fetch.why != Why::Requested => {
                self.elsewhere(Some(fetch));
                return;
            }
            1 if fetch.why == Why::IfReplaced => {
                self.cycle.not_replaced(fetch.number, self.now);
                self.under_way = None;
                self.quiet_until = self.now.mono + LOOK_AGAIN;
                return;
            }
            0..=4 => {
                let (token, life) = self.grow(began);
                if self.cycle.granted(
                    fetch.number,
                    self.now,
                    IssuedToken::granted(token, life, began, jitter),
                ) {
                    self.under_way = None;
                    return;
                }
                failing()
            }
            5 => refusal(),
            6 => failure(ProblemKind::Failing, Some(secs(self.rng.u64(..100)))),
            _ => failing(),
        };
        let least = if failure.is_rejection() {
            LOOK_AGAIN
        } else {
            BACKOFF_MIN / 2
        };
        self.quiet_until = self.now.mono + failure.retry_after.unwrap_or_default().max(least);
        self.cycle.failed(fetch.number, self.now, failure, jitter);
        self.under_way = None;
    }

    fn step(&mut self) {
        let before = self.current_token();
        let known = self.tokens.len();
        let mut rejected = None;
        match self.rng.u8(..16) {
            0..=3 => self.need(),
            4 => self.ask(),
            5 | 6 => {
                if let Some(fetch) = self.cycle.tick(self.now) {
                    assert!(self.used + self.fetches > 0, "before anyone asked");
                    self.begins(fetch, true);
                }
            }
            7..=9 => self.end(),
            10 if !self.tokens.is_empty() => {
                let any = self.rng.usize(..self.tokens.len());
                let current = before
                    .as_ref()
                    .and_then(|text| self.tokens.iter().position(|(t, ..)| t == text));
                let which = if self.rng.bool() {
                    current.unwrap_or(any)
                } else {
                    any
                };
                let text = self.tokens[which].0.clone();
                self.cycle.reject(&Secret::new(text.clone()));
                if before.as_ref() == Some(&text) {
                    self.tokens[which].3 = true;
                }
                rejected = Some(text);
            }
            11 => self.elsewhere(None),
            12 => {
                // Asleep: the monotonic clock stands still.
                self.now.wall = self.now.wall.plus(secs(self.rng.u64(..10_000)));
            }
            13 => self.now.wall = WallTime(self.now.wall.0 - self.rng.i64(0..3_600_000)),
            14 => self.now = self.now.plus(secs(self.rng.u64(..4_000))),
            _ => self.now = self.now.plus(Duration::from_millis(self.rng.u64(..30_000))),
        }
        if let Some(text) = before
            && rejected.as_ref() != Some(&text)
            && self.is_good(&text)
        {
            let now = self.current_token().expect("a valid token was thrown away");
            let replaced = self.tokens[known..].iter().any(|(new, ..)| *new == now);
            assert!(now == text || replaced, "{text} gave way to {now}");
        }
        self.look_at_waiters();
    }

    fn look_at_waiters(&mut self) {
        let under_way = self.under_way.map(|(fetch, _)| fetch.number);
        assert_eq!(self.cycle.under_way().map(|fetch| fetch.number), under_way);
        let (cycle, now) = (&self.cycle, self.now);
        self.waiters.retain(|fetch| {
            let outcome = cycle.outcome(*fetch, now);
            assert_eq!(
                outcome == FetchOutcome::Waiting,
                under_way == Some(fetch.number),
                "left hanging"
            );
            outcome == FetchOutcome::Waiting
        });
        match cycle.wakes_in(now) {
            // Who is told to wake now finds something to do.
            Some(wait) if wait.is_zero() => {
                assert!(cycle.automatic(now).is_some(), "woken for nothing");
            }
            _ => assert_eq!(
                cycle.automatic(now).filter(|_| cycle.wanted),
                None,
                "not woken for it"
            ),
        }
    }
}

#[test]
fn ten_thousand_random_histories_hold() {
    let (mut used, mut fetches) = (0, 0);
    for seed in 0..10_000 {
        let mut history = History::new(seed);
        for _ in 0..40 {
            history.step();
        }
        while history.under_way.is_some() {
            history.end();
            history.look_at_waiters();
        }
        assert!(history.waiters.is_empty(), "waiters were left hanging");
        used += history.used;
        fetches += history.fetches;
    }
    assert!(
        used > 10_000 && fetches > 10_000,
        "the histories are of something: {used} {fetches}"
    );
}
