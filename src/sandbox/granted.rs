//! The valid tokens of a simulated provider. Works on a given time; tokens are secrets, so nothing here shows or saves one.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use crate::domain::WallTime;

/// Bounds the memory: a new token replaces the oldest.
const TOKENS_MAX: usize = 1_000;

#[derive(Default)]
pub struct Granted<W> {
    tokens: VecDeque<Token<W>>,
}

/// A token that was granted. Its value is a secret.
struct Token<W> {
    /// Whom it authenticates.
    owner: W,
    value: String,
    /// When it becomes invalid.
    expires: WallTime,
}

impl<W> fmt::Debug for Granted<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Granted({} tokens)", self.tokens.len())
    }
}

impl<W: Copy + PartialEq> Granted<W> {
    /// Adds a token, granted at the start of its life.
    pub fn add(&mut self, owner: W, value: String, life: Range<WallTime>) {
        // Here and not by a timer: nothing runs in the background of a simulation.
        self.tokens.retain(|token| token.expires > life.start);
        if self.tokens.len() >= TOKENS_MAX {
            self.tokens.pop_front();
        }
        self.tokens.push_back(Token {
            owner,
            value,
            expires: life.end,
        });
    }

    /// The owner of a valid token; `None` where it is unknown or expired.
    pub fn owner(&self, value: &str, now: WallTime) -> Option<W> {
        let mut tokens = self.tokens.iter();
        tokens
            .find(|token| token.value == value && token.expires > now)
            .map(|token| token.owner)
    }

    /// Consumes a token. `false` if it is unknown, used, expired or another owner's.
    pub fn redeem(&mut self, value: &str, owner: W, now: WallTime) -> bool {
        let is_valid =
            |token: &Token<W>| token.value == value && token.owner == owner && token.expires > now;
        let place = self.tokens.iter().position(is_valid);
        place.and_then(|at| self.tokens.remove(at)).is_some()
    }

    /// Revokes all tokens and returns their number.
    pub fn revoke(&mut self) -> usize {
        let count = self.tokens.len();
        self.tokens.clear();
        count
    }

    /// The number of valid tokens.
    pub fn valid_count(&self, now: WallTime) -> usize {
        let valid = self.tokens.iter().filter(|token| token.expires > now);
        valid.count()
    }
}
