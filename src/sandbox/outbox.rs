//! Callbacks on their way: which are due, and when a refused one is tried again. Arithmetic on a given
//! time; sends nothing, never asks the time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::WallTime;

/// One callback that has not been taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Tells letters apart.
    pub number: u64,
    /// What is added to the callback URL.
    pub query: String,
    /// How often it was tried.
    pub tries: usize,
    /// When it is tried next.
    pub next: WallTime,
    /// The status of the last try; `None` before the first, or where no answer came.
    pub status: Option<u16>,
}

/// All callbacks that have not been taken yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outbox {
    posted: u64,
    letters: Vec<Letter>,
}

impl Outbox {
    /// Puts a callback in, to go out at `at`.
    pub fn post(&mut self, query: String, at: WallTime) {
        self.posted += 1;
        self.letters.push(Letter {
            number: self.posted,
            query,
            tries: 0,
            next: at,
            status: None,
        });
    }

    /// Those to be sent now, the longest due first.
    #[must_use]
    pub fn due(&self, now: WallTime) -> Vec<Letter> {
        let mut due: Vec<_> = self.letters.iter().filter(|l| l.next <= now).collect();
        due.sort_by_key(|letter| (letter.next, letter.number));
        due.into_iter().cloned().collect()
    }

    /// When the next one is due.
    #[must_use]
    pub fn next(&self) -> Option<WallTime> {
        self.letters.iter().map(|letter| letter.next).min()
    }

    /// Everything waiting.
    #[must_use]
    pub fn waiting(&self) -> &[Letter] {
        &self.letters
    }

    /// Notes what came of a try. 200 exactly means taken; anything else waits as long as `waits` says for
    /// this try, and after the last of them is given up.
    pub fn tried(&mut self, number: u64, now: WallTime, status: Option<u16>, waits: &[Duration]) {
        let Some(at) = self.letters.iter().position(|l| l.number == number) else {
            return;
        };
        let letter = &mut self.letters[at];
        match waits.get(letter.tries) {
            Some(wait) if status != Some(200) => {
                letter.tries += 1;
                letter.status = status;
                letter.next = now.plus(*wait);
            }
            _ => {
                self.letters.remove(at);
            }
        }
    }
}
