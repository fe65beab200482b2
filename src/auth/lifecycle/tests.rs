//! The life cycle, rule by rule, and then by random histories.

use std::collections::VecDeque;

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

/// The life of a token that was requested at `requested`.
fn lives(requested: Now, life: u64) -> TokenLifetime {
    TokenLifetime {
        since: requested,
        aged: Duration::ZERO,
        life: secs(life),
        renew_at: renew_at(secs(life), NONE),
    }
}

/// One with a token "one" of this life, requested at 0.
fn with_token(life: u64) -> Lifecycle {
    let mut cycle = Lifecycle::default();
    assert_eq!(need(&mut cycle, 0, false), None);
    assert!(grant(&mut cycle, 0, "one", life));
    cycle
}

/// A call needs a token now, and its turn comes at once.
fn need(cycle: &mut Lifecycle, now: u64, background: bool) -> Option<Result<(), NetError>> {
    cycle.wanted = true;
    cycle.turn(cycle.waiter(FetchReason::Needed, background), at(now))
}

/// Whether a fetch begins automatically.
fn renew(cycle: &mut Lifecycle, now: u64) -> bool {
    cycle
        .turn(cycle.waiter(FetchReason::Due, true), at(now))
        .is_none()
}

fn request(cycle: &mut Lifecycle, now: u64) -> Option<Result<(), NetError>> {
    cycle.wanted = true;
    cycle.turn(cycle.waiter(FetchReason::Requested, false), at(now))
}

/// The running fetch brings this token, which was requested at `now`.
fn grant(cycle: &mut Lifecycle, now: u64, token: &str, life: u64) -> bool {
    cycle.granted(at(now), &Secret::new(token), lives(at(now), life))
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
    let due = Now {
        mono: Duration::from_millis(600),
        ..at(0)
    };
    assert!(cycle.valid(due).is_some());
    assert_eq!(
        cycle.renews_in(due),
        Some(secs(5).checked_sub(due.mono).unwrap())
    );
    assert_eq!(cycle.renews_in(at(4)), Some(secs(1)));
    assert!(!renew(&mut cycle, 4));
    assert!(renew(&mut cycle, 5));
}

#[test]
fn whoever_asks_while_it_is_due_is_served_and_one_fetch_happens_behind() {
    let mut cycle = with_token(600);
    assert_eq!(need(&mut cycle, 539, false), Some(Ok(())));
    assert_eq!(cycle.renews_in(at(539)), Some(secs(1)));
    assert_eq!(cycle.renews_in(at(541)), Some(Duration::ZERO));
    let late = cycle.waiter(FetchReason::Due, true);
    assert!(renew(&mut cycle, 541));
    assert_eq!(need(&mut cycle, 542, false), Some(Ok(())));
    assert_eq!(cycle.renews_in(at(542)), None, "it runs");
    assert_eq!(cycle.status().state(at(542)), TokenState::Refreshing);
    assert!(cycle.granted(at(543), &Secret::new("two"), lives(at(541), 600)));
    assert_eq!(cycle.turn(late, at(543)), Some(Ok(())), "one is enough");
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
    assert_eq!(need(&mut cycle, 0, true), None);
    let operator = cycle.waiter(FetchReason::Needed, false);
    cycle.failed(at(2), failing(), FULL);
    let shared = Some(Err(failing().error));
    assert_eq!(cycle.turn(operator, at(2)), shared);
    assert_eq!(need(&mut cycle, 2, true), shared, "polling waits");
    assert_eq!(need(&mut cycle, 2, false), None);
    let operator = cycle.waiter(FetchReason::Needed, false);
    assert!(grant(&mut cycle, 3, "one", 60));
    assert_eq!(cycle.turn(operator, at(3)), Some(Ok(())));
    let requests = cycle.waiter(FetchReason::Requested, false);
    assert_eq!(
        cycle.turn(requests, at(3)),
        None,
        "a fetch before the request does not count"
    );
}

