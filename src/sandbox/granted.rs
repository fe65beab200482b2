//! The tokens a simulated provider has granted and still knows. Arithmetic on a given time; tokens are secrets, and
//! nothing here shows or keeps one.

use std::collections::VecDeque;
use std::fmt;

use crate::domain::WallTime;

/// What is remembered is bounded: the oldest is forgotten for a new one.
const TOKENS_MAX: usize = 1_000;

/// Tokens and whose they are.
#[derive(Default)]
pub struct Granted<W> {
    tokens: VecDeque<Token<W>>,
}

struct Token<W> {
    whose: W,
    value: String,
    expires: WallTime,
}

impl<W> fmt::Debug for Granted<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Granted({} tokens)", self.tokens.len())
    }
}

impl<W: Copy + PartialEq> Granted<W> {
    /// Remembers a new one, good until it expires.
    pub fn add(&mut self, value: String, whose: W, now: WallTime, expires: WallTime) {
        self.tokens.retain(|token| token.expires > now);
        if self.tokens.len() >= TOKENS_MAX {
            self.tokens.pop_front();
        }
        self.tokens.push_back(Token {
            whose,
            value,
            expires,
        });
    }

    /// Whose token this is; `None` where it is none that is good now.
    #[must_use]
    pub fn whose(&self, value: &str, now: WallTime) -> Option<W> {
        let mut tokens = self.tokens.iter();
        tokens
            .find(|token| token.value == value && token.expires > now)
            .map(|token| token.whose)
    }

    /// Uses one up. `false` if it is unknown, used, expired or another's.
    pub fn redeem(&mut self, value: &str, whose: W, now: WallTime) -> bool {
        let good =
            |token: &Token<W>| token.value == value && token.whose == whose && token.expires > now;
        let place = self.tokens.iter().position(good);
        place.and_then(|at| self.tokens.remove(at)).is_some()
    }

    /// Makes every one void, and says how many there were.
    pub fn revoke(&mut self) -> usize {
        let count = self.tokens.len();
        self.tokens.clear();
        count
    }

    /// How many are good.
    #[must_use]
    pub fn good(&self, now: WallTime) -> usize {
        let good = self.tokens.iter().filter(|token| token.expires > now);
        good.count()
    }
}