#[test]
fn a_token_that_expires_before_a_waiting_callers_turn_is_fetched_again() {
    let mut cycle = Lifecycle::default();
    assert_eq!(need(&mut cycle, 0, false), None);
    let waits = cycle.waiter(FetchReason::Needed, false);
    assert!(grant(&mut cycle, 1, "one", 3));
    assert_eq!(cycle.turn(waits, at(4)), None);
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
    assert!(renew(&mut cycle, 540));
    cycle.failed(at(541), failing(), FULL);
    let status = cycle.status();
    assert_eq!(status.state(at(541)), TokenState::Due);
    assert_eq!(status.failure.unwrap().again, Some(secs(542)));
    assert_eq!(cycle.valid(at(541)), Some(&Secret::new("one")));
    assert!(!renew(&mut cycle, 541));
    assert_eq!(cycle.renews_in(at(541)), Some(secs(1)));
    assert!(renew(&mut cycle, 542));
    let with_wait = failure(ProblemKind::Failing, Some(secs(20)));
    cycle.failed(at(542), with_wait, FULL);
    assert_eq!(
        cycle.renews_in(at(542)),
        Some(secs(20)),
        "the provider's own wait"
    );
    assert!(renew(&mut cycle, 562));
    cycle.failed(at(562), failing(), FULL);
    assert_eq!(cycle.renews_in(at(562)), Some(secs(4)), "the third");
    assert!(renew(&mut cycle, 566));
    assert!(grant(&mut cycle, 567, "two", 600));
    assert_eq!(cycle.status().failure, None);
    assert_eq!(cycle.status().fetched, 2);
}

#[test]
fn whoever_asked_for_a_new_token_learns_that_it_failed_though_the_old_one_is_valid() {
    let mut cycle = with_token(600);
    assert_eq!(request(&mut cycle, 10), None);
    let second = cycle.waiter(FetchReason::Requested, false);
    assert_eq!(need(&mut cycle, 10, false), Some(Ok(())));
    cycle.failed(at(11), refusal(), FULL);
    assert_eq!(cycle.turn(second, at(11)), Some(Err(refusal().error)));
    assert_eq!(cycle.valid(at(11)), Some(&Secret::new("one")));
}

#[test]
fn a_wait_the_provider_asks_for_is_respected_by_all_but_the_operator() {
    let mut cycle = Lifecycle::default();
    assert_eq!(need(&mut cycle, 0, false), None);
    cycle.failed(at(0), failure(ProblemKind::Failing, Some(secs(30))), NONE);
    assert!(matches!(need(&mut cycle, 29, true), Some(Err(_))));
    assert!(!renew(&mut cycle, 29));
    assert_eq!(need(&mut cycle, 29, false), None);
}

#[test]
fn what_was_refused_is_fetched_again_only_with_other_credentials_or_when_asked() {
    let mut cycle = with_token(600);
    let polling = |cycle: &Lifecycle| cycle.waiter(FetchReason::Needed, true);
    let refused = Some(Err(refusal().error));
    assert!(renew(&mut cycle, 540));
    cycle.failed(at(540), refusal(), FULL);
    assert_eq!(
        need(&mut cycle, 541, false),
        Some(Ok(())),
        "a good token stays in use"
    );
    assert_eq!(cycle.status().state(at(541)), TokenState::Due);
    assert_eq!(cycle.status().failure.unwrap().again, None);
    assert_eq!(cycle.status().state(at(601)), TokenState::Refused);
    assert!(renew(&mut cycle, 570));
    assert!(cycle.needs_replaced(cycle.waiter(FetchReason::Due, true)));
    assert_eq!(cycle.not_replaced(at(570)), Some(refusal().error));
    assert!(!renew(&mut cycle, 599));
    assert_eq!(cycle.renews_in(at(599)), Some(secs(1)));
    assert_eq!(need(&mut cycle, 599, true), Some(Ok(())));
    assert_eq!(need(&mut cycle, 601, true), None);
    assert!(cycle.needs_replaced(polling(&cycle)));
    let (polls, operator) = (polling(&cycle), cycle.waiter(FetchReason::Needed, false));
    cycle.not_replaced(at(601));
    assert_eq!(cycle.turn(polls, at(601)), refused);
    assert_eq!(need(&mut cycle, 602, true), refused);
    assert_eq!(
        cycle.turn(operator, at(602)),
        None,
        "a key press is an operator, also one that waited"
    );
    assert!(!cycle.needs_replaced(operator));
    assert!(!cycle.needs_replaced(cycle.waiter(FetchReason::Requested, true)));
}

#[test]
fn a_401_drops_the_token_in_hand_and_no_other() {
    let mut cycle = with_token(600);
    assert!(!cycle.reject(&Secret::new("older")));
    assert!(cycle.reject(&Secret::new("one")));
    assert!(!cycle.reject(&Secret::new("one")));
    assert_eq!(cycle.status().state(at(2)), TokenState::Missing);
    assert_eq!(need(&mut cycle, 2, false), None);
    assert!(
        !cycle.found(at(2), &Secret::new("one"), lives(at(1), 600)),
        "not from the vault either"
    );
    let waits = cycle.waiter(FetchReason::Needed, false);
    assert!(cycle.found(at(2), &Secret::new("theirs"), lives(at(1), 600)));
    assert_eq!(cycle.turn(waits, at(2)), Some(Ok(())));
    assert_eq!(cycle.status().fetched, 1, "another process fetched it");
}

#[test]
fn what_another_process_keeps_is_taken_where_it_serves() {
    let mut cycle = with_token(600);
    let lives = |until: u64| TokenLifetime {
        renew_at: secs(until - 60),
        ..lives(at(0), until)
    };
    let found = |cycle: &mut Lifecycle, now: u64, token: &str, until: u64| {
        cycle.found(at(now), &Secret::new(token), lives(until))
    };
    assert!(!found(&mut cycle, 10, "older", 500));
    let younger = TokenLifetime {
        since: at(10),
        ..lives(600)
    };
    assert!(
        !cycle.found(at(10), &Secret::new("one"), younger),
        "a clock that was set back makes none younger"
    );
    assert!(renew(&mut cycle, 545));
    assert!(!found(&mut cycle, 545, "due", 590));
    assert!(!found(&mut cycle, 545, "due", 605), "longer, but due too");
    assert!(found(&mut cycle, 545, "newer", 1000));
    assert_eq!(cycle.fetching, None);
    assert_eq!(request(&mut cycle, 546), None);
    let second = cycle.waiter(FetchReason::Requested, false);
    assert!(
        !found(&mut cycle, 546, "newest", 2000),
        "a new one was asked for"
    );
    cycle.failed(at(547), failing(), NONE);
    assert_eq!(cycle.turn(second, at(547)), Some(Err(failing().error)));
}

#[test]
fn nothing_is_fetched_before_anyone_asked() {
    let mut cycle = Lifecycle::default();
    assert!(cycle.found(at(0), &Secret::new("saved"), lives(at(0), 60)));
    assert!(cycle.status().idle);
    for now in [50, 70] {
        assert_eq!(cycle.renews_in(at(now)), None);
        assert!(!renew(&mut cycle, now));
    }
    assert_eq!(need(&mut cycle, 70, false), None);
}

#[test]
fn a_token_that_came_too_late_is_none() {
    let mut cycle = Lifecycle::default();
    assert_eq!(need(&mut cycle, 0, false), None);
    let waits = cycle.waiter(FetchReason::Needed, false);
    assert!(!cycle.granted(at(6), &Secret::new("late"), lives(at(0), 5)));
    assert_eq!(
        cycle.fetching,
        Some(FetchReason::Needed),
        "it is yet to fail"
    );
    cycle.failed(at(6), failing(), NONE);
    assert_eq!(cycle.turn(waits, at(6)), Some(Err(failing().error)));
}

#[test]
fn a_laptop_that_slept_past_expiry_renews_as_soon_as_it_looks() {
    let cycle = with_token(600);
    let woken = Now {
        mono: secs(20),
        wall: at(3600).wall,
    };
    assert_eq!(cycle.valid(woken), None);
    assert_eq!(cycle.renews_in(woken), Some(Duration::ZERO));
}

/// What a history knows to be true, told apart from what the life cycle believes.
struct History {
    rng: Rng,
    now: Now,
    cycle: Lifecycle,
    /// Each token granted so far: its text, when it was asked for, its life, and whether a call was refused with it.
    tokens: Vec<(String, Now, Duration, bool)>,
    running: Option<(Waiter, Now)>,
    /// In the order of their turns.
    waiters: VecDeque<Waiter>,
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
            running: None,
            waiters: VecDeque::new(),
            began: Duration::ZERO,
            quiet_until: Duration::ZERO,
            used: 0,
            fetches: 0,
        }
    }

    fn is_valid(&self, text: &str) -> bool {
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

    fn joins(&mut self, why: FetchReason, background: bool) {
        let waiter = self.cycle.waiter(why, background);
        self.waiters.push_back(waiter);
        self.take_turns();
    }

    /// A waiting caller has its turn as soon as no fetch runs: it begins the next, or ends.
    fn take_turns(&mut self) {
        while self.running.is_none()
            && let Some(waiter) = self.waiters.pop_front()
        {
            let after_failure = self.cycle.error.is_some();
            let by_itself = waiter.why == FetchReason::Due
                || waiter.why == FetchReason::Needed && waiter.background && after_failure;
            match self.cycle.turn(waiter, self.now) {
                None => {
                    assert!(
                        waiter.why != FetchReason::Needed || self.current_token().is_none(),
                        "fetched although a token is valid"
                    );
                    assert!(
                        !by_itself || self.now.mono >= self.quiet_until,
                        "fetched too early"
                    );
                    self.running = Some((waiter, self.now));
                    self.began = self.now.mono;
                    self.quiet_until = self.now.mono + PAUSE;
                    self.fetches += 1;
                }
                Some(Ok(())) if waiter.why == FetchReason::Needed => {
                    let token = self.current_token().expect("a token to use");
                    assert!(self.is_valid(&token), "reported a token that is not valid");
                }
                Some(Err(_)) if waiter.why == FetchReason::Needed => {
                    assert_eq!(
                        self.current_token(),
                        None,
                        "reported a failure although there is a token"
                    );
                }
                Some(_) => {}
            }
        }
    }

    fn need(&mut self) {
        let background = self.rng.bool();
        self.cycle.wanted = true;
        let Some(token) = self.current_token() else {
            self.joins(FetchReason::Needed, background);
            return;
        };
        assert!(
            self.is_valid(&token),
            "a call with a token known to be expired or refused"
        );
        self.used += 1;
        self.renew();
    }

    fn renew(&mut self) {
        if self.cycle.renews_in(self.now) == Some(Duration::ZERO) {
            assert!(self.used + self.fetches > 0, "before anyone asked");
            let fetches = self.fetches;
            self.joins(FetchReason::Due, true);
            assert_eq!(self.fetches, fetches + 1, "woken for nothing");
        }
    }

    fn grow(&mut self, requested: Now) -> (Secret, Duration) {
        let longest = [3, 40, 7_200][self.rng.usize(..3)];
        let life = secs(self.rng.u64(1..=longest));
        let text = format!("token-{}", self.tokens.len());
        self.tokens.push((text.clone(), requested, life, false));
        (Secret::new(text), life)
    }

    fn elsewhere(&mut self) -> bool {
        let (token, life) = self.grow(self.now);
        let is_used = self
            .cycle
            .found(self.now, &token, lives(self.now, life.as_secs()));
        if is_used {
            // Credentials that brought another process a token are good, so a failure holds nobody up.
            self.quiet_until = self.began + PAUSE;
        }
        is_used
    }

    /// The running fetch ends, unless it found a saved token that does not serve.
    fn end(&mut self) {
        let Some((caller, began)) = self.running else {
            return;
        };
        let jitter = Jitter::new(self.rng.u32(0..=1000));
        let failure = match self.rng.u8(..8) {
            0 if caller.why != FetchReason::Requested => {
                if self.elsewhere() {
                    self.ended();
                }
                return;
            }
            1 if self.cycle.needs_replaced(caller) => {
                assert!(self.cycle.not_replaced(self.now).is_some());
                self.quiet_until = self.now.mono + LOOK_AGAIN;
                self.ended();
                return;
            }
            0..=4 => {
                let (token, life) = self.grow(began);
                let life = TokenLifetime {
                    renew_at: renew_at(life, jitter),
                    ..lives(began, life.as_secs())
                };
                if self.cycle.granted(self.now, &token, life) {
                    self.ended();
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
        self.cycle.failed(self.now, failure, jitter);
        self.ended();
    }

    fn ended(&mut self) {
        self.running = None;
        assert_eq!(self.cycle.fetching, None);
        self.take_turns();
    }

    fn step(&mut self) {
        let before = self.current_token();
        let known = self.tokens.len();
        let mut rejected = None;
        match self.rng.u8(..16) {
            0..=3 => self.need(),
            4 => {
                self.cycle.wanted = true;
                self.joins(FetchReason::Requested, false);
            }
            5 | 6 => self.renew(),
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
            // Read once, at the start.
            11 if self.fetches == 0 => drop(self.elsewhere()),
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
            && self.is_valid(&text)
        {
            let now = self.current_token().expect("a valid token was thrown away");
            let replaced = self.tokens[known..].iter().any(|(new, ..)| *new == now);
            assert!(now == text || replaced, "{text} gave way to {now}");
        }
        assert_eq!(
            self.cycle.fetching,
            self.running.map(|(caller, _)| caller.why)
        );
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
        while history.running.is_some() {
            history.end();
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

#[test]
fn a_request_for_a_new_token_shares_the_outcome_of_such_a_request_alone() {
    let mut cycle = with_token(600);
    assert!(renew(&mut cycle, 545));
    // The secret is replaced while the renewal with the old one runs.
    let [first, second] = [(); 2].map(|()| cycle.waiter(FetchReason::Requested, false));
    cycle.failed(at(546), refusal(), NONE);
    assert_eq!(cycle.turn(first, at(546)), None, "it sends its own");
    assert!(grant(&mut cycle, 547, "two", 600));
    assert_eq!(cycle.turn(second, at(547)), Some(Ok(())), "both at once");

    assert!(renew(&mut cycle, 1_100));
    let [first, second] = [(); 2].map(|()| cycle.waiter(FetchReason::Requested, false));
    assert!(grant(&mut cycle, 1_101, "three", 600));
    assert_eq!(cycle.turn(first, at(1_101)), None, "it sends its own");
    cycle.failed(at(1_102), refusal(), NONE);
    assert!(cycle.turn(second, at(1_102)).unwrap().is_err());
}
